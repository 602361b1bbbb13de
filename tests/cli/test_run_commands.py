import io
import json
import shutil
from pathlib import Path

import pandas as pd

from actionbench import api
from actionbench.experiments.store import Store

COLUMNS = (
    "dataset,split,attempt,family,accuracy,accuracy_low,accuracy_high,macro_f1,n_clips,n_groups,n_folds,n_cells,"
    "n_failed,fit_seconds,predict_ms_per_clip,peak_memory_mib,n_parameters"
).split(",")


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
        "class Bad(Attempt):\n    family = 'trivial'\n"
        "    def fit(self, clips, labels, groups=None): raise KeyError('ouch')\n"
        "    def predict_proba(self, clips): ...\n"
    )
    Path("m.toml").write_text(Path("m.toml").read_text().replace('"chance"', '"bad"'))
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


def test_all_that_is_wrong_is_said_at_once_a_line_each(folder, call):
    Path("m.toml").write_text(
        Path("m.toml").read_text().replace("majority", "majorty").replace("root", "roots")
    )
    code, out, err = call("run", "m.toml")
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("actionbench: there is no attempt 'majorty'; did you mean 'majority'")
    assert second.startswith("actionbench: data set 'folder': unknown key 'roots'; did you mean 'root'")
    assert not Path("actionbench.sqlite").exists()


def test_nothing_is_stored_when_the_input_is_bad(folder, call):
    call("run", "m.toml", "--set", "datasets.folder.split=leave-one-out")
    assert not Path("actionbench.sqlite").exists()


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
        store.connection.execute("UPDATE cells SET status = 'failed', kind = 'cancelled'")
    assert "6 to run" in call("plan", "m.toml")[2]
    assert "was ended by an interrupt" in call("plan", "m.toml", "--why", "fold=ann")[1]
    assert "6 run now, 0 failed" in call("run", "m.toml")[2]


def test_plan_tells_whether_data_are_as_published(call, tmp_path):
    for name in ("daria_run", "ido_run", "daria_walk", "ido_walk"):
        (tmp_path / f"{name}.avi").touch()
    matrix = tmp_path / "m.toml"
    matrix.write_text(
        'name = "m"\nattempts = [{ name = "chance" }]\n'
        f'datasets = [{{ name = "weizmann", root = "{tmp_path}", split = "leave-one-group-out" }}]\n'
    )
    assert (
        "weizmann: This is not Weizmann as published (Gorelick et al. 2007, second takes included): 93 clips, "
        "9 people, 10 classes; it has 4 clips instead of 93 and 2 people instead of 9 and 2 classes instead of 10."
    ) in call("plan", str(matrix))[2]


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


def test_the_same_in_python(folder):
    table = api.run("m.toml", store="s.sqlite", only=["attempt=majority"])
    assert table["attempt"].tolist() == ["majority"]
    api.run("m.toml", store="s.sqlite")
    assert set(api.table("s.sqlite")["attempt"]) == {"majority", "chance"}
    assert set(api.plan("m.toml", store="s.sqlite")["status"]) == {"done"}
    assert Path("out/index.html") in api.report("s.sqlite", "out")
    assert set(api.compare("s.sqlite", "s.sqlite")["verdict"]) == {"identical"}


def test_a_run_ends_with_the_ladder(folder, call):
    words = "run", "m.toml", "-q", "--set", 'datasets.folder.probes=["frozen"]'
    outputs = [call(*words)[1], call(*words)[1], call("show")[1], call("show", "--format", "terminal")[1]]
    with Store.open("actionbench.sqlite") as store:
        store.connection.execute(
            "UPDATE runs SET (request_hash, file_stamps, cached_output) = (NULL, NULL, NULL)"
        )
    outputs.append(call("show")[1])
    for out in outputs:
        table, offer, use = (
            out.index(words) for words in (" rank ", "what the data offer", "what the attempt uses")
        )
        assert table < offer < use


def test_clips_without_motion_vectors_are_named_below_the_table_and_by_predict(folder, call):
    text = Path("m.toml").read_text()
    Path("m.toml").write_text(
        text.replace('"majority"', '"hof-svm"\nparams = { flow = "codec", mirror = false }')
    )
    sentence = "clips have no motion vectors of a codec: their flow was computed by dense inverse search."
    code, out, _ = call("run", "m.toml", "--only", "attempt=hof-svm*,fold=0")
    assert code == 0
    assert f"12 of 12 {sentence} [no-vectors]" in " ".join(out.split())
    options = ["--dataset", "folder", "--root", "my clips", "--set", "groups=(?P<group>[a-z]+)_"]
    code, *_ = call("fit", "hof-svm", *options, "--set", "attempts.hof-svm.params.flow=codec", "-o", "model")
    assert code == 0
    clip = next(str(path) for path in sorted(Path("my clips").rglob("*.mkv")))
    code, _, err = call("predict", "model", clip)
    assert code == 0
    assert f"1 of 1 {sentence}" in " ".join(err.split())
