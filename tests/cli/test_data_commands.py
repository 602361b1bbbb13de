import json
import shutil
from pathlib import Path

import pytest

from actionbench.experiments.store import Store


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
