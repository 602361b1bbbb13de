import io
import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from actionbench.experiments.datasets.diagnostic import proofs
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.store import Store

GROUPS = "^(?P<group>[^_]+)_"


class Terminal(io.StringIO):
    """A terminal at which somebody has typed something."""

    def isatty(self):
        return True


def test_an_empty_class_and_a_damaged_clip(folder, call):
    (folder / "my clips/empty").mkdir()
    assert "empty: there is no video file in this class" in call("run", "m.toml")[2]
    (folder / "my clips/empty").rmdir()
    (folder / "my clips/dark/ann_1.mkv").write_bytes(b"")
    code, _, err = call("data", "info", "folder", "--root", "my clips", "--set", "groups=none")
    assert code == 2
    assert "ann_1.mkv: the file is empty" in err


def test_data_info_and_preview(folder, call):
    code, out, _ = call("data", "info", "folder", "--root", "my clips", "--set", "groups=none", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["clips"] == 12
    assert facts["warnings"]
    assert call("data", "info", "figures", "--set", "subjects=2", "--set", "clips_per_subject=1")[0] == 0
    words = ["data", "preview", "folder", "--root", "my clips", "--set", "groups=none", "-o", "x.png"]
    assert call(*words)[0] == 0
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")


def test_info_names_copies(call, folder):
    shutil.copy("my clips/dark/ann_1.mkv", "my clips/dark/bob_3.mkv")
    words = ("data", "info", "folder", "--root", "my clips", "--set", "groups=^(?P<group>[a-z]+)_", "--json")
    facts = json.loads(call(*words)[1])
    assert facts["split"] == "leave-one-group-out"
    assert facts["warnings"] == [
        "Clips of different groups are on both sides of a fold and have the same frames: dark/bob_3.mkv (train) and "
        "dark/ann_1.mkv (test) in fold ann. [identical-clips]"
    ]


@pytest.mark.parametrize("split", ["leave-one-group-out", '{name="group-k-fold",folds=3}'])
def test_info_has_the_warnings_of_a_run(call, folder, split):
    shutil.copy("my clips/dark/ann_1.mkv", "my clips/light/bob_3.mkv")
    (folder / "my clips/third").mkdir()
    shutil.copy("my clips/dark/ann_2.mkv", "my clips/third/ann_9.mkv")
    words = ("data", "info", "folder", "--root", "my clips", "--set", "groups=^(?P<group>[a-z]+)_", "--json")
    said = json.loads(call(*words, "--split", split)[1])["warnings"]
    assert call("run", "m.toml", "-q", "--set", f"datasets.folder.split={split}")[0] == 0
    with Store.open("actionbench.sqlite") as store:
        assert said == store.datasets()["warnings"][0]
    assert {warning.rpartition(" ")[2] for warning in said} >= {"[identical-clips]", "[class-of-one-group]"}


def test_a_split_that_is_none(call, folder):
    words = ("data", "info", "folder", "--root", "my clips", "--set", "groups=none")
    code, _, err = call(*words, "--split", "leave-one")
    assert (code, "there is no split 'leave-one'; did you mean" in err) == (2, True)


def test_what_is_dropped_is_counted(call, folder):
    (folder / "my clips/dark/ann_1.mkv").write_bytes(b"")
    words = ("data", "info", "folder", "--root", "my clips", "--set", "groups=none", "--set", "on_error=drop")
    facts = json.loads(call(*words, "--json")[1])
    assert facts["clips"] == 11
    assert any(
        warning == "Left out: 1 of 12 clips, which cannot be decoded: dark/ann_1.mkv. [clips-left-out]"
        for warning in facts["warnings"]
    )


def test_import_asks_for_groups_at_a_terminal(call, folder, monkeypatch):
    for typed, groups in (
        ("1\n", GROUPS),
        ("what\n(?P<group>[abc])\n", "(?P<group>[abc])"),
        ("none\n", "none"),
    ):
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        code, out, err = call("data", "import", "my clips", "-o", "my.toml", "--force")
        assert code == 0
        assert "2 folders in it hold videos, a class each" in out
        assert "what is before the first _ in the names of files; 3 groups" in " ".join(out.split())
        assert ("'what' has no (?P<group>...)" in err) == typed.startswith("what")
        assert err.endswith("my.toml is written; now: actionbench plan my.toml; actionbench run my.toml\n")
        (entry,) = read_matrix("my.toml").datasets
        assert (entry.options["groups"], entry.options["root"]) == (groups, str(folder / "my clips"))
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert call("data", "import", "my clips", "-o", "other.toml")[0] == 130
    assert not Path("other.toml").exists()


def test_import_never_takes_groups_by_itself(call, folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n"))
    code, _, err = call("data", "import", "my clips", "-o", "my.toml")
    assert (code, err.count("\n")) == (2, 1)
    assert (
        f"my clips: nothing is written; groups must be chosen by --groups VALUE, '{GROUPS}' (what is" in err
    )
    assert err.endswith("or 'none'\n")
    assert not Path("my.toml").exists()
    assert call("data", "import", "my clips", "-o", "my.toml", "--groups", GROUPS)[0] == 0
    assert call("plan", "my.toml", "--json")[0] == 0


def test_import_without_a_file_to_write(call, folder):
    before = sorted(folder.iterdir())
    code, out, err = call("data", "import", "my clips", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "nothing is written without -o FILE\n")
    assert found["entry"] == {"name": "folder", "root": str(folder / "my clips")}
    assert found["groups"][0] == {
        "groups": GROUPS,
        "n_groups": 3,
        "reason": "what is before the first _ in the names of files; 3 groups",
        "useful": True,
    }
    assert found["split"] is None
    chosen = json.loads(call("data", "import", "my clips", "--json", "--groups", GROUPS)[1])
    assert (chosen["entry"]["groups"], chosen["split"]) == (GROUPS, {"name": "leave-one-group-out"})
    assert call("data", "import", "my clips")[0] == 0
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("gone", "gone: there is no such file or folder"),
        ("m.toml", "is no known format; known are:"),
        (
            "'my clips' -o m.toml --groups none",
            "m.toml: exists already; --force replaces it, or give -o another",
        ),
        ("'my clips' -o no/m.toml --groups none", "no/m.toml: the folder no does not exist"),
        ("'my clips' --groups who", "groups: 'who' has no (?P<group>...)"),
        ("'my clips' --label who", "--label who: the labels of my clips are in one place only; leave it out"),
        ("'my clips' --root .", "--root: folder reads videos in a folder; leave it out"),
    ],
)
def test_what_import_refuses(call, folder, words, says):
    code, _, err = call("data", "import", *shlex.split(words))
    assert (code, err.count("\n")) == (2, 1)
    assert says in err


def test_a_matrix_that_cannot_be_run_is_left(call, folder):
    shutil.rmtree("my clips/light")
    rows = "".join(f"{path},dark\n" for path in Path("my clips").rglob("*.mkv"))
    Path("clips.csv").write_text(f"path,label\n{rows}")
    code, _, err = call("data", "import", "clips.csv", "-o", "my.toml", "--groups", GROUPS)
    assert code == 2
    assert "my.toml is written, but cannot be run yet\n" in err
    assert "the data set has one class only, 'dark'" in err
    assert read_matrix("my.toml").datasets[0].name == "table"


def test_the_proofs_of_a_track(call, monkeypatch):
    proved = proofs.prove("one-way", subjects=12, clips=48)
    monkeypatch.setattr(proofs, "prove_all", lambda tracks, **own: [proved])
    code, out, err = call("data", "prove", "diagnostic", "--track", "one-way")
    assert code == 0
    assert "one-way: 9 of 9 hold" in err
    assert [line.split()[-1] for line in out.splitlines() if "middle frame" in line] == ["holds"]
    code, out, _ = call("data", "prove", "diagnostic", "--track", "one-way", "--json")
    found = {one["probe"]: one for one in json.loads(out)}
    assert (code, found["mean frame"]["verdict"], found["mean frame"]["accuracy"]) == (0, "holds", 0.5)


def test_a_proof_that_does_not_hold(call, monkeypatch):
    broken = proofs.Proved("arrow", "mean frame", "must fail", 0.6, 0.55, 0.65, 0.5, 0.95, 100)
    monkeypatch.setattr(proofs, "prove_all", lambda tracks, **own: [[broken]])
    code, out, err = call("data", "prove", "diagnostic")
    assert code == 1
    assert "arrow: 0 of 1 hold" in err
    assert "at most 53.0" in out
    assert "60.0 [55.0, 65.0]" in out
    assert "broken" in out


def test_a_track_that_is_none(call):
    code, _, err = call("data", "prove", "diagnostic", "--track", "arow")
    assert code == 2
    assert "--track arow: there is no such track; did you mean 'arrow'?" in err
