import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pretrained_nets import averaging_net

from actionbench import ActionbenchError
from actionbench.baselines.base import Attempt
from actionbench.baselines.registry import attempt_registry
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.deployment import model as models
from actionbench.experiments.deployment.model import fit_model, load_model, measuring_command, model_matrix
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.store import provenance

FIGURES = {"name": "figures", "subjects": 3, "clips_per_subject": 1, "frames": 20}

PLUGIN = """
import numpy as np
from actionbench import Attempt


class MeanGrey(Attempt):
    family = "rules"

    def fit(self, clips, labels, groups=None):
        self.classes_, means = np.unique(labels), self.means(clips)
        self.means_ = np.array([means[labels == label].mean() for label in self.classes_])
        return self

    def predict_proba(self, clips):
        weight = 1 / (1 + np.abs(self.means(clips)[:, None] - self.means_))
        return weight / weight.sum(axis=1, keepdims=True)

    def means(self, clips):
        return np.array([clip.grey().mean() for clip in clips])


class Broken(MeanGrey):
    def fit(self, clips, labels, groups=None):
        raise KeyError("ouch")
"""


def make(folder, attempt="majority", dataset=FIGURES, changes=(), **how):
    return fit_model(model_matrix(attempt, dataset, changes), folder, **how)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small model, not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "model"
    make(folder, "chance")
    return folder


@pytest.fixture
def model(whole, tmp_path):
    """A copy of it, to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "mine" / "grey.py"
    path.parent.mkdir()
    path.write_text(PLUGIN)
    return path


def edit(folder, **changes):
    """Change the header as somebody would who knows how it is checked."""
    path = folder / "model.json"
    content = {**json.loads(path.read_text()), **changes}
    del content["sha256"]
    path.write_text(json.dumps({**content, "sha256": models.header_digest(content)}))


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(call, *args, **how):
    with pytest.raises(ActionbenchError) as caught:
        call(*args, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def quick(name, folder):
    """Return the entry of an attempt with as little training as may be."""
    if name == "rules-file":
        text = "if horizontal speed > 0.5 heights/s then running\notherwise boxing\n"
        (folder / "rules.txt").write_text(text)
        return {"name": name, "params": {"path": str(folder / "rules.txt")}}
    if name == "embedding":
        return {"name": name, "params": {"file": str(averaging_net(folder / "net.onnx"))}}
    if name == "features-file":
        names = [*Figures(**{key: FIGURES[key] for key in FIGURES if key != "name"}).table["clip"]]
        np.savez(folder / "v.npz", **{one: np.eye(20)[n] for n, one in enumerate(names)})
        return {"name": name, "params": {"file": str(folder / "v.npz")}}
    small = {"epochs": 1, "grow_epochs": 1}
    params = attempt_registry().get(name)().get_params()
    return {"name": name, "params": {key: value for key, value in small.items() if key in params}}


IN_A_NEW_PROCESS = """
import sys
from pathlib import Path
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.deployment.model import load_model

clips = Figures(subjects=2, clips_per_subject=1, frames=20).clips[[3]]
for folder in sorted(Path(sys.argv[1]).iterdir()):
    model = load_model(folder)
    assert model.warnings == []
    print(folder.name, model.attempt.predict_proba(clips).tobytes().hex())
"""


@pytest.mark.slow
def test_every_attempt_predicts_the_same_bits_when_read_back_here_and_elsewhere(tmp_path):
    clips = Figures(subjects=2, clips_per_subject=1, frames=20).clips[[3]]
    names, said = attempt_registry().names(), {}
    for name in names:
        fitted = make(tmp_path / "models" / name, quick(name, tmp_path))
        said[name] = fitted.attempt.predict_proba(clips)
        again = load_model(tmp_path / "models" / name)
        assert again.warnings == []
        assert type(again.attempt) is type(fitted.attempt)
        np.testing.assert_array_equal(again.attempt.predict_proba(clips), said[name], err_msg=name)
        assert again.attempt.explain() == fitted.attempt.explain()
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, tmp_path / "models"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    elsewhere = dict(line.split() for line in out.splitlines())
    assert elsewhere == {name: said[name].tobytes().hex() for name in names}


def test_a_model_knows_what_it_learned_from(whole):
    model = load_model(whole)
    figures = Figures(**{key: value for key, value in FIGURES.items() if key != "name"})
    data = model.header.data
    assert model.classes == figures.classes == model.attempt.classes_.tolist()
    assert (data.dataset, data.n_clips, data.n_groups) == ("figures", 18, 3)
    assert (data.seconds, data.fps) == ((0.8, 0.8, 0.8), 25.0)
    assert model.header.attempt == "chance"
    assert model.header.origin.startswith("actionbench ")
    assert model.header.versions["numpy"] == np.__version__
    assert model.n_bytes == sum(map(len, content(whole).values()))
    assert model.header.files.keys() == {"attempt.json", "fitted.skops"}
    other = make(whole.parent / "other", "chance", {**FIGURES, "seed": 1})
    assert other.header.data.fingerprint != data.fingerprint


def test_lengths_are_those_of_the_clips(tmp_path, write_video):
    for label, lengths in (("a", (4, 10)), ("b", (5, 30))):
        for number, length in enumerate(lengths):
            frames = np.full((length, 8, 8), 90, np.uint8)
            write_video(f"{label}/{number}.mkv", frames, fps=10, folder=tmp_path / "clips")
    folder = {"name": "folder", "root": str(tmp_path / "clips"), "groups": "none", "height": 4}
    model = make(tmp_path / "model", dataset=folder)
    assert model.header.data.seconds == (0.4, 0.75, 3.0)
    assert model.header.data.fps == 10
    assert model.header.data.decoding["height"] == 4
    assert model.header.data.n_groups is None


def test_a_model_reads_as_a_saved_attempt_too(whole):
    assert Attempt.load(whole).classes_.tolist() == load_model(whole).classes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no such folder"),
        (lambda folder: (folder / "model.json").unlink(), "holds no model, for model.json cannot be read"),
        (lambda folder: (folder / "model.json").write_text('{"kind": "act'), "it is no longer JSON"),
        (lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"), "it is no longer JSON"),
        (lambda folder: (folder / "model.json").write_text("[1]"), "is not of a model of actionbench"),
        (
            lambda folder: (folder / "model.json").write_text('{"format": "layers-model"}'),
            "is not of a model",
        ),
        (lambda folder: edit(folder, format=2), "is of format 2, which a newer actionbench wrote"),
        (lambda folder: edit(folder, classes="boxing"), "model.json: is damaged or was changed by hand"),
        (lambda folder: edit(folder, classes=["a", "b"]), "has other classes than model.json says"),
        (
            lambda folder: edit(folder, attempt="gone", origin="others 1.2"),
            "comes from others 1.2, which is not",
        ),
        (lambda folder: (folder / "fitted.skops").unlink(), "fitted.skops is missing or cannot be read"),
        (
            lambda folder: (folder / "fitted.skops").write_bytes(b"PK"),
            "fitted.skops is damaged or was changed",
        ),
    ],
)
def test_what_is_no_whole_model_is_refused(model, damage, message):
    damage(model)
    assert message in refused(load_model, model)


@pytest.mark.parametrize("name", ["model.json", "attempt.json"])
def test_an_edited_model_is_refused(model, name):
    path = model / name
    path.write_text(path.read_text().replace("chance", "majority").replace("Chance", "Majority"))
    assert f"{name}" in (said := refused(load_model, model))
    assert "was changed by hand; fit it again" in said


def test_other_code_is_a_warning_that_names_versions(model):
    edit(model, code="0" * 64, versions={**load_model(model).header.versions, "numpy": "0.1", "old": "3"})
    (warning,) = load_model(model).warnings
    assert f"numpy 0.1 then and {np.__version__} now, old 3 then and none now" in warning
    assert "scipy" not in warning


def test_an_attempt_of_a_plugin_needs_it_wherever_it_lies(tmp_path, plugin):
    made = make(tmp_path / "model", "mean-grey", plugins=[plugin])
    clips = Figures(subjects=2).clips[:3]
    said = made.attempt.predict_proba(clips)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = shutil.copy(plugin, elsewhere)
    again = load_model(tmp_path / "model", plugins=[moved])
    assert again.warnings == []
    assert type(again.attempt) is not type(made.attempt)
    np.testing.assert_array_equal(again.attempt.predict_proba(clips), said)
    assert "comes from the plug-in grey.py; name that file with --plugin" in refused(
        load_model, tmp_path / "model"
    )
    Path(moved).write_text(PLUGIN.replace("1 + np", "2 + np"))
    sys.modules.pop(type(again.attempt).__module__)
    provenance.forget()
    (warning,) = load_model(tmp_path / "model", plugins=[moved]).warnings
    assert "fitted with other code (of the same versions)" in warning


def test_what_goes_wrong_leaves_nothing(tmp_path, plugin):
    message = refused(make, tmp_path / "new" / "model", "broken", plugins=[plugin])
    assert message == "attempt 'broken': its fit() failed with KeyError: 'ouch'"
    assert list((tmp_path / "new").iterdir()) == []


def test_what_goes_wrong_leaves_the_old_model(model, plugin):
    before = content(model)
    refused(make, model, "broken", plugins=[plugin], overwrite=True)
    assert content(model) == before
    assert sorted(path.name for path in model.parent.iterdir()) == ["mine", "model"]


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(self, folder):
        (folder / "attempt.json").write_text("{")
        raise KeyboardInterrupt

    monkeypatch.setattr(Attempt, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(model):
    before = content(model)
    assert "holds a model already; name another folder, or replace it with --overwrite" in refused(
        make, model
    )
    assert content(model) == before
    make(model, overwrite=True)
    assert load_model(model).header.attempt == "majority"
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_what_a_link_leads_to_is_replaced(model):
    link = model.parent / "link"
    link.symlink_to(model)
    make(link, overwrite=True)
    assert link.is_symlink()
    assert load_model(model).header.attempt == "majority"
    assert sorted(path.name for path in model.parent.iterdir()) == ["link", "model"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_model_is_never_replaced(tmp_path, overwrite):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.txt").write_text("years of work")
    assert "no whole model of actionbench, so it is left alone" in refused(make, thesis, overwrite=overwrite)
    file = tmp_path / "file"
    file.write_text("more of it")
    assert "so it is left alone" in refused(make, file, overwrite=overwrite)
    assert (thesis / "chapter.txt").read_text() == "years of work"


def test_a_file_of_the_users_in_a_model_is_not_lost(model):
    (model / "notes.txt").write_text("good with bad light")
    assert "notes.txt is no part of the model there, and would be lost" in refused(
        make, model, overwrite=True
    )
    assert load_model(model).header.attempt == "chance"


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "model").mkdir()
    make(tmp_path / "model")
    assert load_model(tmp_path / "model").header.attempt == "majority"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    message = refused(make, tmp_path / "file" / "model")
    assert message.startswith(f"{tmp_path / 'file' / 'model'}: the model cannot be written there")


@pytest.mark.parametrize(
    ("attempt", "dataset", "changes", "message"),
    [
        ("chnace", {}, [], "there is no attempt 'chnace'; did you mean 'chance'"),
        ("chance", {"name": "figurs"}, [], "there is no data set 'figurs'"),
        ("chance", {}, ["people=3"], "data set 'figures': unknown key 'people'"),
        ("hog-svm", {}, ["attempts.hog-svm.params.D=3"], "attempt 'hog-svm': unknown parameter 'D'"),
        ("hog-svm", {}, ["attempts.hog.params.C=3"], "there is no entry 'hog'; there are hog-svm"),
        ("chance", {}, ["seeds=[1, 2]"], "seeds: must hold one, as a model is fitted once; got 2"),
        ("hog-svm", {}, ["attempts.0.params.C=[1, 2]"], "params.C must be one value"),
        ("chance", {}, ["limits.threads=2"], "limits are for a run"),
        ("chance", {}, ["datasets.0.probe=frozen"], "probes, tune, train_groups and limits are for a run"),
        ("hog-svm", {}, ["attempts.hog-svm.tune=3"], "probes, tune, train_groups and limits are for a run"),
        ("rules-file", {}, [], "rules-file needs the parameter 'path'"),
    ],
)
def test_what_cannot_be_learned(tmp_path, attempt, dataset, changes, message):
    assert message in refused(make, tmp_path / "model", attempt, {**FIGURES, **dataset}, changes)
    assert list(tmp_path.iterdir()) == []


def test_data_that_cannot_be_learned_from(tmp_path, class_folders):
    folder = {"name": "folder", "root": str(class_folders), "groups": "none"}
    message = refused(make, tmp_path / "model", "rules-hand", folder)
    assert "attempt 'rules-hand' cannot learn from data set 'folder': the list is written for" in message
    shutil.rmtree(class_folders / "dark")
    assert "there is one class only, 'light'" in refused(make, tmp_path / "model", dataset=folder)
    (class_folders / "light" / "ann_1.mkv").write_bytes(b"no video")
    shutil.copytree(class_folders / "light", class_folders / "other")
    assert "not a video that can be opened" in refused(make, tmp_path / "model", dataset=folder)
    assert not (tmp_path / "model").exists()


def test_parameters_seed_and_options_arrive(tmp_path):
    changes = ["attempts.hog-svm.params.C=0.25", "seeds=[7]", "subjects=2", "datasets.figures.frames=12"]
    model = make(tmp_path / "model", "hog-svm", changes=changes)
    assert (model.attempt.C, model.attempt.random_state) == (0.25, 7)
    assert model.header.data.n_clips == 12
    assert model.header.data.seconds[1] == pytest.approx(12 / 25)


def test_features_are_kept_and_charged(tmp_path):
    first = make(tmp_path / "a", "hog-svm", cache=tmp_path / "cache")
    again = make(tmp_path / "b", "hog-svm", cache=tmp_path / "cache")
    # To keep features takes time that is not charged.
    assert first.header.fit_uncached_seconds >= first.header.fit_seconds
    assert again.header.fit_uncached_seconds < again.header.fit_seconds


def test_the_command_that_measures_plans_what_was_fitted():
    attempt = {"name": "hog-svm", "params": {"C": 0.5, "grid": "frame"}}
    split = {"name": "group-k-fold", "folds": 3}
    matrix = model_matrix(attempt, {**FIGURES, "split": split}, ["seeds=[4]"])
    words = shlex.split(measuring_command(matrix, ["my plugin.py"]))
    assert words[:2] == ["actionbench", "run"]
    assert words[-2:] == ["--plugin", "my plugin.py"]
    changes = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    cells = make_plan(read_matrix("quick", changes)).cells
    assert {(cell.entry.name, str(cell.params), cell.seed) for cell in cells} == {
        ("hog-svm", str(attempt["params"]), 4)
    }
    assert {cell.data.fingerprint for cell in cells} == {make_plan(matrix).cells[0].data.fingerprint}
    assert len(cells) == 3


def test_the_command_that_measures_keeps_odd_words(tmp_path, class_folders):
    folder = {"name": "folder", "root": str(class_folders), "groups": r'(?P<group>[^_"\\]+)_'}
    words = shlex.split(measuring_command(model_matrix("chance", folder)))
    changes = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    cells = make_plan(read_matrix("quick", changes)).cells
    assert {cell.fold.name for cell in cells} == {"ann", "bob", "cem"}


def test_nothing_of_a_model_is_pickled(whole):
    import skops.io

    assert skops.io.get_untrusted_types(file=whole / "fitted.skops") == []
    assert all(b"\x80\x04\x95" not in data for data in content(whole).values())


def test_a_model_can_be_read_by_all_who_may_read_the_folder(whole):
    mask = os.umask(0)
    os.umask(mask)
    assert whole.stat().st_mode & 0o777 == 0o777 & ~mask
