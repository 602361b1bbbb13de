import json
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
from pydantic import TypeAdapter

import actionbench
from actionbench.baselines.registry import attempt_registry
from actionbench.errors import ActionbenchError, DataError, MatrixError, PluginError, SplitError
from actionbench.experiments.datasets.base import GROUPS_UNKNOWN
from actionbench.experiments.datasets.splits import LeakyRandom
from actionbench.experiments.planning.cells import Plan, declared_type, plan_cells
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.running.feature_cache import user_cache
from actionbench.experiments.running.runner import AuditProgress, add_dataset, default_workers, run_cells
from actionbench.experiments.store import Store, provenance


def matrix(*attempts, split="leave-one-group-out", seeds=(0,), limits=None, **dataset):
    return read_matrix(
        {
            "name": "test",
            "seeds": list(seeds),
            "limits": limits or {},
            "datasets": [{"name": "toy-data", "split": split, **dataset}],
            "attempts": list(attempts) or [{"name": "nearest"}],
        }
    )


def run(checked, path, plugin, only=(), **options):
    cells = plan_cells(checked, plugins=[plugin], only=only)
    with Store.open(path) as store:
        summary = run_cells(Plan(checked, cells, [plugin]), store, **options)
        return summary, store.cells()


def predictions(path):
    with Store.open(path) as store:
        return {key: store.predictions(key)[1].tobytes() for key in store.cells()["key"]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.sqlite"


def test_every_cell_becomes_a_row(path, plugin):
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


def test_training_groups_are_an_axis(path, plugin):
    checked = matrix({"name": "nearest"}, people=5)
    checked.train_groups = [2, "all"]
    _, cells = run(checked, path, plugin)
    assert cells.groupby(["attempt", "base", "n_train_groups", "n_train"]).size().to_dict() == {
        ("nearest", "nearest", 4, 16): 5,
        ("nearest (train_groups=2)", "nearest", 2, 8): 5,
    }
    assert len(plan_cells(checked, plugins=[plugin], only=["train_groups=2,fold=0"])) == 1
    whole = plan_cells(matrix({"name": "nearest"}, people=5), plugins=[plugin])
    assert {cell.key for cell in whole} <= set(cells["key"])
    checked.train_groups = [6]
    with pytest.raises(SplitError, match="train_groups = 6, but fold 'p0' has 4 training groups"):
        plan_cells(checked, plugins=[plugin])


def test_controls_run_beside_their_net(plugin):
    figures = {"name": "figures", "subjects": 2, "clips_per_subject": 1, "split": "leave-one-group-out"}
    attempts = [{"name": "convnet-frame", "controls": True}, {"name": "convnet-3d", "controls": True}]
    cells = plan_cells(
        read_matrix({"name": "x", "datasets": [figures], "attempts": attempts}), only=["fold=0"]
    )
    assert [cell.title for cell in cells] == [
        "convnet-frame",
        "convnet-frame (control=random)",
        "convnet-3d",
        *(f"convnet-3d (control={control})" for control in ("shuffled", "still", "random")),
    ]
    with pytest.raises(MatrixError, match="attempt 'nearest' has no controls; take controls = true away"):
        plan_cells(matrix({"name": "nearest", "controls": True}), plugins=[plugin])


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
            run_cells(Plan(checked, plan_cells(checked)), store, cache=cache)
            found[path] = store.cells()
    alone, first, second = found.values()
    # Keeping features for a piece of work is not charged, and takes less time than to compute them.
    assert (alone["fit_saved_seconds"].abs() < alone["fit_seconds"] / 2).all()
    assert (first["fit_saved_seconds"] > 0).any()
    # All is there.
    assert (second["predict_saved_seconds"] > 0).all()
    assert len({tuple(predictions(path).values()) for path in found}) == 1


def test_the_code_of_attempts_that_are_used_by_name_counts(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "actionbench.experiments.store.provenance.code_fingerprint",
        lambda *classes: asked.append(classes) or "code",
    )
    content = {
        "name": "test",
        "datasets": [{"name": "figures", "split": "leave-one-group-out"}],
        "attempts": [{"name": "late-fusion", "params": {"members": "hof-svm + chance"}}],
    }
    plan_cells(read_matrix(content))
    assert {"LateFusion", "HofSvm", "Chance"} <= {cls.__name__ for cls in asked[0]}
    content["attempts"][0]["params"]["members"] = "hof-svm + chanse"
    with pytest.raises(PluginError, match="there is no attempt 'chanse'; did you mean 'chance'"):
        plan_cells(read_matrix(content))


def test_a_folder_of_features_that_cannot_be_made(path, plugin, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"file/features: the folder .* cannot be made .*--cache names another"
    ):
        run(matrix(), path, plugin, cache=tmp_path / "file" / "features")


def test_where_the_usual_folder_of_features_cannot_be_made_none_is_kept(path, plugin, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("ACTIONBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="cannot be made .*this run keeps none"):
        summary, _ = run(matrix(), path, plugin, only=["fold=0"])
    assert summary.n_failed == 0


def test_where_features_are_kept(monkeypatch, tmp_path, path, plugin):
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert user_cache() == Path("/caches/actionbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path.home() / ".cache" / "actionbench"
    monkeypatch.setenv("ACTIONBENCH_CACHE", str(tmp_path / "mine"))
    run(matrix(), path, plugin, only=["fold=0"])
    assert (tmp_path / "mine").is_dir()


def test_predictions_stand_at_the_test_clips(path, plugin):
    _, cells = run(matrix(), path, plugin)
    with Store.open(path) as store:
        clips = store.clips(cells["dataset_id"].iloc[0])
        for cell in cells.itertuples():
            positions, probabilities = store.predictions(cell.key)
            assert set(clips["group"].iloc[positions]) == {cell.fold_name}
            given = np.array(["dark", "light"])[probabilities.argmax(axis=1)]
            assert given.tolist() == clips["label"].iloc[positions].tolist()


def test_a_second_run_computes_nothing(path, plugin, tmp_path):
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
def test_what_can_change_the_outcome_is_computed_again(path, plugin, change):
    run(matrix(), path, plugin)
    change = dict(change)
    summary, _ = run(matrix(*change.pop("attempts", []), **change), path, plugin)
    assert summary.n_stored == 0
    assert summary.n_run == summary.n_cells


def test_a_changed_file_is_computed_again(plugin, tmp_path):
    rules = tmp_path / "mine.txt"
    attempt = {"name": "rules-file", "params": {"path": str(rules)}}
    keys = set()
    for text in ("otherwise dark", "otherwise light", "otherwise dark"):
        rules.write_text(text)
        keys.add(plan_cells(matrix(attempt), plugins=[plugin])[0].key)
    assert len(keys) == 2


def fusion(members):
    return {"name": "late-fusion", "params": {"members": members}}


def test_a_fusion_finds_the_attempts_of_plugins(path, plugin):
    summary, cells = run(matrix(fusion("nearest + chance")), path, plugin)
    assert (summary.n_run, summary.n_failed) == (4, 0)
    assert set(cells["status"]) == {"done"}


def test_a_fusion_is_computed_again_when_a_member_changes(plugin, tmp_path):
    member = tmp_path / "coin.py"
    member.write_text("from actionbench.baselines.trivial.chance import Chance\nclass Coin(Chance): pass\n")

    def keys():
        provenance.forget()
        checked = matrix(fusion("coin + chance"), {"name": "chance"})
        return {cell.entry.name: cell.key for cell in plan_cells(checked, plugins=[plugin, member])}

    before = keys()
    assert keys() == before
    member.write_text(member.read_text() + "# changed\n")
    after = keys()
    assert after["late-fusion"] != before["late-fusion"]
    assert after["chance"] == before["chance"]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "attempt 'rules-file': rules-file needs the parameter 'path'"),
        ({"path": "gone.txt"}, r"attempt 'rules-file': .*gone\.txt: the list of rules cannot be read"),
        ({"path": "typo.txt"}, r"typo\.txt, line 1: no clip has the label 'drak'; did you mean 'dark'\?"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_before_anything_runs(
    plugin, tmp_path, monkeypatch, params, says
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.txt").write_text("otherwise drak")
    with pytest.raises(ActionbenchError, match=says):
        plan_cells(matrix({"name": "rules-file", "params": params}), plugins=[plugin])


def test_a_file_that_is_missing_is_named(plugin, tmp_path):
    source = plugin.read_text() + "\n    def files(self):\n        return [Path(self.log)]\n"
    plugin.write_text(source)
    gone = tmp_path / "gone.txt"
    with pytest.raises(MatrixError, match=r"attempt 'nearest': .*gone\.txt: the file cannot be read"):
        plan_cells(matrix({"name": "nearest", "params": {"log": str(gone)}}), plugins=[plugin])


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


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("hog-svm", {"C": "abc"}, "'hog-svm': params.C: input should be a valid number, got 'abc'"),
        ("mlp-flow", {"epochs": 2.5}, "params.epochs: input should be a valid integer, got 2.5"),
        (
            "dense-trajectories",
            {"encoding": "fischer"},
            "params.encoding: input should be 'fisher', 'words' or 'vlad', got",
        ),
        ("convnet-3d", {"widths": "wide"}, "params.widths: input should be a valid"),
        ("hog-svm", {"mirror": "perhaps"}, "params.mirror: "),
    ],
)
def test_a_parameter_of_another_type_is_refused_before_anything_runs(plugin, name, params, says):
    with pytest.raises(MatrixError, match=re.escape(says)):
        plan_cells(matrix({"name": name, "params": params}), plugins=[plugin])


def test_the_types_of_our_parameters_can_be_told():
    for name in attempt_registry([]).names():
        cls = attempt_registry([]).get(name)
        for key, value in cls._defaults().items():
            found = TypeAdapter(declared_type(cls, key)).validate_json(json.dumps(value), strict=True)
            assert found == value or list(found) == list(value), (name, key)


def test_limits_and_workers_change_nothing(path, plugin):
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


def test_a_cell_that_fails_is_a_row_and_the_others_go_on(path, plugin):
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
def test_limits_of_a_matrix_hold(path, plugin, mode, limits, kind):
    checked = matrix({"name": "nearest", "params": {"mode": mode}}, limits=limits)
    _, cells = run(checked, path, plugin, only=["fold=p0"])
    assert cells["kind"].tolist() == [kind]


def test_failures_run_again_only_when_asked(path, plugin):
    checked = matrix({"name": "nearest", "params": {"mode": ["raising", "exiting"]}})
    assert run(checked, path, plugin)[0].n_run == 8
    summary = run(checked, path, plugin)[0]
    assert (summary.n_run, summary.n_failed) == (0, 8)
    assert run(checked, path, plugin, retry=["crash"])[0].n_run == 4
    assert run(checked, path, plugin, retry=["failed"])[0].n_run == 8


@pytest.mark.parametrize("retry", [["failed", "timeuot"], "failed", ["done"]])
def test_only_kinds_of_failures_can_be_asked_for(path, plugin, retry):
    with pytest.raises(ActionbenchError, match=r"retry: there is no kind '(timeuot|a|done)'; .*timeout"):
        run(matrix(), path, plugin, retry=retry)


def test_the_same_predictions_with_any_number_of_workers(tmp_path, plugin):
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
            summary = run_cells(
                Plan(checked, plan_cells(checked, only=["fold=0"])), store, workers=3 - threads
            )
        assert summary.n_failed == 0
    assert predictions(tmp_path / "1.sqlite") == predictions(tmp_path / "2.sqlite")


def test_order_goes_through_the_attempts_within_a_fold_from_another_one_in_each(plugin):
    cells = plan_cells(matrix({"name": "nearest"}, {"name": "chance"}), plugins=[plugin])
    assert [(cell.fold_index, cell.title) for cell in cells[:4]] == [
        (0, "nearest"),
        (0, "chance"),
        (1, "chance"),
        (1, "nearest"),
    ]


@pytest.mark.parametrize(
    ("only", "n_cells"),
    [
        (["attempt=nearest"], 8),
        (["attempt=nearest,fold=0"], 2),
        (["attempt=near*,fold=p1,seed=1"], 1),
        (["attempt=chance", "attempt=nearest"], 16),
        (["family=trivial", "fold=0,fold=1"], 8),
        (["dataset=toy-data", "split=leave-one-group-out"], 16),
    ],
)
def test_only_some_cells(plugin, only, n_cells):
    checked = matrix({"name": "nearest"}, {"name": "chance"}, seeds=(0, 1))
    assert len(plan_cells(checked, plugins=[plugin], only=only)) == n_cells


def test_names_with_commas_stand_in_quotation_marks(plugin):
    checked = matrix({"name": "nearest", "title": "a, b"}, {"name": "chance", "title": "a"}, seeds=(0, 1))

    def titles(only):
        return {(cell.title, cell.fold_index) for cell in plan_cells(checked, plugins=[plugin], only=[only])}

    assert titles('attempt="a, b",fold=0') == {("a, b", 0)}
    assert titles('fold=1, attempt="a, b", attempt="a"') == {("a, b", 1), ("a", 1)}


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ("attempt", "must be KEY=VALUE"),
        ('attempt="a, b', "a quotation mark is not closed"),
        ("attempts=rules", "unknown key 'attempts'; did you mean 'attempt'"),
        ("attempt=rules", "no cell is left; attempt may be nearest"),
        ("fold=9", "no cell is left; fold may be p0, p1, p2, p3"),
    ],
)
def test_conditions_that_fit_nothing(plugin, only, says):
    with pytest.raises(MatrixError, match=says):
        plan_cells(matrix(), plugins=[plugin], only=[only])


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (
            lambda: matrix({"name": "nearst"}),
            PluginError,
            "there is no attempt 'nearst'; did you mean 'nearest'",
        ),
        (
            lambda: matrix({"name": "nearest", "params": {"mod": 1}}),
            MatrixError,
            "attempt 'nearest': unknown parameter 'mod'; did you mean 'mode'",
        ),
        (lambda: matrix(people=1), SplitError, "data set 'toy-data': leave-one-group-out needs two groups"),
        (
            lambda: matrix(split={"name": "group-k-fold", "folds": 5}),
            SplitError,
            "folds = 5, but the data set has 4 groups",
        ),
        (lambda: matrix(persons=3), DataError, "data set 'toy-data': unknown key 'persons'"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(plugin, build, error, says):
    with pytest.raises(error, match=says):
        plan_cells(build(), plugins=[plugin])


def test_all_that_does_not_fit_is_said_at_once(plugin):
    content = {
        "name": "x",
        "datasets": [
            {"name": "toy-data", "persons": 3, "split": "leave-one-group-out"},
            {"name": "toy", "split": "leave-one-group-out"},
        ],
        "attempts": [
            {"name": "nearst"},
            {"name": "nearest", "params": {"mod": 1, "lgo": "x"}},
            {"name": "hog-svm", "params": {"C": ["a", 1.0, "b"]}},
        ],
    }
    with pytest.raises(PluginError) as caught:
        plan_cells(read_matrix(content), plugins=[plugin])
    begins = [
        "there is no attempt 'nearst'",
        "attempt 'nearest': unknown parameter 'mod'",
        "attempt 'nearest': unknown parameter 'lgo'",
        "attempt 'hog-svm': params.C: input should be a valid number, got 'a'",
        "attempt 'hog-svm': params.C: input should be a valid number, got 'b'",
        "data set 'toy-data': unknown key 'persons'",
        "there is no data set 'toy'",
    ]
    for begin, sentence in zip(begins, caught.value.args, strict=True):
        assert sentence.startswith(begin)


def test_a_skip_that_fails_is_named(plugin):
    plugin.write_text(
        plugin.read_text().replace('return "it would rather not" if', "return undefined_name if")
    )
    with pytest.raises(PluginError, match=r"attempt 'nearest': its skip\(\) failed with NameError"):
        plan_cells(matrix({"name": "nearest", "params": {"mode": "skip"}}), plugins=[plugin])


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
        run_cells(Plan(checked, plan_cells(checked)), store)
        (dataset,) = store.datasets().to_dict("records")
    assert not dataset["groups_known"]
    assert dataset["warnings"] == [
        f"{GROUPS_UNKNOWN} [groups-unknown]",
        f"{LeakyRandom.warning} [leaky-split]",
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
            run_cells(Plan(checked, plan_cells(checked, only=only)), store)
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


def test_a_run_reports_audits_and_makes_each_once(path, plugin):
    reported = []
    run(matrix(), path, plugin, progress=reported.append)
    begun, ended, *cells = reported
    assert (begun.data.title, begun.ended) == ("toy-data", False)
    assert ended == AuditProgress(begun.data, ended=True)
    assert not any(isinstance(one, AuditProgress) for one in cells)
    reported.clear()
    run(matrix({"name": "chance"}), path, plugin, progress=reported.append)
    assert not any(isinstance(one, AuditProgress) for one in reported)


def test_what_could_not_be_audited_is_said_and_tried_again(path, plugin):
    good = plugin.read_text()
    # Whoever plans may look.
    dies = f"        os.getpid() == {os.getpid()} or os._exit(3)\n        level = 40"
    plugin.write_text("import os\n" + good.replace("        level = 40", dies, 1))

    def warnings():
        run(matrix({"name": "majority"}), path, plugin)
        with Store.open(path) as store:
            return store.datasets()["warnings"].tolist()

    ((warning,),) = warnings()
    assert warning.startswith("The data set could not be audited: ")
    assert warning.endswith("[not-audited]")
    plugin.write_text(good)
    assert warnings() == [[]]


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


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(toml, path, plugin):
    program = start(path, plugin, seeds=3, mode="slowing")
    while finished(path) < 3 and program.poll() is None:
        time.sleep(0.05)
    program.send_signal(signal.SIGKILL)
    program.communicate()
    before = finished(path)
    assert 3 <= before < 12
    second = start(path, plugin, seeds=3, mode="slowing")
    _, said = second.communicate()
    assert second.returncode == 0
    assert f"12 cells: {before} were stored, {12 - before} run now, 0 failed" in said


def test_an_interrupted_run_keeps_what_it_has_and_ends_with_130(toml, path, plugin):
    program = start(path, plugin, seeds=3, mode="slowing")
    while finished(path) < 2 and program.poll() is None:
        time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate()
    assert program.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert 2 <= finished(path) < 12


@pytest.mark.slow
def test_two_runs_on_one_store(toml, path, plugin):
    programs = [start(path, plugin, seeds=2) for _ in range(2)]
    for program in programs:
        _, said = program.communicate()
        assert program.returncode == 0, said
    assert finished(path) == 8


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_another_run_has_finished_stays_and_is_asked_for(path, plugin, when):
    """An earlier run ends a cell that the later one has planned already, or fails at: here with a limit of its own."""
    checked = matrix({"name": "nearest"}, limits={"time": "1 h" if when == "before" else "0.001 s"})
    cells = plan_cells(checked, plugins=[plugin], only=["fold=0"])
    with Store.open(path) as store, Store.open(path) as others:
        earlier = others.begin_run("earlier", {}, {})
        done = cells[0].record(add_dataset(others, cells[0].data, [], []))
        done.fit_seconds = done.predict_seconds = 0.5
        done.positions, done.probabilities = cells[0].fold.test, np.full((len(cells[0].fold.test), 2), 0.5)
        reported = []

        def report(progress):
            if isinstance(progress, AuditProgress):
                return
            reported.append(progress.status)
            if progress.status == "running":
                others.add_cell(earlier, done)

        if when == "before":
            real = store.status_of
            store.status_of = lambda: real() or (others.add_cell(earlier, done), {})[1]
        summary = run_cells(Plan(checked, cells, [plugin]), store, progress=report)
        assert reported == (["stored"] if when == "before" else ["running", "stored"])
        assert (summary.n_failed, store.predictions(cells[0].key)[1].tolist()) == (
            0,
            done.probabilities.tolist(),
        )
        assert [cell["key"] for cell in store.cells_of(summary.run_id)] == [cells[0].key]


def test_there_is_always_a_worker():
    assert default_workers(threads=10_000) == 1
    assert default_workers(threads=1) == len(os.sched_getaffinity(0))


def test_tuning_spends_its_budget_and_says_so(path, plugin):
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


def test_fresh_runs_what_is_stored(path, plugin):
    assert run(matrix(), path, plugin)[0].n_run == 4
    before = predictions(path)
    assert run(matrix(), path, plugin)[0].n_run == 0
    assert run(matrix(), path, plugin, fresh=True)[0].n_run == 4
    assert predictions(path) == before
