import os

import pytest

from actionbench.experiments.running.warm_cache import question, unchanged, witnesses


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text('name = "m" # ${ROOM}')
    return path


def test_the_question_is_the_same_until_anything_asked_differs(file, monkeypatch, tmp_path):
    first = question(file, [], [], [])
    assert question(str(file), [], [], []) == first
    others = [
        question(file, ["seeds=[1]"], [], []),
        question(file, [], ["fold=0"], []),
        question(file, [], [], [tmp_path / "p.py"]),
        question("quick", [], [], []),
        question({"name": "m"}, [], [], []),
    ]
    monkeypatch.setenv("ROOM", "other")
    others.append(question(file, [], [], []))
    monkeypatch.setenv("ACTIONBENCH_DATA", "elsewhere")
    others.append(question(file, [], [], []))
    (tmp_path / "new-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    others.append(question(file, [], [], []))
    file.write_text('name = "n" # ${ROOM}')
    others.append(question(file, [], [], []))
    assert len({first, *others}) == 1 + len(others)


def test_a_file_that_changes_goes_or_comes_is_seen(tmp_path):
    here, folder = tmp_path / "a.py", tmp_path / "clips"
    here.write_text("1")
    folder.mkdir()
    states = witnesses([here, folder, tmp_path / "not there"])
    assert unchanged(states)
    here.write_text("2")
    assert not unchanged(states)
    assert unchanged(states, data=False)
    states = witnesses([here, folder])
    (folder / "new.avi").write_text("")
    assert not unchanged(states)
    states = witnesses([tmp_path / "later"])
    (tmp_path / "later").write_text("")
    assert not unchanged(states)
    os.unlink(here)


def test_a_change_under_the_same_size_and_time_is_seen(tmp_path):
    clip = tmp_path / "clip.avi"
    clip.write_text("one")
    os.utime(clip, ns=(10**18, 10**18))
    states = witnesses([clip])
    assert unchanged(states)
    clip.write_text("two")
    os.utime(clip, ns=(10**18, 10**18))
    assert not unchanged(states)
