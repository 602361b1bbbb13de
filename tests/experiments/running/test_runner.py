import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import actionbench
from actionbench.errors import ActionbenchError, DataError, SplitError
from actionbench.experiments.datasets.base import GROUPS_UNKNOWN
from actionbench.experiments.datasets.splits import LEAKY_RANDOM
from actionbench.experiments.isolation.fork_server import ForkServer
from actionbench.experiments.isolation.pool import GRACE
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.running.auditing import AuditProgress, add_dataset, left_out_of
from actionbench.experiments.running.runner import (
    CellProgress,
    CellStages,
    Stopping,
    default_workers,
    run_cells,
)
from actionbench.experiments.store import Store


def run(checked, path, plugin, only=(), **options):
    plan = make_plan(checked, plugins=[plugin], only=only)
    with Store.open(path) as store:
        summary = run_cells(plan, store, **options)
        return summary, store.cells()


def predictions(path):
    with Store.open(path) as store:
        return {key: store.predictions(key)[1].tobytes() for key in store.cells()["key"]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.sqlite"


def test_every_cell_becomes_a_row(path, plugin, matrix):
    summary, cells = run(matrix({"name": "nearest"}, {"name": "chance"}, seeds=(0, 1)), path, plugin)
    assert (summary.n_cells, summary.n_run, summary.n_stored, summary.n_failed) == (16, 16, 0, 0)
    assert set(cells["status"]) == {"done"}
    assert cells.groupby(["attempt", "seed"]).size().to_dict() == {
        (name, seed): 4 for name in ("chance", "nearest") for seed in (0, 1)
    }
    nearest = cells[cells["attempt"] == "nearest"].iloc[0]
    assert (nearest["n_train"], nearest["n_test"], nearest["n_parameters"], nearest["operations"]) == (
        12,
        4,
        2,
        10,
    )
    assert nearest["peak_memory_bytes"] > 2**20


def test_the_same_work_for_several_rows_is_a_cell_for_each(path, plugin):
    """Data sets, splits and attempts that differ in their titles only, and folds that two splits have in common."""
    entries = [
        {"name": "toy-data", "split": "leave-one-group-out"},
        {"name": "toy-data", "split": "leave-one-group-out", "title": "again"},
        {"name": "toy-data", "split": {"name": "group-k-fold", "folds": 4}},
    ]
    checked = read_matrix(
        {
            "name": "test",
            "datasets": entries,
            "attempts": [{"name": "nearest"}, {"name": "nearest", "title": "twin"}],
        }
    )
    summary, cells = run(checked, path, plugin)
    assert summary.n_cells == len(set(cells["key"])) == 3 * 2 * 4
    assert cells.groupby(["dataset", "split", "attempt"]).size().tolist() == [4] * 6
    again, _ = run(checked, path, plugin)
    assert (again.n_stored, again.n_run) == (24, 0)


def test_training_groups_are_an_axis(path, plugin, matrix):
    checked = matrix({"name": "nearest"}, people=5)
    checked.train_groups = [2, "all"]
    _, cells = run(checked, path, plugin)
    assert cells.groupby(["attempt", "base", "n_train_groups", "n_train"]).size().to_dict() == {
        ("nearest", "nearest", 4, 16): 5,
        ("nearest (train_groups=2)", "nearest", 2, 8): 5,
    }
    assert len(make_plan(checked, plugins=[plugin], only=["train_groups=2,fold=0"]).cells) == 1
    whole = make_plan(matrix({"name": "nearest"}, people=5), plugins=[plugin]).cells
    assert {cell.key for cell in whole} <= set(cells["key"])
    checked.train_groups = [6]
    with pytest.raises(SplitError, match="train_groups = 6, but fold 'p0' has 4 training groups"):
        make_plan(checked, plugins=[plugin])


@pytest.mark.slow
def test_features_are_computed_once_for_all_cells(tmp_path):
    checked = read_matrix(
        {
            "name": "test",
            "datasets": [
                {"name": "figures", "subjects": 2, "clips_per_subject": 1, "split": "leave-one-group-out"}
            ],
            "attempts": [{"name": "hof-svm"}, {"name": "hof-svm", "title": "again", "params": {"C": 10.0}}],
        }
    )
    found = {}
    for cache in ("none", tmp_path / "features", tmp_path / "features"):
        path = tmp_path / f"{len(found)}.sqlite"
        with Store.open(path) as store:
            run_cells(make_plan(checked), store, cache=cache)
            found[path] = store.cells()
    alone, first, second = found.values()
    # Keeping features for a piece of work is not charged, and takes less time than to compute them.
    assert (alone["fit_saved_seconds"].abs() < alone["fit_seconds"] / 2).all()
    assert (first["fit_saved_seconds"] > 0).any()
    # All is there.
    assert (second["predict_saved_seconds"] > 0).all()
    assert len({tuple(predictions(path).values()) for path in found}) == 1


def test_predictions_stand_at_the_test_clips(path, plugin, matrix):
    _, cells = run(matrix(), path, plugin)
    with Store.open(path) as store:
        clips = store.clips(cells["dataset_id"].iloc[0])
        for cell in cells.itertuples():
            positions, probabilities = store.predictions(cell.key)
            assert set(clips["group"].iloc[positions]) == {cell.fold_name}
            given = np.array(["dark", "light"])[probabilities.argmax(axis=1)]
            assert given.tolist() == clips["label"].iloc[positions].tolist()


def test_a_second_run_computes_nothing(path, plugin, tmp_path, matrix):
    log = tmp_path / "log"
    checked = matrix({"name": "nearest", "params": {"log": str(log)}})
    run(checked, path, plugin)
    assert log.read_text().count("good") == 4
    summary, _ = run(checked, path, plugin)
    assert (summary.n_run, summary.n_stored) == (0, 4)
    assert log.read_text().count("good") == 4


@pytest.mark.parametrize(
    "change",
    [
        {"attempts": [{"name": "nearest", "params": {"mode": "fine"}}]},
        {"seeds": (1,)},
        {"salt": 1},
        {"split": {"name": "group-k-fold", "folds": 2}},
    ],
)
def test_what_can_change_the_outcome_is_computed_again(path, plugin, change, matrix):
    run(matrix(), path, plugin)
    change = dict(change)
    summary, _ = run(matrix(*change.pop("attempts", []), **change), path, plugin)
    assert summary.n_stored == 0
    assert summary.n_run == summary.n_cells


def test_a_fusion_finds_the_attempts_of_plugins(path, plugin, matrix):
    summary, cells = run(
        matrix({"name": "late-fusion", "params": {"members": "nearest + chance"}}), path, plugin
    )
    assert (summary.n_run, summary.n_failed) == (4, 0)
    assert set(cells["status"]) == {"done"}


LOOKS = """


class Looks(Nearest):
    family = "{family}"

    def count(self):
        import sys

        return {{"imported": int("sklearn.svm" in sys.modules)}}
"""


@pytest.mark.parametrize(("family", "imported"), [("trivial", 0), ("features", 1)])
def test_only_what_learns_has_scikit_learn_imported_for_it(path, plugin, matrix, family, imported):
    plugin.write_text(plugin.read_text() + LOOKS.format(family=family))
    with contextlib.closing(ForkServer()) as fork_server:
        _, cells = run(matrix({"name": "looks"}), path, plugin, fork_server=fork_server)
    assert [counts["imported"] for counts in cells["counts"]] == [imported] * 4
    with Store.open(path) as store:
        pools = store.runs()["provenance"].iloc[0]["thread_pools"]
    # Those of the processes of cells.
    assert any(pool["user_api"] == "blas" for pool in pools)
    assert any(pool["user_api"] == "openmp" for pool in pools) == bool(imported)


def test_an_environment_variable_that_an_attempt_declares_counts(plugin, tmp_path, monkeypatch):
    plugin.write_text(plugin.read_text() + "\n    def environment(self):\n        return ['SHARPNESS']\n")
    how = {"store": tmp_path / "s.sqlite", "plugins": [plugin], "cache": "none"}
    content = {
        "name": "test",
        "datasets": [{"name": "toy-data", "split": "leave-one-group-out"}],
        "attempts": [{"name": "nearest"}, {"name": "chance"}],
    }
    for value, n_run in ((None, 8), (None, 0), ("2", 4), ("2", 0), ("3", 4), (None, 0)):
        monkeypatch.delenv("SHARPNESS", raising=False)
        if value:
            monkeypatch.setenv("SHARPNESS", value)
        with Store.open(how["store"]) as store:
            before = len(store.status_of())
        actionbench.run(content, **how)
        with Store.open(how["store"]) as store:
            assert len(store.status_of()) - before == n_run, value


def test_limits_and_workers_change_nothing(path, plugin, matrix):
    run(matrix(), path, plugin)
    summary, _ = run(matrix(limits={"time": "1 h", "threads": 2}), path, plugin, workers=1)
    assert summary.n_run == 0


@pytest.mark.slow
def test_changed_code_is_computed_again_in_a_new_process(path, plugin):
    command = [
        sys.executable,
        "-m",
        "actionbench",
        "run",
        "m.toml",
        "--plugin",
        plugin,
        "--store",
        path,
        "--json",
    ]
    (plugin.parent / "m.toml").write_text(
        'name = "m"\n[[datasets]]\nname = "toy-data"\nsplit = "leave-one-group-out"\n[[attempts]]\nname = "nearest"\n'
    )

    def once():
        done = subprocess.run(command, cwd=plugin.parent, capture_output=True, text=True, check=True)
        return done.stderr.splitlines()[-1]

    assert "4 run now" in once()
    assert "0 run now" in once()
    plugin.write_text(plugin.read_text() + "# changed\n")
    assert "4 run now" in once()


def test_a_cell_that_fails_is_a_row_and_the_others_go_on(path, plugin, matrix):
    modes = ["good", "raising", "exiting", "killed", "wide", "nan", "raw", "skip"]
    summary, cells = run(
        matrix({"name": "nearest", "params": {"mode": modes}}), path, plugin, only=["fold=0"]
    )
    rows = {row["params"]["mode"]: row for row in cells.to_dict("records")}
    assert (summary.n_cells, summary.n_failed, summary.n_skipped) == (8, 6, 1)
    assert rows["good"]["status"] == "done"
    assert (rows["raising"]["kind"], rows["raising"]["error"], rows["raising"]["message"]) == (
        "error",
        "ValueError",
        "no good </script>",
    )
    assert "a word before the end" in rows["raising"]["log"]
    assert rows["exiting"]["kind"] == rows["killed"]["kind"] == "crash"
    assert {rows[mode]["error"] for mode in ("wide", "nan", "raw")} == {"ContractError"}
    assert (rows["skip"]["status"], rows["skip"]["message"]) == ("skipped", "it would rather not")


@pytest.mark.parametrize(
    ("mode", "limits", "kind"),
    [("endless", {"time": "1 s"}, "timeout"), ("hungry", {"time": "1 h", "memory": "1 GiB"}, "memory")],
)
def test_limits_of_a_matrix_hold(path, plugin, mode, limits, kind, matrix):
    checked = matrix({"name": "nearest", "params": {"mode": mode}}, limits=limits)
    _, cells = run(checked, path, plugin, only=["fold=p0"])
    assert cells["kind"].tolist() == [kind]


def test_failures_run_again_only_when_asked(path, plugin, matrix):
    checked = matrix({"name": "nearest", "params": {"mode": ["raising", "exiting"]}})
    assert run(checked, path, plugin)[0].n_run == 8
    summary = run(checked, path, plugin)[0]
    assert (summary.n_run, summary.n_failed) == (0, 8)
    assert run(checked, path, plugin, retry=["crash"])[0].n_run == 4
    assert run(checked, path, plugin, retry=["failed"])[0].n_run == 8


@pytest.mark.parametrize("retry", [["failed", "timeuot"], "failed", ["done"]])
def test_only_kinds_of_failures_can_be_asked_for(path, plugin, retry, matrix):
    with pytest.raises(ActionbenchError, match=r"retry: there is no kind '(timeuot|a|done)'; .*timeout"):
        run(matrix(), path, plugin, retry=retry)


def test_the_same_predictions_with_any_number_of_workers(tmp_path, plugin, matrix):
    checked = matrix({"name": "nearest"}, {"name": "chance"}, {"name": "majority"}, seeds=(0, 1))
    for workers in (1, 2):
        run(checked, tmp_path / f"{workers}.sqlite", plugin, workers=workers)
    assert predictions(tmp_path / "1.sqlite") == predictions(tmp_path / "2.sqlite")


@pytest.mark.slow
def test_the_same_predictions_with_any_number_of_threads(tmp_path):
    attempts = [{"name": "hog-hof-mbh-svm"}, {"name": "rules"}, {"name": "mlp-flow", "params": {"epochs": 3}}]
    attempts.append({"name": "convnet-3d", "params": {"epochs": 2}})
    data = {
        "name": "figures",
        "subjects": 2,
        "clips_per_subject": 1,
        "frames": 16,
        "split": "leave-one-group-out",
    }
    for threads in (1, 2):
        content = {"name": "x", "limits": {"threads": threads}, "datasets": [data], "attempts": attempts}
        checked = read_matrix(content)
        with Store.open(tmp_path / f"{threads}.sqlite") as store:
            summary = run_cells(make_plan(checked, only=["fold=0"]), store, workers=3 - threads)
        assert summary.n_failed == 0
    assert predictions(tmp_path / "1.sqlite") == predictions(tmp_path / "2.sqlite")


def test_warnings_of_the_protocol_are_stored(path, class_folders):
    content = {
        "name": "x",
        "datasets": [
            {
                "name": "folder",
                "root": str(class_folders),
                "groups": "none",
                "split": {"name": "leaky-random", "folds": 2},
            }
        ],
        "attempts": [{"name": "majority"}],
    }
    checked = read_matrix(content)
    with Store.open(path) as store:
        run_cells(make_plan(checked), store)
        (dataset,) = store.datasets().to_dict("records")
    assert not dataset["groups_known"]
    assert dataset["warnings"] == [
        f"{GROUPS_UNKNOWN} [groups-unknown]",
        f"{LEAKY_RANDOM} [leaky-split]",
    ]


@pytest.fixture
def copied(class_folders):
    """Run on class folders where a file of one person is copied to another and to the other class."""

    def run(path, *changes, only=()):
        content = {
            "name": "x",
            "datasets": [
                {
                    "name": "folder",
                    "root": str(class_folders),
                    "groups": "^(?P<group>[a-z]+)_",
                    "split": "leave-one-group-out",
                }
            ],
            "attempts": [{"name": "majority"}],
        }
        checked = read_matrix(content, changes)
        with Store.open(path) as store:
            run_cells(make_plan(checked, only=only, left_out=left_out_of(store)), store)
            (dataset,) = store.datasets().to_dict("records")
        return dataset["warnings"]

    for copy in ("dark/bob_3.mkv", "light/ann_3.mkv"):
        shutil.copy(class_folders / "dark/ann_1.mkv", class_folders / copy)
    return run


IDENTICAL = (
    "Clips of different groups are on both sides of a fold and have the same frames: "
    "dark/bob_3.mkv (train) and dark/ann_1.mkv (test) in fold ann; "
    "dark/bob_3.mkv (train) and light/ann_3.mkv (test) in fold ann. [identical-clips]"
)


DISAGREE = (
    "Clips with the same frames have different labels: dark/ann_1.mkv (dark) and light/ann_3.mkv (light); "
    "dark/bob_3.mkv (dark) and light/ann_3.mkv (light). [labels-disagree]"
)


def test_copies_on_both_sides_are_stored_also_where_one_fold_runs(path, copied):
    assert copied(path, only=["fold=2"]) == [IDENTICAL, DISAGREE]


def test_silence_changes_what_is_stored_and_leaves_a_trace(path, copied):
    copied(path)
    silenced = "Silenced by the matrix: identical-clips."
    assert copied(path, 'silence=["identical-clips", "leaky-split"]') == [DISAGREE, silenced]
    assert copied(path) == [IDENTICAL, DISAGREE]


def test_a_run_reports_audits_and_makes_each_once(path, plugin, matrix):
    reported = []
    run(matrix(), path, plugin, progress=reported.append)
    begun, ended, *cells = reported
    assert (begun.data.title, begun.n_done) == ("toy-data", 0)
    assert ended == AuditProgress(begun.data, 16)
    assert not any(isinstance(one, AuditProgress) for one in cells)
    reported.clear()
    run(matrix({"name": "chance"}), path, plugin, progress=reported.append)
    assert not any(isinstance(one, AuditProgress) for one in reported)


def test_a_clip_that_kills_its_decoder_is_named_before_a_cell_runs(path, plugin, matrix):
    good = plugin.read_text()
    # Whoever plans may look.
    dies = f"        index != 3 or os.getpid() == {os.getpid()} or os._exit(3)\n        level = 40"
    plugin.write_text("import os\n" + good.replace("        level = 40", dies, 1))
    with pytest.raises(DataError) as caught:
        run(matrix({"name": "majority"}), path, plugin)
    (sentence,) = caught.value.args
    assert sentence.startswith("data set 'toy-data': clip ")
    assert sentence.endswith(" cannot be read: the process ended with exit code 3")
    with Store.open(path) as store:
        assert store.runs().empty
    plugin.write_text(good)
    run(matrix({"name": "majority"}), path, plugin)


def test_clips_that_cannot_be_decoded_are_all_named_before_a_cell_runs(path, copied, class_folders):
    broken = [class_folders / name for name in ("dark/ann_2.mkv", "light/bob_2.mkv")]
    good = [file.read_bytes() for file in broken]
    for file in broken:
        file.write_bytes(b"no video")
    with pytest.raises(DataError) as caught:
        copied(path)
    for file, sentence in zip(broken, caught.value.args, strict=True):
        assert sentence.startswith(
            f"data set 'folder': clip '{file.parent.name}/{file.name}' cannot be read: "
        )
    with Store.open(path) as store:
        assert store.cells().empty
        assert store.runs().empty
    for file, content in zip(broken, good, strict=True):
        file.write_bytes(content)
    assert copied(path) == [IDENTICAL, DISAGREE]


def test_clips_that_cannot_be_decoded_are_dropped_where_that_is_asked_for(path, copied, class_folders):
    broken = [class_folders / name for name in ("dark/ann_2.mkv", "light/bob_2.mkv")]
    for file in broken:
        file.write_bytes(b"no video")
    drop = "datasets.folder.on_error=drop"
    said = (
        "Left out: 2 of 14 clips, which cannot be decoded: dark/ann_2.mkv, light/bob_2.mkv. [clips-left-out]"
    )
    assert copied(path, drop) == [said, IDENTICAL, DISAGREE]
    with Store.open(path) as store:
        assert set(store.cells()["status"]) == {"done"}
        assert store.cells()["n_test"].sum() == 12
        before = store.cells()["key"].tolist()
    # It is known from then on, and nothing runs again.
    assert copied(path, drop) == [said, IDENTICAL, DISAGREE]
    with Store.open(path) as store:
        assert store.cells()["key"].tolist() == before


def test_probes_are_looked_at_once_and_share_what_is_trained(path, plugin, matrix):
    reported = []
    checked = matrix({"name": "nearest"}, probes=["reversed", "frozen"])
    summary, cells = run(checked, path, plugin, progress=reported.append)
    assert (summary.n_cells, set(cells["status"])) == (5 * 4, {"done"})
    begun = [one.data.title for one in reported if isinstance(one, AuditProgress) and one.n_done == 0]
    assert begun == ["toy-data (frozen, test only)"]
    titles = {
        f"toy-data{what}"
        for what in ("", " (reversed)", " (frozen)", " (reversed, test only)", " (frozen, test only)")
    }
    with Store.open(path) as store:
        assert set(store.datasets()["dataset"]) == titles
        assert store.datasets()["fingerprint"].nunique() == 5
        # No report shows how an attempt explains itself on probed clips.
        explained = store.with_artifacts()
    assert set(cells.loc[cells["key"].isin(explained), "dataset"]) == {"toy-data"}
    # Whether a clip is bright does not depend on the order of its frames.
    correct = cells.groupby("dataset")["key"].apply(list)
    found = predictions(path)
    for title in ("toy-data (reversed)", "toy-data (reversed, test only)"):
        assert [found[key] for key in correct[title]] == [found[key] for key in correct["toy-data"]]


def start(path, plugin, seeds, mode="slow"):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "actionbench", "run", "m.toml", "-j", "2"),
            *("--plugin", plugin, "--store", path, "--set", f"seeds={list(range(seeds))}"),
            *("--set", f"attempts.nearest.params.mode={mode}"),
        ],
        cwd=Path(plugin).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell inherits that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture
def toml(plugin):
    (plugin.parent / "m.toml").write_text(
        'name = "m"\n[[datasets]]\nname = "toy-data"\nsplit = "leave-one-group-out"\n[[attempts]]\nname = "nearest"\n'
    )


def finished(path):
    if not path.is_file():
        return 0
    try:
        with Store.open(path) as store:
            return len(store.status_of())
    except ActionbenchError:
        return 0


def test_an_interrupted_run_keeps_what_it_has_and_ends_with_130(toml, path, plugin):
    program = start(path, plugin, seeds=3, mode="slowing")
    while finished(path) < 2 and program.poll() is None:
        time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate()
    assert program.returncode == 130
    assert re.search("^interrupted: (waiting for . cells? that run|no cell runs)", said, re.MULTILINE)
    assert said.endswith(
        "actionbench: interrupted; what has finished is kept, and the same command goes on\n"
    )
    assert "Traceback" not in said
    assert 2 <= finished(path) < 12


@pytest.mark.parametrize(("limits", "most"), [({"time": "1 h"}, 3600 + GRACE), ({}, None)])
def test_the_first_interrupt_says_at_once_which_cells_it_waits_for(path, plugin, matrix, limits, most):
    reported = []

    def report(now):
        reported.append(now)
        if isinstance(now, CellStages) and not now.stages and not stopped():
            signal.raise_signal(signal.SIGINT)

    def stopped():
        return [now for now in reported if isinstance(now, Stopping)]

    summary, _ = run(matrix(limits=limits), path, plugin, progress=report, workers=1)
    assert summary.stopped
    (stopping,) = stopped()
    (begun,) = (now.cell for now in reported if isinstance(now, CellStages) and not now.stages)
    assert stopping.cells == [begun]
    assert stopping.seconds is None if most is None else 0 < stopping.seconds <= most


@pytest.mark.slow
def test_two_runs_on_one_store(toml, path, plugin):
    programs = [start(path, plugin, seeds=2) for _ in range(2)]
    for program in programs:
        _, said = program.communicate()
        assert program.returncode == 0, said
    assert finished(path) == 8


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_another_run_has_finished_stays_and_is_asked_for(path, plugin, when, matrix):
    """An earlier run ends a cell that the later one has planned already, or fails at: here with a limit of its own."""
    checked = matrix({"name": "nearest"}, limits={"time": "1 h" if when == "before" else "0.001 s"})
    plan = make_plan(checked, plugins=[plugin], only=["fold=0"])
    (cell,) = plan.cells
    with Store.open(path) as store, Store.open(path) as others:
        earlier = others.begin_run("earlier", {}, {})
        done = cell.record(add_dataset(others, cell.data, [], []))
        done.fit_seconds = done.predict_seconds = 0.5
        done.positions, done.probabilities = cell.fold.test, np.full((len(cell.fold.test), 2), 0.5)
        reported = []

        def report(progress):
            if not isinstance(progress, CellProgress):
                return
            reported.append(progress.status)
            if progress.status == "running":
                others.add_cell(earlier, done)

        if when == "before":
            real = store.status_of
            store.status_of = lambda: real() or (others.add_cell(earlier, done), {})[1]
        summary = run_cells(plan, store, progress=report)
        assert reported == (["stored"] if when == "before" else ["running", "stored"])
        assert (summary.n_failed, store.predictions(cell.key)[1].tolist()) == (0, done.probabilities.tolist())
        assert [row["key"] for row in store.cells_of(summary.run_id)] == [cell.key]


def test_there_is_always_a_worker():
    assert default_workers(threads=10_000) == 1
    assert default_workers(threads=1) == len(os.sched_getaffinity(0))


def test_tuning_spends_its_budget_and_says_so(path, plugin, matrix):
    plugin.write_text(
        plugin.read_text().replace(
            "    def skip(",
            '    def search_space(self):\n        return {"mode": ["good", "raising", "wide"]}\n\n    def skip(',
        )
    )
    summary, cells = run(matrix({"name": "nearest", "tune": 3}), path, plugin)
    assert (summary.n_failed, set(cells["attempt"])) == (0, {"nearest (tune=3)"})
    for tuning in cells["tuning"]:
        assert len(tuning["trials"]) == 3
        assert tuning["score"] == 1
    fixed, _ = run(
        matrix({"name": "nearest", "title": "x", "tune": 3, "params": {"mode": "good"}}), path, plugin
    )
    assert fixed.n_failed == 0


def test_calibrated_cells_are_others_and_keep_their_labels(path, plugin, matrix):
    entries = {"name": "nearest"}, {"name": "nearest", "calibrate": True}
    summary, cells = run(matrix(*entries), path, plugin)
    assert (summary.n_failed, summary.n_run) == (0, 8)
    with Store.open(path) as store:
        plain, calibrated = (
            [store.predictions(key)[1] for key in cells.loc[cells["attempt"] == name, "key"]]
            for name in ("nearest", "nearest (calibrate=temperature)")
        )
    assert len(plain) == len(calibrated) == 4
    for one, other in zip(plain, calibrated, strict=True):
        np.testing.assert_array_equal(one.argmax(axis=1), other.argmax(axis=1))
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(other.sum(axis=1), 1)


def test_fresh_runs_what_is_stored(path, plugin, matrix):
    assert run(matrix(), path, plugin)[0].n_run == 4
    before = predictions(path)
    assert run(matrix(), path, plugin)[0].n_run == 0
    assert run(matrix(), path, plugin, fresh=True)[0].n_run == 4
    assert predictions(path) == before
