import io
import json
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

import actionbench
from actionbench.cli import watching
from actionbench.experiments.store import Store
from actionbench.reports.analysis import comparison

MATRIX = {
    "name": "mine",
    "datasets": [{"name": "figures", "subjects": 2, "clips_per_subject": 1, "split": "leave-one-group-out"}],
    "attempts": [{"name": "majority"}, {"name": "chance"}],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a store and a bundle of it."""
    folder = tmp_path_factory.mktemp("results")
    actionbench.run(MATRIX, store=folder / "s.sqlite", workers=1)
    actionbench.bundle(folder / "s.sqlite", folder / "b.zip")
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)


@pytest.mark.parametrize("source", ["s.sqlite", "b.zip"])
def test_the_table_as_a_file(here, call, source):
    code, out, err = call("show", source, "-o", "t.parquet")
    assert (code, out, err) == (0, "t.parquet\n", "")
    table = actionbench.table(source)
    pd.testing.assert_frame_equal(pd.read_parquet("t.parquet").astype(table.dtypes), table)
    call("show", source, "-o", "t.txt", "--format", "csv")
    assert Path("t.txt").read_text() == call("show", source, "--format", "csv")[1]


@pytest.mark.parametrize("source", ["s.sqlite", "b.zip"])
def test_predictions_of_each_clip(here, call, source):
    table = actionbench.predictions(source)
    assert len(table) == 2 * 12
    code, out, _ = call("show", source, "--predictions")
    assert code == 0
    back = pd.read_csv(io.StringIO(out))
    pd.testing.assert_frame_equal(back.astype(table.dtypes), table)
    call("show", source, "--predictions", "-o", "p.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet("p.parquet").astype(table.dtypes), table)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--format parquet", "--format parquet: it is not printed; -o FILE must name the file to write"),
        ("--predictions --format parquet", "-o FILE must name the file to write"),
        ("-o t.xls", "-o t.xls: must end in .md, .csv, .tex, .json, .parquet, or --format name one"),
        ("-o t --format terminal", "-o t: must end in .md"),
        ("--predictions --format md", "there is no format md of them; it must be csv or parquet"),
        ("-o gone/t.csv", "gone/t.csv: No such file or directory"),
        ("-o s.sqlite --format csv", "-o s.sqlite: is what is shown; name another file"),
    ],
)
def test_what_cannot_be_shown_so_is_refused(here, call, words, message):
    code, out, err = call("show", "s.sqlite", *shlex.split(words))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("form", ["terminal", "md"])
def test_a_run_without_end_is_said_below_the_table(here, call, made, tmp_path, form):
    assert call("show", "s.sqlite", "--format", form)[2] == ""
    path = tmp_path / "part.sqlite"
    path.write_bytes(Path("s.sqlite").read_bytes())
    with Store.open(path) as store:
        store.connection.execute("UPDATE runs SET finished = NULL")
    code, out, err = call("show", str(path), "--format", form)
    assert code == 0
    assert "majority" in out
    assert err == "Run 1 (mine) has not finished.\n"


def test_the_table_follows_a_run(here, call):
    code, out, err = call("show", "s.sqlite", "--watch", "--every", "0.05", "--format", "json")
    assert code == 0
    assert [row["attempt"] for row in json.loads(out)] == actionbench.table("s.sqlite")["attempt"].tolist()
    assert err == "run 1 (mine): 4 of 4 cells done, finished\n"


def test_watching_ends_with_an_interrupt(here, call, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", interrupt)
    code, out, err = call("show", "new.sqlite", "--watch")
    assert (code, out) == (130, "")
    assert err == "new.sqlite: there is no store yet; waiting for one\n"
    assert not Path("new.sqlite").exists()


def test_a_run_is_followed_from_another_process(tmp_path):
    words = [sys.executable, "-m", "actionbench", "show", "s.sqlite", "--watch", "--every", "0.05"]
    watcher = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        actionbench.run(MATRIX, store=tmp_path / "s.sqlite", workers=1)
        out, err = watcher.communicate()
    finally:
        watcher.kill()
    assert watcher.returncode == 0
    assert "majority" in out
    assert err.splitlines()[-1] == "run 1 (mine): 4 of 4 cells done, finished"


def test_mlflow_is_told_once(here, call, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    # What the command sets ends with the test.
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    uri = f"file://{tmp_path / 'mlruns'}"
    code, out, _ = call("mlflow", "s.sqlite", "--uri", uri)
    assert code == 0
    assert (out.count("logged"), out.count("already logged")) == (2, 0)
    assert call("mlflow", "b.zip", "--uri", uri)[1].count("already logged") == 2
    found = actionbench.log_to_mlflow("s.sqlite", uri, "other")
    assert found["status"].tolist() == ["logged", "logged"]


def test_mlflow_needs_an_address(here, call, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, _, err = call("mlflow", "s.sqlite")
    assert code == 2
    assert "Missing option '--uri'" in err


def test_a_store_without_results_says_so(folder, call):
    Store.open("empty.sqlite").close()
    code, _, err = call("show", "empty.sqlite")
    assert code == 0
    assert "no results yet" in err
    assert call("report", "empty.sqlite", "-o", "out")[0] == 2


def test_compare_a_store_with_itself(folder, call):
    call("run", "m.toml")
    code, out, _ = call("compare", "actionbench.sqlite", "actionbench.sqlite", "--json")
    assert code == 0
    assert {(row["verdict"], row["difference_low"]) for row in json.loads(out)} == {("identical", None)}
    text = call("compare", "actionbench.sqlite", "actionbench.sqlite")[1]
    assert ("identical" in text, "[" in text) == (True, False)
    call("run", "m.toml", "--store", "other.sqlite", "--set", "datasets.folder.title=else")
    assert call("compare", "actionbench.sqlite", "other.sqlite")[0] == 3


def test_a_comparison_for_other_systems(here, call):
    code, out, err = call("compare", "s.sqlite", "b.zip", "--format", "github")
    assert (code, err) == (0, "")
    assert "**Identical**: of 2 results, 2 are identical." in out.splitlines()
    code, out, _ = call("compare", "s.sqlite", "b.zip", "--format", "junit")
    assert code == 0
    assert [case.get("name") for case in ElementTree.fromstring(out).iter("testcase")] == [
        "chance",
        "majority",
    ]
    as_json = call("compare", "s.sqlite", "b.zip", "--json")
    assert as_json == call("compare", "s.sqlite", "b.zip", "--format", "json")
    assert json.loads(as_json[1])[0]["verdict"] == "identical"
    code, _, err = call("compare", "s.sqlite", "b.zip", "--json", "--format", "junit")
    assert (code, err) == (2, "actionbench: --json contradicts --format junit; give one of them\n")


@pytest.mark.parametrize("form", ["terminal", "json", "github", "junit"])
@pytest.mark.parametrize(
    ("verdicts", "code"), [(["better", "worse"], 1), (["better"], 0), (["not comparable"], 3)]
)
def test_exit_codes_of_a_comparison_are_those_of_any_format(call, monkeypatch, form, verdicts, code):
    numbers = dict.fromkeys(comparison.COLUMNS, 0.0)
    texts = dict.fromkeys(["dataset", "split", "attempt", "reason", "failed_old", "failed_new", "times"], "")
    rows = [numbers | texts | {"verdict": verdict} for verdict in verdicts]
    monkeypatch.setattr(actionbench.api, "compare", lambda *stores, margin: pd.DataFrame(rows))
    assert call("compare", "old", "new", "--format", form)[0] == code
