import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import actionbench
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.sharing.reading import open_results
from actionbench.experiments.store import Store

MATRIX = """
name = "mine"

[[datasets]]
name = "figures"
subjects = 2
clips_per_subject = 1
split = "leave-one-group-out"

[[attempts]]
name = "majority"

[[attempts]]
name = "chance"
"""


PLUGIN = '''
import numpy as np
from actionbench import Attempt, Explanation
from helper import LEVEL


class Moody(Attempt):
    """Guesses by the seed, draws itself, and may fail on some folds."""

    family = "moods"

    def __init__(self, *, fails="", random_state=0):
        self.fails, self.random_state = fails, random_state

    def fit(self, clips, labels, groups=None):
        if self.fails in groups:
            raise ValueError(f"{self.fails} is not liked")
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, clips):
        drawn = LEVEL + np.random.default_rng(self.random_state).random((len(clips), len(self.classes_)))
        return drawn / drawn.sum(axis=1, keepdims=True)

    def explain(self):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1))
        figure.add_subplot().plot([self.random_state, 1])
        return Explanation("by the seed", {"line": figure})
'''


@pytest.fixture
def author(tmp_path, monkeypatch):
    """A folder with a matrix that names lists and a plug-in with a helper."""
    folder = tmp_path / "author"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("moody.py").write_text(PLUGIN)
    Path("helper.py").write_text("LEVEL = 0.5\n")
    Path("mine.txt").write_text("if vertical motion > 0.5 then handwaving\notherwise boxing\n")
    clips = Figures(subjects=3, clips_per_subject=1).table
    for name, people in (
        ("train.txt", clips["group"].unique()[:1]),
        ("test.txt", clips["group"].unique()[1:]),
    ):
        Path(name).write_text("\n".join(clips["clip"][clips["group"].isin(people)]))
    lists = ["train.txt", "test.txt"]
    split = {"train": lists, "test": lists[::-1]}
    content = {
        "name": "paper",
        "seeds": [0, 1],
        "datasets": [{"name": "figures", "subjects": 3, "clips_per_subject": 1, "frames": 8, "split": split}],
        "attempts": [
            {"name": "rules-file", "params": {"path": "mine.txt"}},
            {"name": "moody"},
            {"name": "chance"},
        ],
    }
    return content, str(clips["group"].iloc[0])


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


#: Columns of the table that two machines do not agree in.
COSTS = re.compile("seconds|ms|mib|joules|per_second")


@pytest.mark.slow
def test_a_reader_sees_the_author_s_report_and_gets_the_same_results(author, tmp_path, call, monkeypatch):
    content, _ = author
    actionbench.run(content, plugins=["moody.py"], store="s.sqlite", workers=2)
    actionbench.report("s.sqlite", "report")
    with Store.open("s.sqlite") as store:
        thumbnails = store.thumbnails(1)
    assert thumbnails
    _, _, err = call("bundle", "s.sqlite", "-o", "../paper.zip")
    assert f"{len(thumbnails)} thumbnails of clips are in it" in err
    shutil.move(tmp_path / "author", tmp_path / "kept")
    (tmp_path / "reader").mkdir()
    monkeypatch.chdir(tmp_path / "reader")
    code, out, _ = call("report", "../paper.zip", "-o", "seen")
    assert code == 0
    assert files_in("seen") == files_in("../kept/report")
    assert "seen/index.html" in out.split()
    code, out, _ = call("reproduce", "../paper.zip", "-q", "--json")
    assert code == 0
    assert [row["verdict"] for row in json.loads(out)] == ["exact"] * 12
    with open_results("../paper.zip") as store:
        assert store.thumbnails(1) == thumbnails
    theirs, ours = (actionbench.table(store) for store in ("../paper.zip", "paper.reproduced.sqlite"))
    results = [column for column in theirs if not COSTS.search(column)]
    assert len(theirs) == 3
    pd.testing.assert_frame_equal(theirs[results], ours[results])
    code, out, _ = call("compare", "../paper.zip", "paper.reproduced.sqlite", "--json")
    assert {row["difference"] for row in json.loads(out)} == {0.0}
    for store, folder in (("../paper.zip", "theirs"), ("paper.reproduced.sqlite", "ours")):
        assert call("report", store, "-o", folder, "--without-costs")[0] == 0
    assert files_in("theirs") == files_in("ours")


@pytest.mark.slow
def test_a_bundle_is_shown_as_its_store_with_failures_seeds_and_pictures(author, call):
    content, person = author
    content["attempts"][1]["params"] = {"fails": ["", person]}
    content["seeds"] = [3, 4]
    actionbench.run(content, plugins=["moody.py"], store="s.sqlite", workers=2)
    bundle = str(actionbench.bundle("s.sqlite", "b.zip"))
    actionbench.report("s.sqlite", "from store")
    actionbench.report(bundle, "from bundle")
    page = Path("from bundle/index.html").read_text()
    assert f"{person} is not liked" in page
    assert "by the seed" in page
    assert "data:image/png" in page
    assert files_in("from bundle") == files_in("from store")
    for form in ("terminal", "csv"):
        assert call("show", bundle, "--format", form) == call("show", "s.sqlite", "--format", form)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("m.toml").write_text(MATRIX)
    actionbench.run("m.toml", store="s.sqlite", workers=1)
    return str(actionbench.bundle("s.sqlite", "b.zip"))


def test_a_bundle_is_written_and_agrees_when_it_runs_again(bundle, call):
    code, out, err = call("bundle", "s.sqlite", "-o", "again.zip")
    assert (code, out) == (0, "again.zip\n")
    assert "4 cells: 4 done" in err
    assert Path("again.zip").read_bytes() == Path(bundle).read_bytes()
    code, out, err = call("reproduce", bundle, "-j", "1", "-q")
    assert code == 0
    assert "exact" in out
    assert "differs" not in out
    assert "4 cells: 4 agree, 0 do not; results in b.reproduced.sqlite" in err
    code, out, _ = call("reproduce", bundle, "-q", "--json")
    assert [row["verdict"] for row in json.loads(out)] == ["exact"] * 4
    assert "majority" in call("reproduce", bundle, "-q", "-v")[1]


def test_what_is_missing_now_gives_exit_code_1(bundle, call):
    code, out, err = call("reproduce", bundle, "-q", "--set", 'attempts=[{ name = "chance" }]')
    assert code == 1
    assert "missing" in out
    assert "2 agree, 2 do not" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bundle", "gone.sqlite", "-o", "x.zip"), "gone.sqlite: there is no store"),
        (("reproduce", "gone.zip"), "gone.zip: there is no bundle"),
        (("report", "gone.zip"), "gone.zip: there is no store"),
        (("show", "cut.zip"), "cut.zip: is damaged or no bundle"),
        (("reproduce", "m.toml"), "m.toml: is damaged or no bundle"),
        (("reproduce", "b.zip", "--store", "s.sqlite"), "s.sqlite: holds runs other than of this bundle"),
        (("reproduce", "b.zip", "--set", "datasets.figures.subjects=3"), "'figures' is not what was bundled"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(bundle, call, words, message):
    Path("cut.zip").write_bytes(Path(bundle).read_bytes()[:1000])
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not Path("b.reproduced.sqlite").exists()


def test_the_same_in_python(bundle):
    cells = actionbench.reproduce(bundle, only=["attempt=chance"], workers=1)
    assert cells["verdict"].tolist() == ["exact"] * 2
    assert cells.attrs["notes"] == []
    assert Path("b.reproduced.sqlite").is_file()
