import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from actionbench.cli.main import cli
from actionbench.experiments.store import Store


def test_the_version_names_the_commit_that_was_built(call, monkeypatch, tmp_path):
    said = r"actionbench, version \d+\.\d+\.\d+"
    code, out, err = call("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{said}(, commit [0-9a-f]{{12,}}(-dirty)?)?\n", out)
    (tmp_path / "cli").mkdir()
    monkeypatch.setattr("actionbench.cli.main.__file__", str(tmp_path / "cli/main.py"))
    assert re.fullmatch(rf"{said}\n", call("--version")[1])
    (tmp_path / "commit.txt").write_text("0123456789ab-dirty\n")
    assert re.fullmatch(rf"{said}, commit 0123456789ab-dirty\n", call("--version")[1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run gone.toml", "gone.toml: there is no such matrix"),
        ("run m.toml --set 'sedes=[1]'", "m.toml: unknown key 'sedes'; did you mean 'seeds'"),
        (
            "run m.toml --only attempt=rules",
            "--only attempt=rules: no cell is left; attempt may be majority, chance",
        ),
        ("run m.toml --plugin gone.py", "gone.py: there is no such plug-in"),
        ("run m.toml --set datasets.folder.root=nowhere", "nowhere is not a folder"),
        (
            "run m.toml --set attempts.chance.name=chnace",
            "there is no attempt 'chnace'; did you mean 'chance'",
        ),
        (
            "run m.toml --set 'datasets.folder.split={name=\"group-k-fold\",folds=4}'",
            "folds = 4, but the data set has 3 groups",
        ),
        ("run m.toml --store no/where.sqlite", "the folder no does not exist"),
        ("plan gone", "gone: there is no such matrix"),
        ("show gone.sqlite", "gone.sqlite: there is no store"),
        ("report m.toml -o out", "m.toml: cannot be opened as a store"),
        ("compare gone.sqlite m.toml", "gone.sqlite: there is no store"),
        ("data info floder", "there is no data set 'floder'; did you mean 'folder'"),
        ("data info folder --root nowhere --set groups=none", "nowhere is not a folder"),
        ("data preview figures -o x.png --set subjects", "must be KEY=VALUE"),
        ("list attempts --plugin gone.py", "gone.py: there is no such plug-in"),
        ("rules rules --dataset figurs -o x.txt", "there is no data set 'figurs'"),
        ("rules rule --dataset figures -o x.txt", "there is no attempt 'rule'; did you mean 'rules'"),
        (
            "rules chance --dataset figures -o x.txt",
            "attempt 'chance' has no list of rules; it must be one like 'rules' or 'rules-tree'",
        ),
        ("rules rules --dataset figures -o no/x.txt", "the folder no does not exist"),
        (
            "rules rules-hand --dataset folder --root 'my clips' --set groups=none -o x",
            "attempt 'rules-hand': the list is written for KTH's",
        ),
        ("rules rules-file --dataset figures -o x.txt", "rules-file needs the parameter 'path'"),
        ("fit hog-smv --dataset figures -o out -q", "did you mean 'hog-svm'"),
        ("fit chance --dataset figures -o 'my clips' -q", "my clips: is there already"),
        ("predict 'my clips' x.mp4", "my clips: holds no model, for model.json cannot be read"),
        ("predict gone a.mp4 b.mp4 --annotate out", "is for one clip, got 2"),
        ("predict gone a.mp4 --annotate out", "its name must end with .mp4"),
        ("export gone -o out", "gone: there is no such folder"),
        ("run typo.toml", "typo.toml: unknown key 'atempts'; did you mean 'attempts'"),
        ("run m.toml -q -v", "-q contradicts -v; give one of them"),
        ("run m.toml --fresh --retry error", "--fresh contradicts --retry; give one of them"),
        (
            "show -o out.csv --format md",
            "--format md: contradicts -o out.csv, which ends in .csv; give one of them",
        ),
        (
            "run m.toml --set 'datasets.folder.groups=(?P<group>_)'",
            "leave-one-group-out needs two groups or more, the data set has one, '_'",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(folder, call, words, message):
    code, out, err = call(*shlex.split(words))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


@pytest.mark.parametrize("words", ["run --nope", "dance", "show --format xls", "run -j 0"])
def test_wrong_use_is_exit_code_2_with_a_hint(call, words):
    code, out, err = call(*shlex.split(words))
    assert (code, out) == (2, "")
    assert "Error: " in err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(folder, call, encoding):
    call("run", "m.toml", "--set", 'attempts=[{ name = "majority", title = "größte – 多数" }]', "-q")
    commands = ["run m.toml -v", "show", "show --format md", "show 'gone – 多.sqlite'"]
    # One process for all of them, as its start takes longer than they do.
    code = (
        "import shlex, sys\nfrom actionbench.cli.main import main\n"
        f"for words in {commands!a}:\n"
        "    sys.argv = ['actionbench', *shlex.split(words)]\n"
        "    try:\n        main()\n"
        "    except SystemExit as stop:\n        print('code', stop.code, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    said, shown = done.stderr.decode(errors="replace"), done.stdout.decode(errors="replace")
    assert "Traceback" not in said
    *parts, rest = re.split(r"code (.*)\n", shown)
    assert parts[1::2] == ["0", "0", "0", "2"], said
    assert all(parts[:6:2])
    assert rest == ""


@pytest.mark.parametrize(
    "closed",
    [pytest.param((1,), marks=pytest.mark.slow), pytest.param((2,), marks=pytest.mark.slow), (0, 1, 2)],
)
def test_streams_that_are_closed_harm_nothing(folder, closed):
    for words in (["run", "m.toml", "--store", "s.sqlite"], ["show", "s.sqlite"]):
        done = subprocess.run(
            [sys.executable, "-m", "actionbench", *words],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: [os.close(number) for number in closed],
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    with Store.open("s.sqlite", must_exist=True) as store:
        assert len(store.status_of()) == 6


@pytest.mark.parametrize(("command", "goes_on"), [("fit", False), ("run", True), ("reproduce", True)])
def test_only_what_can_go_on_says_so_when_it_is_interrupted(call, monkeypatch, command, goes_on):
    def interrupted(**_):
        raise click.exceptions.Abort

    monkeypatch.setattr("actionbench.cli.main.cli.main", interrupted)
    code, _, err = call(command)
    assert code == 130
    assert err.startswith("actionbench: interrupted")
    assert ("the same command goes on" in err) == goes_on


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom actionbench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*[name for name in ('numpy', 'pandas', 'sklearn', 'cv2', 'rich', 'pydantic') if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "Usage" in output
    assert output.splitlines()[-1] == ""


# What takes tenths of seconds to import and is needed to train, to draw or to compare.
NEVER = "av jinja2 matplotlib onnx PIL scipy sklearn skops statsmodels threadpoolctl torch".split()


@pytest.mark.parametrize(
    ("code", "also"),
    [
        ("from actionbench import table", ["cv2", "pandas", "pydantic", "rich", "actionbench.models"]),
        ("from actionbench.cli import main", ["cv2", "numpy", "pandas", "pydantic", "rich"]),
        ("from actionbench import plan; plan('quick')", ["rich", "actionbench.models.nn"]),
        (
            "from actionbench import plan; plan('quick', store='empty.sqlite')",
            ["rich", "actionbench.models.nn"],
        ),
        (
            "from actionbench.cli.listing import rows; rows('attempts')",
            ["cv2", "pandas", "pydantic", "actionbench.models"],
        ),
    ],
)
def test_what_is_not_needed_is_not_imported(code, also, tmp_path):
    Store.open(tmp_path / "empty.sqlite").close()
    said = f"{code}; import sys; print(*sorted(set({NEVER + also}) & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert found.stdout == "\n"


@pytest.mark.parametrize("name", [None, *cli.commands])
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(cli, [*([name] if name else []), "--help"])
    assert result.exit_code == 0
    assert result.output.count("\n") > 5
