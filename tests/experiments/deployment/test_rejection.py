"""The answer "none of these": its rate by simulation and against definitions in plain loops."""

import levels
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench import ActionbenchError
from actionbench.experiments.deployment.model import fit_model, load_model, model_matrix
from actionbench.experiments.deployment.prediction import Prediction, predict_video
from actionbench.experiments.deployment.rejection import NONE, Rejection, check_rate, score

PLUGIN = """
import numpy as np
from actionbench import Attempt


class Brightness(Attempt):
    # The nearest mean brightness; sure where it is near.

    family = "features"

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        levels = np.array([clip.frames.mean() for clip in clips])
        self.means_ = np.array([levels[labels == label].mean() for label in self.classes_])
        return self

    def predict_proba(self, clips):
        levels = np.array([clip.frames.mean() for clip in clips])[:, None]
        closeness = np.exp(-np.abs(levels - self.means_) / 20) + 1e-9
        # Far from all means it cannot say which.
        closeness += np.abs(levels - self.means_).min(axis=1, keepdims=True) / 50
        return closeness / closeness.sum(axis=1, keepdims=True)
"""


@pytest.fixture
def brightness_plugin(tmp_path):
    path = tmp_path / "brightness.py"
    path.write_text(PLUGIN)
    return path


@given(
    scores=st.lists(st.lists(st.sampled_from([0.2, 0.5, 0.7, 0.9]), min_size=1, max_size=4), min_size=1),
    asked=st.sampled_from([0.1, 0.2, 0.6, 0.9, 1.0]),
)
def test_a_p_value_is_the_share_of_groups_with_scores_as_small(scores, asked):
    total = 1.0
    for own in scores:
        total += sum(one <= asked for one in own) / len(own)
    assert Rejection(scores=[sorted(own) for own in scores]).p_value(asked) == pytest.approx(
        total / (len(scores) + 1)
    )


def test_a_score_is_less_where_the_class_other_is_likely():
    assert score({"run": 0.6, "walk": 0.4}) == pytest.approx(0.6)
    assert score({"run": 0.6, "other": 0.3, "walk": 0.1}) == pytest.approx(0.3)
    assert score({"other": 1.0}) == -1


def test_clips_of_other_and_those_that_were_not_held_out_do_not_count():
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [np.nan, np.nan]])
    labels, groups = ["run", "other", "run", "run"], ["a", "a", "b", "c"]
    found = Rejection.of(probabilities, labels, ["other", "run"], groups)
    assert [pytest.approx(own) for own in found.scores] == [[0.8], [0.4]]
    with pytest.raises(ActionbenchError, match="no group could be held out"):
        Rejection.of(np.full((2, 2), np.nan), ["run", "walk"], ["run", "walk"], ["a", "b"])


def test_a_rate_needs_groups():
    known = Rejection(scores=[[0.5]] * 9)
    assert check_rate(known, 0.1, "model") is known
    with pytest.raises(
        ActionbenchError, match="0.05 needs 19 groups of training clips, the model has 9; the smallest"
    ):
        check_rate(known, 0.05, "model")
    with pytest.raises(ActionbenchError, match="fit it with --reject"):
        check_rate(None, 0.05, "model")
    for rate in (0, 1, -0.1, float("nan")):
        with pytest.raises(ActionbenchError, match="must be above 0 and below 1"):
            check_rate(known, rate, "model")


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_of_new_groups_the_rate_holds_however_similar_their_clips_are(rate):
    """2,000 studies of 40 groups whose clips have all but the same score, and one new clip each."""
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(2000):
        centres = rng.normal(size=41)
        scores = [(centre + 0.1 * rng.normal(size=rng.integers(1, 9))).tolist() for centre in centres]
        rejected += Rejection(scores=[sorted(own) for own in scores[:-1]]).p_value(scores[-1][0]) <= rate
    # Exchangeability gives at most the rate and, with 40 groups, not less than it by more than 1 / 41.
    assert rate - 1 / 41 - 0.02 <= rejected / 2000 <= rate + 0.02


def test_a_model_answers_that_a_clip_is_none_of_its_classes(tmp_path, write_video, brightness_plugin):
    rng = np.random.default_rng(0)
    for person in range(20):
        shift = rng.normal(0, 3)
        for label, level in (("dark", 60), ("light", 200)):
            frames = np.full((6, 16, 16), level + shift, np.uint8)
            write_video(tmp_path / "clips" / label / f"p{person}_1.mkv", frames)
    data = {"name": "folder", "root": str(tmp_path / "clips"), "groups": "^(?P<group>[^_]+)_"}
    matrix = model_matrix("brightness", data)
    made = fit_model(matrix, tmp_path / "model", plugins=[brightness_plugin], reject=True)
    assert len(made.header.rejection.scores) == 20
    model = load_model(tmp_path / "model", plugins=[brightness_plugin])
    assert model.header.rejection == made.header.rejection
    write_video(tmp_path / "known.mkv", np.full((6, 16, 16), 200, np.uint8))
    write_video(tmp_path / "strange.mkv", np.full((6, 16, 16), 130, np.uint8))
    (known,) = predict_video(model, tmp_path / "known.mkv", reject=0.05)
    (strange,) = predict_video(model, tmp_path / "strange.mkv", reject=0.05)
    assert (known.label, strange.label) == ("light", NONE)
    assert known.p_value > 0.05 >= strange.p_value
    (plain,) = predict_video(model, tmp_path / "strange.mkv")
    assert plain.label in ("dark", "light")
    assert plain.p_value is None


def test_with_a_test_the_class_other_is_no_answer():
    shares = {"other": 0.6, "run": 0.4}
    facts = {"clip": "a", "start": 0, "end": 1, "probabilities": shares, "decode_ms": 1, "predict_ms": 1}
    assert Prediction(**facts).label == "other"
    assert Prediction(**facts, p_value=0.5).label == "run"
    assert Prediction(**facts, p_value=0.01, is_rejected=True).label == NONE


def test_clips_of_one_group_cannot_be_held_out(tmp_path, write_video):
    for label, level in (("dark", 60), ("light", 200)):
        write_video(tmp_path / "clips" / label / "p_1.mkv", np.full((6, 16, 16), level, np.uint8))
    data = {"name": "folder", "root": str(tmp_path / "clips"), "groups": "^(?P<group>[^_]+)_"}
    with pytest.raises(ActionbenchError, match="no group could be held out"):
        fit_model(model_matrix("majority", data), tmp_path / "model", reject=True)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("clips", levels.COMMON)
def test_the_rate_holds_for_fitted_attempts(clips):
    """1,000 studies; held-out scores are of attempts that learned from two thirds of the groups."""
    row = levels.rejection_simulated(clips, 60, 1000)
    for rate, share in zip(levels.RATES, (row.rejected_05, row.rejected_10, row.rejected_20), strict=True):
        assert rate - 0.02 <= share <= rate + 0.02
    assert row.strangers_20 > 0.3


def test_strangers_are_rejected_more_often():
    row = levels.rejection_simulated("clustered", 20, 20)
    assert row.rejected_05 <= row.rejected_10 <= row.rejected_20 <= 0.3
    assert row.strangers_20 > row.rejected_20
