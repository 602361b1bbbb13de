"""The examples of the documents, run as a reader would."""

import csv
import importlib
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from itertools import groupby, pairwise
from pathlib import Path
from xml.etree import ElementTree

import jupytext
import numpy as np
import pandas as pd
import pytest
import yaml
from nbclient import NotebookClient

from actionbench import plan
from actionbench import table as actionbench_table
from actionbench.experiments.datasets.registry import dataset_registry, option_names

ROOT = Path(__file__).parents[1]


def blocks(document, language):
    """Return the code blocks of a language in a document."""
    return re.findall(
        rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL
    )


@pytest.fixture(autouse=True)
def shared_features(tmp_path_factory, monkeypatch):
    """Let all documents share the features of the clips that most of them look at."""
    monkeypatch.setenv("ACTIONBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "features of documents"))


def actionbench(folder, *words):
    command = [sys.executable, "-m", "actionbench", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_own_clips_of_the_readme(class_folders):
    (matrix,) = blocks("README.md", "toml")
    folder = class_folders.parent
    shutil.move(class_folders, folder / "clips")
    (folder / "my.toml").write_text(matrix)
    out = actionbench(
        folder, "run", "my.toml", "--only", "attempt=rules", "--only", "attempt=hog-hof-mbh-svm", "--json"
    )
    assert '"attempt": "hog-hof-mbh-svm"' in out.replace('":"', '": "')
    assert "rules" in actionbench(folder, "show", "--format", "md")
    actionbench(folder, "report", "-o", "out/")
    assert (folder / "out/index.html").is_file()


@pytest.mark.slow
def test_the_new_attempt_of_the_readme(tmp_path):
    (code,) = blocks("README.md", "python")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
    (tmp_path / "mean_change.py").write_text(code)
    change = 'attempts=[{ name = "mean-change" }]'
    assert f"--set '{change}'" in (ROOT / "README.md").read_text(encoding="utf-8")
    out = actionbench(tmp_path, "run", "--plugin", "mean_change.py", "--set", change)
    assert "mean" in out


def test_the_data_set_of_the_guide(tmp_path):
    (tmp_path / "blink.py").write_text(blocks("docs/guide.md", "python")[0])
    assert "down 4" in actionbench(tmp_path, "data", "info", "blink", "--plugin", "blink.py").replace(
        "\n", " "
    )


@pytest.mark.slow
def test_python_of_the_guide(tmp_path, write_video):
    write_video("clip.mp4", np.full((20, 48, 64, 3), 90, np.uint8), codec="mpeg4")
    code = blocks("docs/guide.md", "python")[1]
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "out/index.html").is_file()


@pytest.mark.slow
def test_the_winner_of_the_guide_is_taken_home(class_folders, write_video):
    folder = class_folders.parent
    shutil.move(class_folders, folder / "clips")
    frames = np.random.default_rng(0).integers(0, 255, (120, 32, 48, 3), dtype=np.uint8)
    for name, length in (("new.mp4", 6), ("other.mp4", 6), ("long.mp4", 120)):
        write_video(name, frames[:length], codec="mpeg4", folder=folder)
    (commands,) = [block for block in blocks("docs/guide.md", "sh") if "actionbench fit" in block]
    said = [actionbench(folder, *shlex.split(line)[1:]) for line in commands.splitlines()]
    measure = shlex.split(said[0].splitlines()[-1])
    assert measure[0] == "actionbench"
    (row,) = json.loads(actionbench(folder, *measure[1:], "--json"))
    assert (row["attempt"], row["n_clips"], row["n_groups"]) == ("hog-hof-mbh-svm", 12, 3)
    assert "new.mp4" in said[1]
    assert "2.80-4.80" in said[2]
    assert (folder / "annotated.mp4").is_file()
    text = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    assert "actionbench export net -o net.onnx" in text


def test_the_matrix_of_the_guide(tmp_path, monkeypatch):
    from actionbench.experiments.planning.matrix import read_matrix

    monkeypatch.setenv("ACTIONBENCH_DATA", str(tmp_path))
    (tmp_path / "m.toml").write_text(blocks("docs/guide.md", "toml")[0])
    assert read_matrix(tmp_path / "m.toml").attempts[0].points() == [{"C": 0.1}, {"C": 1.0}]


def test_the_matrix_of_continuous_integration(tmp_path):
    from actionbench.experiments.planning.matrix import read_matrix

    (tmp_path / "m.toml").write_text(blocks("docs/ci.md", "toml")[0])
    assert read_matrix(tmp_path / "m.toml").attempts[0].name == "my-attempt"


PLUG_IN = """
import numpy as np
from actionbench import Attempt


class MyAttempt(Attempt):
    family = "rules"

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        self.level_ = np.mean([clip.frames.mean() for clip in clips])
        return self

    def predict_proba(self, clips):
        light = np.array([clip.frames.mean() > self.level_ for clip in clips])
        return np.where(np.stack([~light, light], axis=1), 0.9, 0.1)
"""
#: A command of GitHub's, which keeps comments as files, and knows how it is called.
GH = """#!/bin/sh
set -eu
case "$1 $2" in
"pr comment") cp "$7" "$COMMENTS/1.md" ;;
"api --paginate") [ ! -e "$COMMENTS/1.md" ] || echo 1 ;;
"api --silent") body=${7#body=@}; cp "$body" "$COMMENTS/${5##*/}.md"; echo edited >> "$COMMENTS/log" ;;
*) exit 1 ;;
esac
"""
ON_GITHUB = {
    "${{ github.token }}": "secret",
    "${{ github.event.pull_request.number }}": "7",
}


@pytest.fixture
def runner(tmp_path, write_video, monkeypatch):
    """A repository with a plug-in, and programs that do nothing outside of it."""
    programs, folder = tmp_path / "programs", tmp_path / "repository"
    for name, text in (("pip", "#!/bin/sh\n"), ("gh", GH)):
        path = programs / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / "comments").mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    rng = np.random.default_rng(0)
    for person in "abcdef":
        for label, level in (("dark", 40), ("light", 200)):
            frames = rng.integers(level - 20, level + 20, (4, 12, 16), dtype=np.uint8)
            write_video(f"clips/{label}/{person}_1.mkv", frames, folder=folder)
    matrix = (
        'name = "compare"\nattempts = [{ name = "my-attempt" }, { name = "majority" }]\n[[datasets]]\n'
        'name = "folder"\nroot = "clips"\ngroups = "(?P<group>[a-z])_"\nsplit = "leave-one-group-out"\n'
    )
    (folder / "compare.toml").write_text(matrix)
    (folder / "my_attempt.py").write_text(PLUG_IN)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Base")
    return folder


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True)


def checked_out(folder, plug_in):
    """Check out the merge of a change, as GitHub does for a pull request."""
    git(folder, "checkout", "--quiet", "-B", "change", "main")
    (folder / "my_attempt.py").write_text(plug_in)
    git(folder, "commit", "--quiet", "--allow-empty", "-a", "-m", "Change")
    git(folder, "checkout", "--quiet", "--detach", "main")
    git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge", "change")


def run_workflow(folder, workflow):
    """Run the steps of a workflow as GitHub does; return the exit codes of those that ran."""
    outside = folder.parent
    facts = {"GITHUB_REPOSITORY": "me/mine", "COMMENTS": str(outside / "comments")}
    facts |= {name: str(outside / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    codes = {}
    for step in workflow["jobs"]["compare"]["steps"]:
        if "run" in step and ("!cancelled()" in step.get("if", "") or not any(codes.values())):
            own = {name: ON_GITHUB[value] for name, value in step.get("env", {}).items()}
            environment = {**os.environ, **facts, **workflow["env"], **own}
            codes[step["name"]] = subprocess.run(
                ["bash", "-e", "-c", step["run"]], cwd=folder, env=environment
            ).returncode
    return codes


@pytest.mark.slow
def test_the_workflow_comments_on_a_change(runner):
    workflow = yaml.safe_load(blocks("docs/ci.md", "yaml")[0])
    summary, comments = runner.parent / "GITHUB_STEP_SUMMARY", runner.parent / "comments"
    checked_out(runner, PLUG_IN.replace("~light, light", "light, ~light"))
    codes = run_workflow(runner, workflow)
    assert {name for name, code in codes.items() if code} == {"Compare"}
    said = (comments / "1.md").read_text()
    assert "**Worse**: of 2 results, 1 is worse and 1 is identical." in said
    assert summary.read_text() == said
    # The next push mends it: the one comment is edited.
    git(runner, "worktree", "remove", "--force", "base")
    checked_out(runner, PLUG_IN)
    (runner / "head.sqlite").unlink()
    assert not any(run_workflow(runner, workflow).values())
    assert "**Identical**: of 2 results, 2 are identical." in (comments / "1.md").read_text()
    assert (comments / "log").read_text() == "edited\n"


@pytest.mark.slow
def test_the_job_of_gitlab_reports_what_failed(runner, monkeypatch):
    job = yaml.safe_load(blocks("docs/ci.md", "yaml")[1])["compare"]
    checked_out(runner, PLUG_IN.replace("return np", "raise ValueError('no luck')\n        return np"))
    git(runner, "remote", "add", "origin", str(runner))
    base = subprocess.check_output(["git", "rev-parse", "main"], cwd=runner, text=True).strip()
    monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", base)
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", "\n".join(job["script"])], cwd=runner)
    assert done.returncode == 1
    cases = ElementTree.parse(runner / job["artifacts"]["reports"]["junit"]).iter("testcase")
    found = {case.get("name"): case[0] for case in cases}
    assert found["majority"].tag == "system-out"
    assert (found["my-attempt"].tag, found["my-attempt"].get("message")) == (
        "error",
        "6 of 6 cells failed: ValueError: no luck",
    )


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/ci.md",
        "docs/embeddings.md",
        "docs/guide.md",
        "docs/ladder.md",
        "docs/nets.md",
        "docs/plugins.md",
        "docs/pose.md",
        "docs/rules.md",
        "docs/size.md",
        "docs/statistics.md",
        "docs/structure.md",
    ],
)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), target


def test_the_guide_knows_every_split_and_data_set():
    from actionbench.experiments.datasets.splits import SPLITS

    text = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    for name in SPLITS:
        assert name in text or name == "official"
    text += (ROOT / "docs/data.md").read_text(encoding="utf-8")
    for name in dataset_registry().names():
        assert f"`{name}`" in text or f'name = "{name}"' in text


def test_the_guide_knows_every_code_of_a_warning():
    from actionbench.experiments.audit.warnings import CODES

    text = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    assert set(
        re.findall(r"^\| `([a-z-]+)` \|", text.split("## Warnings about the data")[1].split("\n## ")[0], re.M)
    ) == set(CODES)


@pytest.mark.slow
def test_a_list_of_rules_is_exported_edited_and_run(tmp_path):
    export, run = (shlex.split(block)[1:] for block in blocks("docs/rules.md", "sh"))
    assert actionbench(tmp_path, *export) == "rules.txt\n"
    text = (tmp_path / "rules.txt").read_text()
    (tmp_path / "rules.txt").write_text("if passing speed > 1.5 heights/s then running\n" + text)
    actionbench(tmp_path, *run)
    shown = actionbench(tmp_path, "show", "--format", "md")
    n_rules = 1 + sum(not line.startswith("#") for line in text.splitlines())
    assert f"mine: {n_rules} rules, " in shown
    assert "rules-hand: 6 rules, 8 conditions, 4 quantities" in shown


def test_the_page_of_plug_ins_knows_every_check():
    from actionbench.baselines.conformance import CHECKS

    lines = (ROOT / "docs/plugins.md").read_text(encoding="utf-8").splitlines()
    for check in CHECKS.values():
        demand = check.demand.replace("``", "`")
        assert f"| `{check.name}` | {demand} | {'yes' if check.may_refuse else ''} |" in lines


@pytest.mark.slow
def test_python_of_the_page_of_plug_ins(tmp_path):
    actionbench(tmp_path, "new", "attempt", "my-attempt")
    code = "\n".join(blocks("docs/plugins.md", "python")) + "\nassert callable(test_conformance)\n"
    (tmp_path / "my-attempt/src/use.py").write_text(code)
    subprocess.run([sys.executable, tmp_path / "my-attempt/src/use.py"], check=True)


@pytest.mark.slow
def test_python_of_the_rules_page(tmp_path):
    (code,) = blocks("docs/rules.md", "python")
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "# this clip: " in out
    assert (tmp_path / "tree.txt").is_file()


def test_the_rules_page_knows_every_quantity_and_its_text_is_right():
    from actionbench.baselines.rules._rule_text import parse
    from actionbench.features.quantities import QUANTITIES

    text = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    for quantity in QUANTITIES:
        assert f"| {quantity.name} | {quantity.unit or '–'} | {quantity.meaning} |" in text
    assert len(parse(blocks("docs/rules.md", "text")[0], "docs/rules.md")) == 3


def test_the_page_on_poses_knows_every_quantity_skeleton_and_key():
    from actionbench.features.pose import SKELETONS
    from actionbench.features.pose_model import Description
    from actionbench.features.pose_quantities import POSE_QUANTITIES

    text = (ROOT / "docs/pose.md").read_text(encoding="utf-8")
    for quantity in POSE_QUANTITIES:
        assert f"| {quantity.name} | {quantity.unit or '–'} | {quantity.meaning} |" in text
    for key in Description.model_fields:
        assert f"`{key}`" in text
    for name in ("coco-17", "openpose-18", "openpose-25", "mediapipe-33"):
        assert f'"{name}"' in text
        assert name in SKELETONS
    assert f"{len(POSE_QUANTITIES)} named quantities" in text
    assert tomllib.loads(blocks("docs/pose.md", "toml")[0])["datasets"][0]["poses"] == "poses.pkl"


def kinds(cell):
    """Return the forms in which a cell shows what is neither printed nor an error."""
    return {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}


def executed(hour, folder):
    """Execute an hour as a notebook and return what it printed; it has no warnings and says what its pictures show."""
    notebook = jupytext.read(ROOT / f"docs/{hour}.py")
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    streams = [output for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output]
    assert not [output.text for output in streams if output.name == "stderr"]
    pictures = 0
    for cell, behind in pairwise([*notebook.cells, None]):
        if kinds(cell) & {"image/png", "image/svg+xml"}:
            pictures += 1
            assert behind is not None, cell.source
            assert behind.cell_type == "markdown", cell.source
            assert re.match(r"[^#]+[.:]", behind.source), cell.source
        else:
            # What a last line happens to return is no part of the lecture.
            assert kinds(cell) in (set(), {"text/html", "text/plain"}), cell.source
    return "".join(output.text for output in streams), pictures


@pytest.mark.slow
def test_the_first_hour(tmp_path):
    printed, pictures = executed("first_hour", tmp_path)
    assert pictures == 16
    table = actionbench_table(tmp_path / "first-hour/results.sqlite").set_index("attempt")
    assert len(table) == 12
    assert (table["n_failed"] == 0).all()
    assert table.loc["hog-hof-mbh-svm", "accuracy_low"] > table.loc["chance", "accuracy_high"]
    assert re.search(r"# rule \d \((jogging|running)\) fires: passing speed is ", printed)
    assert re.search(r"share the first place: they get |is the most accurate on \S+: it gets ", printed)


@pytest.mark.slow
def test_the_second_hour(tmp_path):
    printed, pictures = executed("second_hour", tmp_path)
    assert pictures == 8
    assert "  5  0.08167279250" in printed  # the published trace of conjugate gradients
    assert "AlexNet: 61.1 million parameters" in printed  # 61,100,840 in Torch
    assert "OverFeat: 145.9 million parameters" in printed  # 145,920,872 in Torch
    assert int(re.search(r"(\d+) % of 500 new sequences", printed)[1]) > 90


@pytest.mark.slow
def test_the_third_hour(tmp_path):
    printed, pictures = executed("third_hour", tmp_path)
    assert pictures == 8
    assert "interrupted after 19 finished epochs" in printed
    right = int(re.search(r"(\d+) of 48 clips of people never seen", printed)[1])
    assert right > 14  # of chance, which gives 8, less than one time in a hundred
    assert (tmp_path / "third-hour/net.onnx").is_file()


def test_the_nets_page_knows_every_name():
    from actionbench.models import nn, optim, zoo

    text = (ROOT / "docs/nets.md").read_text(encoding="utf-8")
    apart = {"Container", "Criterion", "Parameter", "Step", "connections"}
    for name in {*nn.__all__, *optim.__all__, *zoo.__all__} - apart:
        assert f"`{name}`" in text or f"`nn.{name}`" in text, name


@pytest.mark.parametrize("document", ["docs/nets.md", "docs/structure.md"])
def test_python_of_the_pages_on_nets(tmp_path, document):
    for code in blocks(document, "python"):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def printed(script, result):
    """Return what a benchmark prints with ``--markdown`` for a result that lies beside the documents."""
    content = json.loads((ROOT / f"docs/{result}.json").read_text(encoding="utf-8"))
    return importlib.import_module(script).markdown(content)


def test_the_tables_of_performance():
    """They are those of the result that lies beside the document."""
    found = printed("compare", "performance")
    assert found.count("### ") == 6
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert text.endswith(found)
    for script, result, least in (
        ("stages", "features", 15),
        ("harness", "harness", 9),
        ("report", "report", 4),
    ):
        table = printed(script, result)
        assert table.count("\n|") > least
        assert table in text


def test_the_walks_stop_at_what_there_is():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walks = [re.findall(r"^\d\. .*", part, re.M) for part in text.split("**A")[1:]]
    assert [len(stops) for stops in walks] == [8, 6, 5]
    rooms = ("baselines", "experiments", "features", "models", "reports")
    names = re.findall(
        rf"`((?:{'|'.join(rooms)})\.[\w.]+)`", "\n".join(stop for stops in walks for stop in stops)
    )
    assert len(names) > 18
    for name in names:
        assert pkgutil.resolve_name(f"actionbench.{name}"), name
    for path in re.findall(r"`(_ext/\w+\.pyx)`", text):
        assert (ROOT / path).is_file()


def tables(document):
    """Return the tables of a document: rows of cells, the head and the rule below it included."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    parts = groupby(lines, key=lambda line: line.startswith("|"))
    return [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in part]
        for is_table, part in parts
        if is_table
    ]


def test_the_tables_of_features():
    """They are those of the results that lie beside the document."""
    choices, pieces, robust, nuisances, descriptors = tables("docs/features.md")
    for name, shown in (("choices", choices), ("descriptors", descriptors)):
        rows = json.loads((ROOT / f"docs/{name}.json").read_text(encoding="utf-8"))
        assert len(shown) == len(rows) + 2 > 15
        for (attempt, accuracy, f1, *seconds, n_numbers), row in zip(shown[2:], rows, strict=True):
            numbers = [100 * row[name] for name in ("accuracy", "accuracy_low", "accuracy_high")]
            assert attempt == row["attempt"]
            assert accuracy == "{:.1f} [{:.1f}, {:.1f}]".format(*numbers)
            assert (f1, n_numbers) == (f"{100 * row['macro_f1']:.1f}", f"{row['n_parameters']:,}")
            assert seconds in ([], [f"{row['fit_seconds']:.0f}"])
    with (ROOT / "docs/choices-pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = {(row["second"], row["first"]): row for row in csv.DictReader(file)}
    for attempt, other, gain, p_value in pieces[2:]:
        row = pairs.get((attempt, other)) or pairs[other, attempt]
        sign = 1 if row["second"] == attempt else -1
        low, high = sorted(sign * 100 * float(row[name]) for name in ("difference_low", "difference_high"))
        assert gain == f"{sign * 100 * float(row['difference']):+.1f} [{low:+.1f}, {high:+.1f}]".replace(
            "-0.0 [", "+0.0 ["
        )
        assert p_value == f"{float(row['p_value']):.2g}"
    rows = json.loads((ROOT / "docs/weizmann-robust.json").read_text(encoding="utf-8"))
    found = {(row["attempt"], row["dataset"]): f"{100 * row['accuracy']:.1f}" for row in rows}
    for attempt, *accuracies in robust[2:]:
        assert accuracies == [found.get((attempt, dataset), "") for dataset in robust[0][1:]]
    with (ROOT / "docs/nuisances.csv").open(encoding="utf-8", newline="") as file:
        curves = {(row["attempt"], row["condition"]): row for row in csv.DictReader(file)}
    assert len(curves) == 5 * len(nuisances[2:])
    for attempt, *accuracies in nuisances[2:]:
        rows = [curves[attempt, condition] for condition in ("none", *nuisances[0][2:])]
        assert accuracies == [f"{100 * float(row['accuracy']):.0f}" for row in rows]


def test_the_table_of_calibration():
    """It is that of the result that lies beside the document."""
    (shown,) = (table for table in tables("docs/uncertainty.md") if "calibration error %" in table[0])
    rows = json.loads((ROOT / "docs/calibration.json").read_text(encoding="utf-8"))
    assert len(shown) == len(rows) + 2
    for (attempt, accuracy, error, seconds), row in zip(shown[2:], rows, strict=True):
        numbers = [100 * row[name] for name in ("accuracy", "accuracy_low", "accuracy_high")]
        assert attempt == row["attempt"]
        assert accuracy == "{:.1f} [{:.1f}, {:.1f}]".format(*numbers)
        assert (error, seconds) == (f"{100 * row['calibration_error']:.1f}", f"{row['fit_seconds']:.0f}")


def test_the_tables_of_convnets():
    """They are those of the results that lie beside the document."""
    lines = (ROOT / "docs/convnets.md").read_text(encoding="utf-8").splitlines()
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    results = [line for line in shown if len(line) == 6][2:]
    rows = json.loads((ROOT / "docs/convnets.json").read_text(encoding="utf-8"))
    assert len(results) == len(rows) > 10
    for (attempt, n_seeds, accuracy, f1, seconds, n_numbers), row in zip(results, rows, strict=True):
        numbers = [100 * row[name] for name in ("accuracy", "accuracy_low", "accuracy_high")]
        assert (attempt, int(n_seeds)) == (row["attempt"], row["n_cells"] // row["n_folds"])
        assert accuracy == "{:.1f} [{:.1f}, {:.1f}]".format(*numbers)
        assert (f1, n_numbers) == (f"{100 * row['macro_f1']:.1f}", f"{row['n_parameters']:,}")
        assert seconds == f"{row['fit_seconds']:.0f}"
    pairs = [line for line in shown if len(line) == 5][2:]
    crossings = pd.read_csv(ROOT / "docs/crossings.csv")
    assert len(pairs) == len(crossings) == 6
    for (attempt, against, people, interval, points), row in zip(pairs, crossings.itertuples(), strict=True):
        assert (attempt, against, float(people)) == (row.attempt, row.against, row.train_groups)
        assert interval == f"{row.low:g} to {'never' if row.high == np.inf else format(row.high, 'g')}"
        numbers = (row.difference, row.difference_low, row.difference_high)
        assert points == "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * number for number in numbers))


def test_the_table_of_embeddings():
    """It is that of the result that lies beside the document, and the files beside the net are what they are for."""
    from actionbench.features.embedding_config import NetConfig

    rows = json.loads((ROOT / "docs/embeddings.json").read_text(encoding="utf-8"))
    (shown,) = [table for table in tables("docs/embeddings.md") if table[0][1].startswith("accuracy")]
    for (attempt, accuracy, f1, ms, weights, pretrained), row in zip(shown[2:], rows, strict=True):
        numbers = [100 * row[name] for name in ("accuracy", "accuracy_low", "accuracy_high")]
        assert (attempt, pretrained) == (row["attempt"], row["pretrained"])
        assert accuracy == "{:.1f} [{:.1f}, {:.1f}]".format(*numbers)
        assert (f1, weights) == (f"{100 * row['macro_f1']:.1f}", f"{row['n_parameters']:,}")
        assert ms == f"{row['predict_ms_per_clip']:.0f}"
    files = [tomllib.loads(block) for block in blocks("docs/embeddings.md", "toml")]
    nets = [NetConfig.model_validate(content) for content in files if "resize" in content]
    assert [net.pretrained_on for net in nets] == ["400 million pictures from the web", "ImageNet-1k"]
    # The table of keys has all that there are.
    keys = {name.strip("`") for row in tables("docs/embeddings.md")[0][2:] for name in row[0].split(", ")}
    assert keys - {"time.sample", "time.pool", "probe.kind"} == set(NetConfig.model_fields) - {
        "time",
        "probe",
    }


def test_the_tables_of_structure():
    """They are those of the result that lies beside the document."""
    found = printed("structure", "structure")
    assert found.count("### ") == 4
    assert (ROOT / "docs/structure.md").read_text(encoding="utf-8").endswith(found)


def test_the_table_of_levels():
    """It is that of the result that lies beside the document."""
    table = printed("levels", "statistics")
    assert table.count("\n|") == 12 + 22 + 44 + 8
    assert (ROOT / "docs/statistics.md").read_text(encoding="utf-8").endswith(table)


def test_python_of_the_page_on_statistics(tmp_path):
    one, several = blocks("docs/statistics.md", "python")
    said = subprocess.run(
        [sys.executable, "-c", one], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert said.stdout.split() == blocks("docs/statistics.md", "text")[0].split()
    subprocess.run([sys.executable, "-c", several], cwd=tmp_path, check=True, capture_output=True)


def test_the_page_on_statistics_names_what_there_is():
    text = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+\.\w+)\.(\w+)`", text)
    assert len(named) >= 10
    for module, name in named:
        assert callable(getattr(import_module(f"actionbench.reports.{module}"), name)), name


def test_the_entries_of_the_page_on_data():
    """Each names a data set that there is, and options that it has."""
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    entries = [
        tomllib.loads(f"entry = {entry}")["entry"]
        for entry in re.findall(r"^\|.*?`({ name = .*? })`", text, re.M)
    ]
    registry = dataset_registry()
    assert {entry["name"] for entry in entries} == set(registry.names()) - {"diagnostic", "figures"}
    for entry in entries:
        known = option_names(registry.get(entry.pop("name")))
        assert set(entry) <= set(known), entry
        assert {key for key, required in known.items() if required} <= set(entry)


def test_the_reader_of_the_page_on_data(tmp_path, write_video):
    (code,), (matrix,) = (blocks("docs/data.md", language) for language in ("python", "toml"))
    (tmp_path / "protocol.py").write_text(code)
    (tmp_path / "my.toml").write_text("name = 'mine'\nattempts = [{ name = 'chance' }]\n" + matrix)
    write_video("long.mkv", np.zeros((40, 16, 16), np.uint8), fps=10)
    lines = [
        f"long.mkv;{at};{at + 1};{label};{who}" for at, (label, who) in enumerate(["xa", "ya", "xb", "yb"])
    ]
    (tmp_path / "protocol.txt").write_text("\n".join(lines))
    cells = plan(tmp_path / "my.toml", plugins=[tmp_path / "protocol.py"])
    assert cells["fold_name"].tolist() == ["a", "b"]
    assert cells["n_test"].tolist() == [2, 2]
