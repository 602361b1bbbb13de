import json
import sys
from pathlib import Path

import pytest

import actionbench
from actionbench.cli import main

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


@pytest.fixture
def call(monkeypatch, capfd):
    """Call the command line as a shell would and return exit code, output and messages."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["actionbench", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code or 0, out, err

    return call


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
    ("words", "says"),
    [
        (("bundle", "gone.sqlite", "-o", "x.zip"), "gone.sqlite: there is no store"),
        (("reproduce", "gone.zip"), "gone.zip: there is no bundle"),
        (("reproduce", "m.toml"), "m.toml: is damaged or no bundle"),
        (("reproduce", "b.zip", "--store", "s.sqlite"), "s.sqlite: holds runs other than of this bundle"),
        (("reproduce", "b.zip", "--set", "datasets.figures.subjects=3"), "'figures' is not what was bundled"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(bundle, call, words, says):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert not Path("b.reproduced.sqlite").exists()


def test_the_same_in_python(bundle):
    cells = actionbench.reproduce(bundle, only=["attempt=chance"], workers=1)
    assert cells["verdict"].tolist() == ["exact"] * 2
    assert cells.attrs["notes"] == []
    assert Path("b.reproduced.sqlite").is_file()
