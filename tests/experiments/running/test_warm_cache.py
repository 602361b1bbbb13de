import os

import pytest

from actionbench.experiments.running.warm_cache import file_stamps, request_hash, unchanged


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
