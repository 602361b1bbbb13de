from pathlib import Path

import pytest

from actionbench.errors import DataError
from actionbench.experiments.running.feature_cache import usable_cache, user_cache


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file where a folder of features is wanted, and no other named."""
    monkeypatch.delenv("ACTIONBENCH_CACHE")
    path = tmp_path / "file"
    path.write_text("")
    return path


def test_a_folder_that_cannot_be_made(file):
    with pytest.raises(
        DataError, match=r"file/features: the folder .* cannot be made .*--cache names another"
    ):
        usable_cache(file / "features", 1)


def test_where_the_usual_folder_cannot_be_made_none_is_used(file, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    with pytest.warns(RuntimeWarning, match="cannot be made .*this run keeps none"):
        assert usable_cache(None, 1) == "none"


def test_where_features_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert user_cache() == Path("/caches/actionbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path.home() / ".cache" / "actionbench"
    monkeypatch.setenv("ACTIONBENCH_CACHE", str(tmp_path / "mine"))
    assert usable_cache(None, 1) == str(tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()
