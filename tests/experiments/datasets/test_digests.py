import hashlib
import os
import time
from multiprocessing import get_context

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionbench.experiments.datasets import digests
from actionbench.experiments.datasets.digests import file_digest


def wait_for_the_clock(path):
    """Wait until the next change of a file has another time stamp, as it has after two seconds at the latest."""
    before = path.stat().st_ctime_ns
    probe = path.with_name("probe")
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns != before:
            return


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """Remember hashes in a folder, and let what is written now be old enough."""
    monkeypatch.setenv("ACTIONBENCH_CACHE", str(tmp_path / "cache"))
    now = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: now() + 10 * 10**9)
    digests._memory.cache_clear()
    yield tmp_path / "cache" / "digests.sqlite"
    digests._memory.cache_clear()


@pytest.fixture
def read(monkeypatch):
    """Return the names of the files that are read."""
    names = []
    plain = hashlib.file_digest

    def counted(file, kind):
        names.append(os.path.basename(file.name))
        return plain(file, kind)

    monkeypatch.setattr(digests.hashlib, "file_digest", counted)
    return names


def test_a_file_is_read_once_until_it_changes(tmp_path, memory, read):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    expected = hashlib.sha256(b"one").hexdigest()
    assert [file_digest(path), file_digest(path)] == [expected] * 2
    assert read == ["a"]
    assert file_digest(path, "grey") == hashlib.sha256(b"onegrey").hexdigest()
    # Another process recalls it as well.
    digests._memory.cache_clear()
    assert file_digest(path) == expected
    assert read == ["a", "a"]
    wait_for_the_clock(path)
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp, stamp))
    assert file_digest(path) == hashlib.sha256(b"two").hexdigest()


def test_what_has_just_changed_is_not_remembered(tmp_path, monkeypatch, read):
    monkeypatch.setenv("ACTIONBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a").write_bytes(b"one")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "a")
    assert read == ["a", "a"]


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=2), st.booleans()), max_size=8))
def test_it_is_always_the_hash_of_the_content(tmp_path_factory, steps):
    """Whatever is written, replaced by a file of the same size, or given an older time."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("files")
        patch.setenv("ACTIONBENCH_CACHE", str(folder / "cache"))
        now = time.time_ns
        patch.setattr(digests.time, "time_ns", lambda: now() + 10 * 10**9)
        for name, content, replaced in steps:
            path = folder / name
            if replaced:
                (folder / "new").write_bytes(content)
                os.replace(folder / "new", path)
            else:
                path.write_bytes(content)
            os.utime(path, ns=(10**18, 10**18))
            assert file_digest(path) == hashlib.sha256(content).hexdigest()
            wait_for_the_clock(path)


def test_without_a_folder_that_can_be_used(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    for folder in ("none", str(tmp_path / "file")):
        monkeypatch.setenv("ACTIONBENCH_CACHE", folder)
        assert file_digest(tmp_path / "file") == expected


def test_a_damaged_memory(tmp_path, memory):
    memory.parent.mkdir()
    memory.write_bytes(b"no database" * 1000)
    (tmp_path / "a").write_bytes(b"one")
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"one").hexdigest()


def _all_digests(paths):
    return [file_digest(path) for path in paths]


def test_several_processes_remember_side_by_side(tmp_path, memory):
    paths = [tmp_path / f"{number}" for number in range(30)]
    for path in paths:
        path.write_text(path.name)
    with get_context("fork").Pool(3) as pool:
        found = pool.map(_all_digests, [paths] * 6)
    assert found == [[hashlib.sha256(path.name.encode()).hexdigest() for path in paths]] * 6
