import json
import shutil
from pathlib import Path


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
    assert facts["warnings"] == [
        "Clips of different groups have the same frames: dark/ann_1.mkv and dark/bob_3.mkv. [identical-clips]"
    ]
