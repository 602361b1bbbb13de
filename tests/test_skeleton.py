import os
import re
import shlex
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from actionbench import ActionbenchError, new_attempt
from actionbench.baselines.registry import attempt_registry
from actionbench.experiments.planning.matrix import read_matrix

OFFLINE = ("--no-deps", "--no-build-isolation")


@pytest.fixture(autouse=True)
def shared_features(tmp_path_factory, monkeypatch):
    """Let the commands share the features of the clips that each of them looks at."""
    monkeypatch.setenv("ACTIONBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "features of documents"))


def test_what_is_written(tmp_path):
    files = new_attempt("mean-light2", tmp_path / "deep" / "folder")
    assert sorted(file.relative_to(tmp_path / "deep/folder").as_posix() for file in files) == [
        "README.md",
        "compare.toml",
        "pyproject.toml",
        "src/mean_light2/__init__.py",
        "tests/test_mean_light2.py",
    ]
    folder = tmp_path / "deep/folder"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "mean-light2"
    assert project["entry-points"]["actionbench.attempts"] == {"mean-light2": "mean_light2:MeanLight2"}
    plugin = attempt_registry([folder / "src/mean_light2/__init__.py"])
    assert plugin.get("mean-light2").__name__ == "MeanLight2"
    assert read_matrix(folder / "compare.toml").attempts[0].name == "mean-light2"
    for file in files:
        assert "$" not in file.read_text()
        assert max(map(len, file.read_text().splitlines())) <= 110


def test_an_empty_folder_is_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("first-try").mkdir()
    assert Path("first-try/pyproject.toml") in new_attempt("first-try")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../x", "cannot be the name of an attempt; it must be lower-case words with dashes between"),
        ("a b", "cannot be the name"),
        ("it's", "cannot be the name"),
        ('a"', "cannot be the name"),
        ("ärger", "cannot be the name"),
        ("Mine", "cannot be the name"),
        ("a--b", "cannot be the name"),
        ("a\n", "cannot be the name"),
        ("2d", "cannot be the name"),
        ("", "cannot be the name"),
        ("rules", "the attempt 'rules' is there already, from actionbench "),
        ("class", "'class' is a word of Python"),
        ("numpy", "'numpy' would hide the module 'numpy'"),
    ],
)
def test_a_name_that_cannot_be_one(tmp_path, monkeypatch, name, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ActionbenchError, match=sentence):
        new_attempt(name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_in_use(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a.txt").write_text("mine")
    for folder in (tmp_path / "full", tmp_path / "full/a.txt"):
        with pytest.raises(ActionbenchError, match="is there already; the folder must be empty or not exist"):
            new_attempt("first-try", folder)
    with pytest.raises(ActionbenchError, match="the package cannot be written there"):
        new_attempt("first-try", tmp_path / "full/a.txt/below")
    assert [file.name for file in tmp_path.rglob("*")] == ["full", "a.txt"]


@pytest.fixture
def fresh(tmp_path):
    """An environment of its own that sees the packages of this one."""
    venv.create(tmp_path / "fresh", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "fresh").glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text("\n".join(path for path in sys.path if Path(path).is_dir()))
    return tmp_path / "fresh/bin/python"


@pytest.mark.slow
def test_the_five_commands_of_the_document(tmp_path, fresh):
    (folder := tmp_path / "work").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    text = (Path(__file__).parents[1] / "docs/plugins.md").read_text(encoding="utf-8")
    commands = re.search(r"```sh\n(.*?)```", text, flags=re.DOTALL)[1].splitlines()
    assert len(commands) == 5

    def call(line):
        program, *words = shlex.split(line)
        # What a registry is needed for is there already.
        pip = [sys.executable, "-m", "pip", "--python", fresh]
        command = [fresh, "-m", program, *words] if program != "pip" else [*pip, *words, *OFFLINE]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    _, _, tested, checked, table = [call(line) for line in commands]
    assert " 2 skipped" in tested
    assert "passed  saved" in checked
    assert {line.split()[0] for line in table.splitlines() if "[" in line} >= {
        "my-attempt",
        "rules",
        "chance",
    }
    assert "my-attempt 0.1.0" in call("actionbench list attempts")
