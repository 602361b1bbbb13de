"""Attempts on poses: what exact joints tell, what is refused, and rules that are edited by hand."""

import os
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from actionbench import ActionbenchError
from actionbench.baselines.handcrafted.pose_svm import PoseSvm
from actionbench.baselines.nets.pose_tcn import PoseTcn
from actionbench.baselines.rules.pose_rules import PoseRules
from actionbench.baselines.rules.rules_file import RulesFile
from actionbench.experiments.datasets.diagnostic.dataset import Diagnostic
from actionbench.experiments.datasets.figures import Figures
from actionbench.features.examples import examples
from actionbench.features.pose import joint_errors
from actionbench.features.pose_model import PoseModel

ATTEMPTS = (PoseRules, PoseSvm, PoseTcn)


@pytest.fixture(scope="module")
def drawn():
    """Six drawn people: the clips of four train."""
    data = Figures(subjects=6, clips_per_subject=1, distractors=1)
    trained = np.isin(data.groups, sorted(set(data.groups))[:4])
    return (
        data.clips[trained],
        data.labels[trained],
        data.groups[trained],
        data.clips[~trained],
        data.labels[~trained],
    )


@pytest.mark.parametrize(
    ("cls", "least"),
    [
        (PoseSvm, 0.8),
        pytest.param(PoseRules, 0.6, marks=pytest.mark.slow),
        pytest.param(PoseTcn, 0.8, marks=pytest.mark.slow),
    ],
)
def test_exact_joints_tell_six_actions(drawn, cls, least):
    *training, clips, labels = drawn
    attempt = cls().fit(*training)
    assert attempt.score(clips, labels) >= least


def test_noise_and_missing_joints_cost(drawn):
    *training, clips, labels = drawn
    exact, worse = (
        PoseSvm(joint_noise=noise, joint_dropout=share).fit(*training)
        for noise, share in ((0, 0), (0.3, 0.8))
    )
    assert exact.score(clips, labels) > worse.score(clips, labels) + 0.15


@pytest.mark.slow
def test_order_needs_parts_of_time():
    data = Diagnostic("order", levels=[8], train_subjects=10, test_subjects=10)
    plain = np.array([row.condition is None for row in data.rows])
    train, test = data.published_folds()["people"]
    fitted = [
        PoseSvm(levels=levels, mirror=False).fit(data.clips[train], data.labels[train], data.groups[train])
        for levels in (1, 3)
    ]
    test = test & plain
    scores = [attempt.score(data.clips[test], data.labels[test]) for attempt in fitted]
    assert scores[1] >= 0.9
    assert scores[0] < scores[1] - 0.2


@pytest.mark.parametrize("cls", ATTEMPTS)
def test_clips_without_pose_are_refused_before_work_begins(cls, figures):
    says = "the clips have no pose: give the data set poses = "
    assert cls().skip(SimpleNamespace(has_poses=False)).startswith(says)
    assert cls().skip(Figures(subjects=2)) is None
    assert cls().skip(Diagnostic("motion-dots", train_subjects=2, test_subjects=2)).startswith(says)
    with pytest.raises(ActionbenchError, match=says):
        cls().fit(*figures)


@pytest.mark.parametrize("cls", ATTEMPTS)
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"joint_noise": -1}, "joint_noise must be a number of body heights"),
        ({"joint_noise": "much"}, "joint_noise must be"),
        ({"joint_dropout": 1}, "joint_dropout must be a share"),
        ({"joint_dropout": True}, "joint_dropout must be"),
    ],
)
def test_wrong_parameters_are_refused(cls, params, says):
    with pytest.raises(ValueError, match=says):
        cls(**params).fit(*examples())


def test_wrong_levels_are_refused():
    with pytest.raises(ValueError, match="levels must be 1, 2, 3 or 4"):
        PoseSvm(levels=5).fit(*examples())


def test_rules_on_poses_are_exported_edited_and_read_back(tmp_path):
    clips, labels, groups = examples()
    attempt = PoseRules(softness=0.1, min_clips=1).fit(clips, labels, groups)
    path = tmp_path / "rules.txt"
    attempt.export(path)
    again = RulesFile(path=str(path), pose="clip").fit(clips, labels, groups)
    np.testing.assert_array_equal(again.predict_proba(clips), attempt.predict_proba(clips))
    assert "by rule" in again.explain(clips[0])
    path.write_text(
        "if hand height > -0.1 heights and elbow angle <= 160 degrees then handwaving\notherwise boxing\n"
    )
    assert len(RulesFile(path=str(path), pose="clip").fit(clips, labels).rules_) == 2
    with pytest.raises(ActionbenchError, match=r"rules.txt, line 1: there is no quantity 'hand height'"):
        RulesFile(path=str(path)).fit(clips, labels)
    path.write_text("if hand height > 5 degrees then boxing\notherwise boxing\n")
    with pytest.raises(ActionbenchError, match="'hand height' is in heights, got 'degrees'"):
        RulesFile(path=str(path), pose="clip").fit(clips, labels)
    path.write_text("otherwise boxing\n")
    dataset = SimpleNamespace(has_poses=False, classes=["boxing"])
    assert "no pose" in RulesFile(path=str(path), pose="clip").skip(dataset)
    assert RulesFile(path=str(path)).skip(dataset) is None


def test_explanations_name_what_is_seen():
    clips, labels, groups = examples()
    assert "degrees" in PoseRules(softness=0.1, min_clips=1).fit(clips, labels, groups).explain()
    assert "4 parts of time 952 values" in PoseSvm().fit(clips, labels, groups).explain()
    explanation = PoseTcn(epochs=1, width=2).fit(clips, labels, groups).explain()
    assert "the distances of all pairs of 14 joints" in explanation


BLAZEPOSE = """kind = "coordinates"
joints = "mediapipe-33"
layout = "NHWC"
outputs = ["Identity"]
presence = "Identity_1"
values = ["x", "y", "z", "score", "-"]
sigmoid = true
"""


@pytest.fixture(scope="session")
def blazepose(tmp_path_factory):
    """The landmark net of MediaPipe's BlazePose, as the npm package has it."""
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT")
    if shutil.which("npm") is None:
        pytest.skip("needs npm, to fetch the weights")
    folder = tmp_path_factory.mktemp("blazepose")
    command = ["npm", "pack", "--silent", "@mediapipe/pose@0.5.1675469404"]
    environment = {**os.environ, "npm_config_cache": str(folder / "cache")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    (archive, *_) = [*folder.glob("*.tgz"), None]
    if done.returncode or archive is None:
        pytest.skip("the package @mediapipe/pose cannot be fetched")
    shutil.unpack_archive(archive, folder, filter="data")
    path = folder / "package" / "pose_landmark_lite.tflite"
    path.with_suffix(".toml").write_text(BLAZEPOSE)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("action", "least"), [(0, 0.12), (1, 0.12), (2, 0.08), (5, 0.3)])
def test_blazepose_finds_the_joints_of_drawn_people(blazepose, action, least):
    clip = Figures(subjects=2, clips_per_subject=1, frames=24).load(action)
    errors = joint_errors(PoseModel(blazepose).estimate(clip), clip.pose)
    assert np.median(errors) < least
    # Somebody who stands upright in the middle of the person would be farther off.
    assert np.isfinite(errors).all()


@pytest.mark.slow
def test_an_attempt_with_blazepose(blazepose):
    data = Figures(subjects=3, clips_per_subject=1, frames=12)
    rows = np.isin(data.labels, ["handwaving", "walking"])
    clips, labels, groups = data.clips[rows], data.labels[rows], data.groups[rows]
    attempt = PoseSvm(pose=str(blazepose), levels=1)
    assert attempt.skip(data) is None
    assert attempt.fit(clips[:4], labels[:4], groups[:4]).score(clips[4:], labels[4:]) == 1
