import os
import subprocess
import sys

import pytest

from actionbench.experiments.running.warm_cache import file_stamps, request_hash, unchanged
from actionbench.experiments.store import Store


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text('name = "m" # ${ROOM}')
    return path


def test_the_request_hash_is_the_same_until_anything_requested_differs(file, monkeypatch, tmp_path):
    first = request_hash(file, [], [], [])
    assert request_hash(str(file), [], [], []) == first
    others = [
        request_hash(file, ["seeds=[1]"], [], []),
        request_hash(file, [], ["fold=0"], []),
        request_hash(file, [], [], [tmp_path / "p.py"]),
        request_hash("quick", [], [], []),
        request_hash({"name": "m"}, [], [], []),
    ]
    monkeypatch.setenv("ROOM", "other")
    others.append(request_hash(file, [], [], []))
    monkeypatch.setenv("ACTIONBENCH_DATA", "elsewhere")
    others.append(request_hash(file, [], [], []))
    (tmp_path / "new-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    others.append(request_hash(file, [], [], []))
    file.write_text('name = "n" # ${ROOM}')
    others.append(request_hash(file, [], [], []))
    assert len({first, *others}) == 1 + len(others)


def test_a_file_that_changes_goes_or_comes_is_seen(tmp_path):
    here, folder = tmp_path / "a.py", tmp_path / "clips"
    here.write_text("1")
    folder.mkdir()
    stamps = file_stamps([here, folder, tmp_path / "not there"])
    assert unchanged(stamps)
    here.write_text("2")
    assert not unchanged(stamps)
    assert unchanged(stamps, data=False)
    stamps = file_stamps([here, folder])
    (folder / "new.avi").write_text("")
    assert not unchanged(stamps)
    stamps = file_stamps([tmp_path / "later"])
    (tmp_path / "later").write_text("")
    assert not unchanged(stamps)
    os.unlink(here)


def test_a_change_under_the_same_size_and_time_is_seen(tmp_path):
    clip = tmp_path / "clip.avi"
    clip.write_text("one")
    os.utime(clip, ns=(10**18, 10**18))
    stamps = file_stamps([clip])
    assert unchanged(stamps)
    clip.write_text("two")
    os.utime(clip, ns=(10**18, 10**18))
    assert not unchanged(stamps)


def test_a_plug_in_does_not_change_the_request(tmp_path):
    """Loading one extends the import path, on which the hash of a request depends."""
    (tmp_path / "plugin.py").write_text(
        "from actionbench.baselines.trivial.majority import Majority\n"
        "class Mine(Majority):\n    '''Predicts the most frequent label.'''\n"
    )
    (tmp_path / "m.toml").write_text(
        "name = 'm'\nattempts = [{ name = 'mine' }]\n[[datasets]]\nname = 'figures'\nsubjects = 2\nframes = 4\n"
        "clips_per_subject = 1\nsplit = 'leave-one-group-out'\n"
    )
    run = [sys.executable, "-m", "actionbench", "run", "m.toml", "--plugin", "plugin.py", "-q"]
    for _ in range(2):
        subprocess.run(run, cwd=tmp_path, check=True, capture_output=True)
    with Store.open(tmp_path / "actionbench.sqlite") as store:
        # A run that is answered from the cache is not recorded.
        assert len(store.runs()) == 1
