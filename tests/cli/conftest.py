from pathlib import Path

import pytest

MATRIX = """
name = "mine"

[[datasets]]
name = "folder"
root = "my clips"
groups = "(?P<group>[a-z]+)_"
split = "leave-one-group-out"

[[attempts]]
name = "majority"

[[attempts]]
name = "chance"
"""


@pytest.fixture
def folder(class_folders, monkeypatch):
    """A folder with clips and a matrix, as the working directory."""
    monkeypatch.chdir(class_folders.parent)
    Path("m.toml").write_text(MATRIX)
    Path("typo.toml").write_text(MATRIX.replace("attempts", "atempts"))
    return class_folders.parent
