import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import onnx
import pandas as pd
import pytest
from click.testing import CliRunner

from actionbench import api
from actionbench.cli import cli
from actionbench.experiments.store import Store
from actionbench.features.video import read_video

COLUMNS = (
    "dataset,split,attempt,family,accuracy,accuracy_low,accuracy_high,macro_f1,n_clips,n_groups,n_folds,n_cells,"
    "n_failed,fit_seconds,predict_ms_per_clip,peak_memory_mib,n_parameters"
).split(",")

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


def test_from_clips_to_a_table_to_a_report(folder, call):
    code, out, err = call("run", "m.toml")
    assert code == 0
    assert "majority" in out
    assert "6 cells: 0 were stored, 6 run now, 0 failed" in err
    code, out, err = call("run", "m.toml", "--json", "-q")
    assert (code, err) == (0, "")
    assert {row["attempt"]: row["n_clips"] for row in json.loads(out)} == {"majority": 12, "chance": 12}
    code, out, _ = call("show", "--format", "csv")
    table = pd.read_csv(io.StringIO(out))
    assert table.columns[: len(COLUMNS)].tolist() == COLUMNS
    row = table.set_index("attempt").loc["majority"]
    # Two classes of the same size: the most frequent one is right half of the time.
    assert (row["accuracy"], row["n_groups"], row["n_folds"], row["n_cells"], row["n_failed"]) == (
        0.5,
        3,
        3,
        3,
        0,
    )
    for form in ("terminal", "md", "tex", "json"):
        code, out, _ = call("show", "actionbench.sqlite", "--format", form)
        assert code == 0
        assert "majority" in out
    code, out, _ = call("report", "-o", "out")
    assert code == 0
    assert {Path(line) for line in out.splitlines()} == {
        path for path in Path("out").rglob("*") if path.is_file()
    }
    assert {"index.html", "table.csv", "table.json", "table.md", "table.tex", "table.parquet"} <= {
        path.name for path in Path("out").iterdir()
    }


def test_a_failing_cell_gives_exit_code_1_and_a_line(folder, call):
    Path("bad.py").write_text(
        "from actionbench import Attempt\n"
        "class Bad(Attempt):\n    family = 'floor'\n"
        "    def fit(self, clips, labels, groups=None): raise KeyError('ouch')\n"
        "    def predict_proba(self, clips): ...\n"
    )
    Path("m.toml").write_text(MATRIX.replace('"chance"', '"bad"'))
    code, out, err = call("run", "m.toml", "--plugin", "bad.py", "-v")
    assert code == 1
    assert "failed (error): folder bad ann seed 0: KeyError: 'ouch'" in err
    assert "Traceback" in err
    assert "majority" in out
    code, _, err = call("run", "m.toml", "--plugin", "bad.py")
    assert code == 1
    assert "0 run now, 3 failed" in err
    assert "Traceback" not in err
    table = pd.read_csv(io.StringIO(call("show", "--format", "csv")[1])).set_index("attempt")
    assert table.loc["bad", "n_failed"] == 3
    assert pd.isna(table.loc["bad", "accuracy"])
    assert table.loc["majority", "n_failed"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "gone.toml"], "gone.toml: there is no such matrix"),
        (["run", "m.toml", "--set", "sedes=[1]"], "m.toml: unknown key 'sedes'; did you mean 'seeds'"),
        (
            ["run", "m.toml", "--only", "attempt=rules"],
            "--only attempt=rules: no cell is left; attempt may be majority, chance",
        ),
        (["run", "m.toml", "--plugin", "gone.py"], "gone.py: there is no such plug-in"),
        (["run", "m.toml", "--set", "datasets.folder.root=nowhere"], "nowhere is not a folder"),
        (
            ["run", "m.toml", "--set", "attempts.chance.name=chnace"],
            "there is no attempt 'chnace'; did you mean 'chance'",
        ),
        (
            ["run", "m.toml", "--set", 'datasets.folder.split={name="group-k-fold",folds=4}'],
            "folds = 4, but the data set has 3 groups",
        ),
        (["run", "m.toml", "--store", "no/where.sqlite"], "the folder no does not exist"),
        (["plan", "gone"], "gone: there is no such matrix"),
        (["show", "gone.sqlite"], "gone.sqlite: there is no store"),
        (["report", "m.toml", "-o", "out"], "m.toml: cannot be opened as a store"),
        (["compare", "gone.sqlite", "m.toml"], "gone.sqlite: there is no store"),
        (["data", "info", "floder"], "there is no data set 'floder'; did you mean 'folder'"),
        (["data", "info", "folder", "--root", "nowhere", "--set", "groups=none"], "nowhere is not a folder"),
        (["data", "preview", "figures", "-o", "x.png", "--set", "subjects"], "must be KEY=VALUE"),
        (["list", "attempts", "--plugin", "gone.py"], "gone.py: there is no such plug-in"),
        (["rules", "rules", "--dataset", "figurs", "-o", "x.txt"], "there is no data set 'figurs'"),
        (
            ["rules", "rule", "--dataset", "figures", "-o", "x.txt"],
            "there is no attempt 'rule'; did you mean 'rules'",
        ),
        (
            ["rules", "chance", "--dataset", "figures", "-o", "x.txt"],
            "attempt 'chance' has no list of rules; it must be one like 'rules' or 'rules-tree'",
        ),
        (["rules", "rules", "--dataset", "figures", "-o", "no/x.txt"], "the folder no does not exist"),
        (
            [
                "rules",
                "rules-hand",
                "--dataset",
                "folder",
                "--root",
                "my clips",
                "--set",
                "groups=none",
                "-o",
                "x",
            ],
            "attempt 'rules-hand': the list is written for KTH's",
        ),
        (
            ["rules", "rules-file", "--dataset", "figures", "-o", "x.txt"],
            "rules-file needs the parameter 'path'",
        ),
        (["fit", "hog-smv", "--dataset", "figures", "-o", "out", "-q"], "did you mean 'hog-svm'"),
        (["fit", "chance", "--dataset", "figures", "-o", "my clips", "-q"], "my clips: is there already"),
        (["predict", "my clips", "x.mp4"], "my clips: holds no model, for model.json cannot be read"),
        (["predict", "gone", "a.mp4", "b.mp4", "--annotate", "out"], "is for one clip, got 2"),
        (["predict", "gone", "a.mp4", "--annotate", "out"], "its name must end with .mp4"),
        (["export", "gone", "-o", "out"], "gone: there is no such folder"),
        (["run", "typo.toml"], "typo.toml: unknown key 'atempts'; did you mean 'attempts'"),
        (["run", "m.toml", "-q", "-v"], "-q contradicts -v; give one of them"),
        (["run", "m.toml", "--fresh", "--retry", "error"], "--fresh contradicts --retry; give one of them"),
        (
            ["show", "-o", "out.csv", "--format", "md"],
            "--format md: contradicts -o out.csv, which ends in .csv; give one of them",
        ),
        (
            ["run", "m.toml", "--set", "datasets.folder.groups=(?P<group>_)"],
            "leave-one-group-out needs two groups or more, the data set has one, '_'",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(folder, call, words, says):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


def test_all_that_is_wrong_is_said_at_once_a_line_each(folder, call):
    Path("m.toml").write_text(MATRIX.replace("majority", "majorty").replace("root", "roots"))
    code, out, err = call("run", "m.toml")
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("actionbench: there is no attempt 'majorty'; did you mean 'majority'")
    assert second.startswith("actionbench: data set 'folder': unknown key 'roots'; did you mean 'root'")
    assert not Path("actionbench.sqlite").exists()


@pytest.mark.parametrize(
    "words", [["run", "--nope"], ["dance"], ["show", "--format", "xls"], ["run", "-j", "0"]]
)
def test_wrong_use_is_exit_code_2_with_a_hint(call, words):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "Error: " in err


def test_nothing_is_stored_when_the_input_is_bad(folder, call):
    call("run", "m.toml", "--set", "datasets.folder.split=leave-one-out")
    assert not Path("actionbench.sqlite").exists()


def test_an_empty_class_and_a_damaged_clip(folder, call):
    (folder / "my clips/empty").mkdir()
    assert "empty: there is no video file in this class" in call("run", "m.toml")[2]
    (folder / "my clips/empty").rmdir()
    (folder / "my clips/dark/ann_1.mkv").write_bytes(b"")
    code, _, err = call("data", "info", "folder", "--root", "my clips", "--set", "groups=none")
    assert code == 2
    assert "ann_1.mkv: the file is empty" in err


def test_a_store_without_results_says_so(folder, call):
    Store.open("empty.sqlite").close()
    code, _, err = call("show", "empty.sqlite")
    assert code == 0
    assert "no results yet" in err
    assert call("report", "empty.sqlite", "-o", "out")[0] == 2


def test_plan_tells_what_is_stored_and_runs_nothing(folder, call):
    code, out, _ = call("plan", "m.toml", "--json")
    assert code == 0
    assert {cell["status"] for cell in json.loads(out)} == {"to run"}
    assert not Path("actionbench.sqlite").exists()
    call("run", "m.toml", "--only", "fold=ann")
    cells = json.loads(call("plan", "m.toml", "--json")[1])
    assert {cell["fold_name"] for cell in cells if cell["status"] == "done"} == {"ann"}
    assert "4 to run" in call("plan", "m.toml")[2]
    # What an interrupt has ended always runs again.
    with Store.open("actionbench.sqlite") as store:
        store._connection.execute("UPDATE cells SET status = 'failed', kind = 'cancelled'")
    assert "6 to run" in call("plan", "m.toml")[2]
    assert "was ended by an interrupt" in call("plan", "m.toml", "--why", "fold=ann")[1]
    assert "6 run now, 0 failed" in call("run", "m.toml")[2]


def test_compare_a_store_with_itself(folder, call):
    call("run", "m.toml")
    code, out, _ = call("compare", "actionbench.sqlite", "actionbench.sqlite", "--json")
    assert code == 0
    assert {row["verdict"] for row in json.loads(out)} == {"no evidence"}
    assert "+0.0 [" in call("compare", "actionbench.sqlite", "actionbench.sqlite")[1]
    call("run", "m.toml", "--store", "other.sqlite", "--set", "datasets.folder.title=else")
    assert call("compare", "actionbench.sqlite", "other.sqlite")[0] == 3


def test_lists(folder, call):
    attempts = {row["name"]: row for row in json.loads(call("list", "attempts", "--json")[1])}
    families = {
        name: attempts[name]["family"] for name in ("chance", "majority", "rules", "mlp-flow", "convnet-3d")
    }
    assert families == {
        "chance": "floor",
        "majority": "floor",
        "rules": "rules",
        "mlp-flow": "dense",
        "convnet-3d": "convnet",
    }
    assert {attempts[name]["family"] for name in ("hog-svm", "hof-svm", "hog-hof-mbh-svm")} == {"features"}
    assert not any(row["about"].startswith("cannot load") for row in attempts.values())
    assert all(row["origin"].startswith("actionbench ") for row in attempts.values())
    for what in ("attempts", "datasets", "splits", "matrices"):
        assert call("list", what)[0] == 0


def test_what_cannot_load_is_listed_with_the_reason(call, monkeypatch):
    from importlib.metadata import EntryPoint

    from actionbench.baselines import registry

    broken = EntryPoint("broken", "not_installed_anywhere:Thing", "actionbench.attempts")
    real = registry.declared
    monkeypatch.setattr(registry, "declared", lambda group: [*real(group), broken])
    code, out, _ = call("list", "attempts", "--json")
    assert code == 0
    rows = {row["name"]: row["about"] for row in json.loads(out)}
    assert rows["broken"] == "cannot load: ModuleNotFoundError: No module named 'not_installed_anywhere'"
    assert not rows["rules"].startswith("cannot load")


def test_data_info_and_preview(folder, call):
    code, out, _ = call("data", "info", "folder", "--root", "my clips", "--set", "groups=none", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["clips"] == 12
    assert facts["warnings"]
    assert call("data", "info", "figures", "--set", "subjects=2", "--set", "clips_per_subject=1")[0] == 0
    words = ["data", "preview", "folder", "--root", "my clips", "--set", "groups=none", "-o", "x.png"]
    assert call(*words)[0] == 0
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")


def test_a_list_of_rules_is_written_and_runs_as_it_was(folder, call):
    words = [
        "rules",
        "rules",
        "--dataset",
        "folder",
        "--root",
        "my clips",
        "--set",
        "groups=^(?P<group>[^_]+)_",
        "-o",
        "x.txt",
    ]
    code, out, err = call(*words)
    assert (code, out) == (0, "x.txt\n")
    assert "fitted on all 12 clips" in err
    lines = Path("x.txt").read_text().splitlines()
    assert lines[0].startswith("# The first rule that holds decides. Quantities: horizontal speed, ")
    assert lines[-1].startswith("otherwise ")
    change = 'attempts=[{ name = "rules-file", params = { path = "x.txt" } }]'
    code, out, _ = call("run", "m.toml", "--set", change, "--json", "-q")
    assert code == 0
    assert json.loads(out)[0]["n_rules"] == len(lines) - 1


FIT = ["--dataset", "folder", "--root", "my clips", "--set", "groups=^(?P<group>[^_]+)_", "-o", "model"]
DARK, LIGHT = "my clips/dark/ann_1.mkv", "my clips/light/bob_2.mkv"


def test_a_winner_is_fitted_and_asked(folder, call):
    code, out, err = call("fit", "hog-svm", *FIT)
    assert code == 0
    assert "There is no accuracy here" in out
    assert "actionbench run --set 'attempts=[{ name = \"hog-svm\" }]'" in out
    assert err == "training hog-svm on folder\n"
    code, out, err = call("predict", "model", DARK, LIGHT)
    assert (code, err) == (0, "")
    for name in ("ann_1.mkv", "bob_2.mkv"):
        assert name in out
    # Clips of one name are told apart by their folders.
    assert "dark/ann_1.mkv" in call("predict", "model", DARK, "my clips/light/ann_1.mkv")[1].replace("\n", "")
    code, out, err = call("predict", "model", DARK, LIGHT, "--json")
    assert (code, err) == (0, "")
    table = api.predict("model", [DARK, LIGHT])
    for said, row in zip(json.loads(out), table.to_dict("records"), strict=True):
        assert said["label"] == row["label"] == max(said["probabilities"], key=said["probabilities"].get)
        assert {f"p({label})": share for label, share in said["probabilities"].items()}.items() <= row.items()
        assert said["decode_ms"] > 0
        assert "explanation" not in said


def test_a_fit_for_a_program(folder, call):
    code, out, err = call("fit", "majority", *FIT, "--json", "-q")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["classes"] == ["dark", "light"]
    assert (facts["clips"], facts["groups"], facts["accuracy"]) == (12, 3, None)
    assert facts["measure"].startswith("actionbench run ")
    code, out, err = call("fit", "majority", *FIT)
    assert (code, out) == (2, "")
    assert "holds a model already" in err
    assert call("fit", "chance", *FIT, "--overwrite", "-q")[0] == 0
    assert api.load("model").header.attempt == "chance"


def test_what_nobody_can_measure_says_so(folder, call):
    for person in ("bob", "cem"):
        for path in Path("my clips").rglob(f"{person}_*"):
            path.unlink()
    code, out, _ = call("fit", "majority", *FIT)
    assert code == 0
    assert "All are of one group, so that nothing could measure it." in out
    assert "actionbench run" not in out


def test_a_long_video_is_cut_and_annotated(folder, call, write_video):
    call("fit", "majority", *FIT, "-q")
    write_video("long.mkv", np.full((20, 12, 16), 90, np.uint8))
    code, out, err = call("predict", "model", "long.mkv", "--annotate", "said.mp4")
    assert code == 0
    assert (
        "long.mkv: 0.8 s, but training clips took 0.2 s (median): predicted in windows of 0.2 s every 0.1 s"
        in err
    )
    assert "0.64-0.80" in out
    assert len(read_video("said.mp4")) == 20
    code, out, err = call("predict", "model", "long.mkv", "--window", "0.4", "--step", "0.4", "--json")
    assert (code, err) == (0, "")
    assert [(one["start"], one["end"]) for one in json.loads(out)] == [(0, 0.4), (0.4, 0.8)]
    code, _, err = call("predict", "model", "long.mkv", "--window", "0.1", "--step", "0.4")
    assert code == 2
    assert "so that no part is left out" in err
    for window in ("0", "-1", "nan", "inf"):
        assert call("predict", "model", "long.mkv", "--window", window)[0] == 2


def test_a_clip_that_is_broken_harms_no_other(folder, call):
    call("fit", "majority", *FIT, "-q")
    Path("broken.mp4").write_bytes(b"no video")
    code, out, err = call("predict", "model", "broken.mp4", DARK)
    assert code == 1
    assert "ann_1.mkv" in out
    assert err.startswith("actionbench: broken.mp4: not a video")
    code, out, err = call("predict", "model", "broken.mp4")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_video_that_breaks_is_cut_where_that_is_asked_for(folder, call, write_video):
    call("fit", "majority", *FIT, "-q")
    rng = np.random.default_rng(0)
    write_video("whole.avi", rng.integers(256, size=(60, 48, 64), dtype=np.uint8), fps=10)
    content = Path("whole.avi").read_bytes()
    Path("cut.avi").write_bytes(content[: len(content) // 2])
    code, out, err = call("predict", "model", "cut.avi")
    assert (code, out) == (2, "")
    assert 'use on_error = "truncate" to keep those' in err
    code, out, _ = call("predict", "model", "cut.avi", "--on-error", "truncate", "--annotate", "said.mp4")
    assert code == 0
    assert "cut.avi" in out
    assert 10 < len(read_video("said.mp4")) < 40


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(folder, call, encoding):
    call("run", "m.toml", "--set", 'attempts=[{ name = "majority", title = "größte – 多数" }]', "-q")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    for words in (
        ["run", "m.toml", "-v"],
        ["show"],
        ["show", "--format", "md"],
        ["show", "gone – 多.sqlite"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "actionbench", *words], env=environment, capture_output=True, check=False
        )
        said = done.stderr.decode(errors="replace")
        assert done.returncode == (2 if "gone – 多.sqlite" in words else 0), said
        assert "Traceback" not in said
        assert done.stdout or done.returncode == 2


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
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

    monkeypatch.setattr("actionbench.cli.cli.main", interrupted)
    code, _, err = call(command)
    assert code == 130
    assert err.startswith("actionbench: interrupted")
    assert ("the same command goes on" in err) == goes_on


def test_rules_explain_a_clip_and_nets_become_onnx(folder, call):
    call("fit", "rules", *FIT, "-q")
    code, out, _ = call("predict", "model", DARK, LIGHT, "--explain")
    assert code == 0
    # The list once, then a story for each clip.
    assert out.count("otherwise ") == 1
    assert out.count("# this clip: ") == 2
    code, out, _ = call("predict", "model", DARK, "--explain", "--json")
    assert json.loads(out)[0]["explanation"].startswith("# this clip: ")
    code, out, err = call("export", "model", "-o", "net.onnx")
    assert (code, out) == (2, "")
    assert "model: the attempt 'rules' is no net; only nets become ONNX" in err
    small = ["--set", "attempts.mlp-flow.params.epochs=1", "--overwrite", "-q"]
    assert call("fit", "mlp-flow", *FIT, *small)[0] == 0
    code, _, err = call("predict", "model", DARK, "--explain")
    assert code == 2
    assert "'mlp-flow' cannot explain what it says of a clip" in err
    code, out, _ = call("export", "model", "-o", "net.onnx")
    assert (code, out) == (0, "net.onnx\n")
    assert onnx.load("net.onnx").producer_name == "actionbench"


def test_other_code_is_said_and_harms_nothing(folder, call, monkeypatch):
    call("fit", "majority", *FIT, "-q")
    monkeypatch.setattr("actionbench.experiments.store.provenance.code_fingerprint", lambda *_: "other")
    code, out, err = call("predict", "model", DARK)
    assert code == 0
    assert "ann_1.mkv" in out
    assert "model: the model was fitted with other code (of the same versions)" in err


def test_an_own_attempt_is_taken_home_with_its_plugin(folder, call):
    Path("mine.py").write_text(
        "from actionbench.baselines.trivial.majority import Majority\nclass Mine(Majority):\n    pass\n"
    )
    assert call("fit", "mine", *FIT, "-q", "--plugin", "mine.py")[0] == 0
    code, _, err = call("predict", "model", DARK)
    assert code == 2
    assert "comes from the plug-in mine.py; name that file with --plugin" in err
    assert call("predict", "model", DARK, "--plugin", "mine.py")[0] == 0


def test_doctor(call):
    code, out, _ = call("doctor", "--json")
    assert code == 0
    assert json.loads(out)["cores"] == len(os.sched_getaffinity(0))
    assert call("doctor")[0] == 0


def test_the_same_in_python(folder):
    table = api.run("m.toml", store="s.sqlite", only=["attempt=majority"])
    assert table["attempt"].tolist() == ["majority"]
    api.run("m.toml", store="s.sqlite")
    assert set(api.table("s.sqlite")["attempt"]) == {"majority", "chance"}
    assert set(api.plan("m.toml", store="s.sqlite")["status"]) == {"done"}
    assert Path("out/index.html") in api.report("s.sqlite", "out")
    assert set(api.compare("s.sqlite", "s.sqlite")["verdict"]) == {"no evidence"}


def test_the_winner_in_python(folder):
    dataset = {"name": "folder", "root": "my clips", "groups": "none"}
    model = api.fit({"name": "hog-svm", "params": {"C": 0.5}}, dataset, "model")
    assert model.attempt.C == 0.5
    table = api.predict(model, DARK, window=0.08, step=0.04)
    columns = "clip start end label probability decode_ms predict_ms p(dark) p(light)".split()
    assert table.columns.tolist() == columns
    assert table["start"].tolist() == [0, 0.04, 0.08]
    np.testing.assert_allclose(table["p(dark)"] + table["p(light)"], 1)
    again = api.predict("model", [DARK], window=0.08, step=0.04)
    assert again["p(dark)"].tolist() == table["p(dark)"].tolist()
    assert api.predict(model, []).columns.tolist() == columns
    api.fit("rules", dataset, "model", overwrite=True)
    assert api.predict("model", DARK, explain=True)["explanation"][0].startswith("# this clip: ")


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom actionbench.cli import main\n"
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
        ("from actionbench import cli", ["cv2", "numpy", "pandas", "pydantic", "rich"]),
        ("from actionbench import plan; plan('quick')", ["rich", "actionbench.models.nn"]),
        (
            "from actionbench import plan; plan('quick', store='empty.sqlite')",
            ["rich", "actionbench.models.nn"],
        ),
        (
            "from actionbench.listing import rows; rows('attempts')",
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


def test_what_an_audit_finds_is_shown_until_it_is_silenced(call, folder):
    shutil.copy("my clips/dark/ann_1.mkv", "my clips/dark/bob_3.mkv")
    words = "dark/bob_3.mkv (train) and dark/ann_1.mkv (test) in fold ann. [identical-clips]"
    assert call("run", "m.toml", "-q")[0] == 0
    shown = call("show", "--format", "md")[1]
    assert words in shown.replace("\\", "")
    assert call("report", "-o", "page")[0] == 0
    assert words in Path("page/index.html").read_text(encoding="utf-8")

    assert call("run", "m.toml", "-q", "--set", 'silence=["identical-clips"]')[0] == 0
    shown = call("show", "--format", "md")[1]
    assert "bob" not in shown
    assert shown.count("Silenced by the matrix: identical-clips.") == 1
    assert call("report", "-o", "page")[0] == 0
    page = Path("page/index.html").read_text(encoding="utf-8")
    assert words not in page
    assert page.count("Silenced by the matrix: identical-clips.") == 1


def test_an_unknown_code_is_bad_input(call, folder):
    code, _, err = call("run", "m.toml", "--set", 'silence=["identical"]')
    assert (code, "did you mean 'identical-clips'?" in err) == (2, True)


def test_info_names_copies(call, folder):
    shutil.copy("my clips/dark/ann_1.mkv", "my clips/dark/bob_3.mkv")
    words = ("data", "info", "folder", "--root", "my clips", "--set", "groups=^(?P<group>[a-z]+)_", "--json")
    facts = json.loads(call(*words)[1])
    assert facts["warnings"] == [
        "Clips of different groups have the same frames: dark/ann_1.mkv and dark/bob_3.mkv. [identical-clips]"
    ]
