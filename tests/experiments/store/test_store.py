import json
import multiprocessing
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from actionbench.errors import StoreError
from actionbench.experiments.evaluation.result import CellResult
from actionbench.experiments.store import Store
from actionbench.experiments.store.schema import CellRecord
from actionbench.experiments.store.store import CachedOutput

OUTPUT = CachedOutput("hash", "stamps", "output")

TABLE = pd.DataFrame(
    [("a", "x", "ann"), ("b", "y", "ann"), ("c", "x", "bob"), ("d", "y", "bob")],
    columns=["clip", "label", "group"],
)


def add_dataset(store, fingerprint="f", dataset="toy", split="halves", warnings=("careful",), table=TABLE):
    return store.add_dataset(
        dataset=dataset,
        split=split,
        fingerprint=fingerprint,
        groups_known=True,
        classes=["x", "y"],
        warnings=list(warnings),
        table=table,
    )


def record(dataset_id, key="k", **more):
    values = {
        "attempt": "svm (C=1)",
        "family": "features",
        "params": {"C": 1.0},
        "seed": 0,
        "fold": 0,
        "fold_name": "ann",
        "code": "v1",
        "n_train": 2,
        "n_test": 2,
        "fit_seconds": 0.5,
        "positions": np.array([0, 1]),
        "probabilities": np.array([[0.25, 0.75], [1, 0]]),
        "artifacts": {"explain.txt": "größer".encode()},
    }
    return CellRecord(key=key, dataset_id=dataset_id, **{**values, **more})


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "s.sqlite") as store:
        yield store


def begin(store):
    return store.begin_run("mine", {"name": "mine"}, {"cores": 2})


def test_what_was_written_is_read_after_reopening(store):
    run_id = begin(store)
    store.add_cell(run_id, record(add_dataset(store)))
    store.end_run(run_id)
    with Store.open(store.path) as again:
        (cell,) = again.cells().to_dict("records")
        assert (cell["dataset"], cell["split"], cell["attempt"], cell["params"]) == (
            "toy",
            "halves",
            "svm (C=1)",
            {"C": 1.0},
        )
        assert (cell["status"], cell["fit_seconds"], cell["run_id"]) == ("done", 0.5, run_id)
        positions, probabilities = again.predictions("k")
        np.testing.assert_array_equal(positions, [0, 1])
        np.testing.assert_array_equal(probabilities, [[0.25, 0.75], [1, 0]])
        assert again.artifacts("k") == {"explain.txt": "größer".encode()}
        (dataset,) = again.datasets().to_dict("records")
        assert (dataset["classes"], dataset["warnings"], dataset["groups_known"]) == (
            ["x", "y"],
            ["careful"],
            True,
        )
        pd.testing.assert_frame_equal(again.clips(dataset["id"]), TABLE, check_dtype=False)
        (run,) = again.runs().to_dict("records")
        assert (run["matrix"], run["provenance"]) == ({"name": "mine"}, {"cores": 2})
        assert run["started"] <= run["finished"]


def test_an_empty_store_gives_empty_tables(store):
    assert store.cells().empty
    assert store.datasets().empty
    assert store.runs().empty
    assert store.status_of() == {}


def test_a_cell_written_again_replaces_the_old_one_with_its_predictions(store):
    run_id, dataset_id = begin(store), add_dataset(store)
    store.add_cell(run_id, record(dataset_id))
    failed = record(
        dataset_id, status="failed", kind="error", positions=None, probabilities=None, artifacts={}
    )
    store.add_cell(run_id, failed)
    assert store.status_of() == {"k": ("failed", "error")}
    assert store.artifacts("k") == {}
    with pytest.raises(StoreError, match="cell k has no predictions"):
        store.predictions("k")


def test_the_same_data_are_kept_once(store):
    assert add_dataset(store) == add_dataset(store)
    assert add_dataset(store) != add_dataset(store, fingerprint="g")


def test_reports_see_the_newest_data_and_code_asked_for(store):
    first, old, new = begin(store), add_dataset(store), add_dataset(store, fingerprint="g")
    store.add_cell(first, record(old, key="old data"))
    store.add_cell(first, record(new, key="old code"))
    second = begin(store)
    store.add_cell(second, record(new, key="new code", code="v2"))
    assert store.cells()["key"].tolist() == ["new code"]
    third = begin(store)
    store.touch(third, ["old code"])
    assert store.cells()["key"].tolist() == ["old code"]
    store.touch(begin(store), ["old data"])
    assert store.cells()["key"].tolist() == ["old data"]


def test_reports_see_the_newest_parameters_of_a_title(store):
    first, data = begin(store), add_dataset(store)
    for fold in (0, 1):
        store.add_cell(first, record(data, key=f"C=1 {fold}", fold=fold))
    second = begin(store)
    store.add_cell(second, record(data, key="C=2 0", params={"C": 2.0}))
    assert store.cells()["key"].tolist() == ["C=2 0"]
    store.touch(begin(store), ["C=1 0", "C=1 1"])
    assert store.cells()["key"].tolist() == ["C=1 0", "C=1 1"]


def test_reports_see_the_newest_cell_of_each_seed_and_fold(store):
    """A budget for tuning stands in no parameter; where a file lies does, and counts for nothing."""
    data = add_dataset(store)
    for name in ("old", "new"):
        run_id = begin(store)
        for fold in (0, 1):
            if (name, fold) != ("new", 1):
                params = {"C": 1.0, "list": f"/{name}/rules.txt"}
                store.add_cell(run_id, record(data, key=f"{name} {fold}", fold=fold, params=params))
    assert store.cells()["key"].tolist() == ["new 0", "old 1"]
    store.touch(begin(store), ["old 0"])
    assert store.cells()["key"].tolist() == ["old 0", "old 1"]
    params = {"C": 1.0, "list": "/old/others.txt"}
    store.add_cell(begin(store), record(data, key="others", fold=1, params=params))
    assert store.cells()["key"].tolist() == ["others"]


@pytest.mark.parametrize(
    "write",
    [
        lambda store, run_id: store.add_cell(run_id, record(add_dataset(store))),
        lambda store, run_id: store.end_run(run_id),
    ],
)
def test_cached_output_holds_until_an_earlier_run_writes(store, write):
    earlier, run_id = begin(store), begin(store)
    store.end_run(run_id)
    store.cache_output(run_id, OUTPUT, store.data_version())
    assert store.cached_output() == OUTPUT
    write(store, run_id)
    assert store.cached_output() == OUTPUT
    write(store, earlier)
    assert store.cached_output() is None


def test_output_is_not_cached_where_another_run_has_written_meanwhile(store):
    run_id, version = begin(store), store.data_version()
    store.end_run(run_id)
    with Store.open(store.path) as other:
        add_dataset(other)
    store.cache_output(run_id, OUTPUT, version)
    assert store.cached_output() is None
    store.cache_output(run_id, OUTPUT, store.data_version())
    assert store.cached_output() == OUTPUT


def test_a_snapshot_stays_as_it_is(store):
    run_id, data = begin(store), add_dataset(store)
    with Store.open(store.path) as reader:
        with reader.snapshot():
            store.add_cell(run_id, record(data))
            assert reader.status_of() == {}
        assert reader.status_of() == {"k": ("done", None)}


def test_a_missing_store_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"gone\.sqlite: there is no store"):
        Store.open(tmp_path / "gone.sqlite", must_exist=True)
    with pytest.raises(StoreError, match="does not exist"):
        Store.open(tmp_path / "no folder" / "s.sqlite")


def test_files_that_are_no_stores_are_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to have a header of its own. " * 5)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = text.read_bytes(), foreign.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt: cannot be opened as a store"):
        Store.open(text)
    with pytest.raises(StoreError, match=r"foreign\.sqlite: an SQLite file, but not a store"):
        Store.open(foreign)
    assert (text.read_bytes(), foreign.read_bytes()) == before


def test_every_field_of_a_cell_is_a_column_or_kept_elsewhere(store):
    columns = [row[1] for row in store.connection.execute("PRAGMA table_info(cells)")]
    elsewhere = {"positions", "probabilities", "artifacts"}
    own = [one.name for one in fields(CellRecord) if one.name not in elsewhere]
    assert columns == ["run_id", "last_run_id", "finished", *own]
    assert {one.name for one in fields(CellResult)} <= {one.name for one in fields(CellRecord)}


@pytest.mark.parametrize("version", [0, 2, 7])
def test_a_store_of_another_version_is_refused_and_left_alone(tmp_path, version):
    path = tmp_path / "s.sqlite"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    message = rf"written by another version of actionbench \(schema {version}, this one reads 1\)"
    with pytest.raises(StoreError, match=message if version else "table runs already exists"):
        Store.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)


def test_conditions_of_clips(store):
    known = TABLE.assign(
        speed=[0.5, np.nan, np.inf, np.float32(0.25)],
        camera=["a", None, "ü", "a"],
        night=[True, False, pd.NA, True],
        frames=np.array([1, 2, 3, 4], np.int16),
        where=[[1], {}, pd.NaT, pd.Timestamp("2026-01-01")],
    )
    number = add_dataset(store, table=known)
    with Store.open(store.path) as again:
        assert again.clips(number).columns.tolist() == ["clip", "label", "group"]
        table = again.clips(number, conditions=True)
        assert table.columns.tolist() == known.columns.tolist()
        found = table.astype(object).where(table.notna(), None).to_dict("list")
        assert found["speed"] == [0.5, None, None, 0.25]
        assert found["camera"] == ["a", None, "ü", "a"]
        assert found["night"] == [True, False, None, True]
        assert found["frames"] == [1, 2, 3, 4]
        assert found["where"] == [None] * 4


def test_conditions_are_those_of_the_last_time(store):
    number = add_dataset(store, table=TABLE.assign(speed=[1.0, 2.0, 3.0, 4.0]))
    other = add_dataset(store, fingerprint="g")
    assert add_dataset(store, table=TABLE.assign(camera=list("abab"))) == number
    assert store.clips(number, conditions=True).columns.tolist() == ["clip", "label", "group", "camera"]
    assert store.clips(other, conditions=True).columns.tolist() == ["clip", "label", "group"]


def test_an_audit_is_kept_by_its_key(store):
    assert store.audit("k") is None
    store.keep_audit("k", [])
    assert store.audit("k") == []
    store.keep_audit("k", [("code", "text")])
    with Store.open(store.path) as again:
        assert again.audit("k") == [("code", "text")]


def test_a_data_set_has_the_warnings_of_when_it_was_last_added(store):
    store.add_cell(begin(store), record(add_dataset(store)))
    add_dataset(store, warnings=["calm"])
    assert store.datasets()["warnings"].tolist() == [["calm"]]


def open_together(path, barrier, failures):
    barrier.wait()
    try:
        Store.open(path).close()
    except Exception as error:
        failures.put(repr(error))


def test_many_processes_make_one_store(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "actionbench.experiments.store.store"])
    failures = context.Queue()
    for number in range(8):
        barrier = context.Barrier(4)
        arguments = (tmp_path / f"{number}.sqlite", barrier, failures)
        processes = [context.Process(target=open_together, args=arguments) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert failures.empty(), failures.get()


def write_many(path, name, count, ready):
    with Store.open(path) as store:
        run_id, dataset_id = begin(store), add_dataset(store)
        ready.set()
        for number in range(count):
            store.add_cell(run_id, record(dataset_id, key=f"{name}{number}"))


def start_writers(path, names, count):
    context = multiprocessing.get_context("spawn")
    writers = []
    for name in names:
        ready = context.Event()
        writers.append((context.Process(target=write_many, args=(path, name, count, ready)), ready))
        writers[-1][0].start()
    return writers


def test_two_processes_write_into_one_store(tmp_path):
    path = tmp_path / "s.sqlite"
    for writer, _ in start_writers(path, "ab", 200):
        writer.join()
        assert writer.exitcode == 0
    with Store.open(path) as store:
        assert len(store.status_of()) == 400
        assert len(store.datasets()) == 1
        assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.1])
def test_killing_a_writer_loses_no_finished_cell(tmp_path, wait):
    path = tmp_path / "s.sqlite"
    ((writer, ready),) = start_writers(path, "a", 100_000)
    ready.wait()
    time.sleep(wait)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with Store.open(path) as store:
        keys = store.status_of()
        assert set(keys) == {f"a{number}" for number in range(len(keys))}
        for key in keys:
            assert store.predictions(key)[1].shape == (2, 2)
        assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_params_are_kept_as_json(store):
    store.add_cell(begin(store), record(add_dataset(store), params={"b": [1, 2], "a": "é"}))
    assert store.cells()["params"].iloc[0] == {"a": "é", "b": [1, 2]}
    assert json.loads(store.connection.execute("SELECT params FROM cells").fetchone()[0])["a"] == "é"


def test_a_full_disk_loses_the_cell_in_flight_only(store):
    run_id, dataset_id = begin(store), add_dataset(store)
    store.add_cell(run_id, record(dataset_id, key="before"))
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = {"explain.txt": bytes(100_000)}
    with pytest.raises(StoreError, match=r"s\.sqlite: cannot be written \(database or disk is full\)"):
        store.add_cell(run_id, record(dataset_id, key="during", artifacts=large))
    store.connection.execute("PRAGMA max_page_count = 1000000")
    store.add_cell(run_id, record(dataset_id, key="after", artifacts=large))
    assert set(store.status_of()) == {"before", "after"}


def test_a_damaged_store_is_one_sentence(store):
    for number in range(50):
        store.add_cell(
            begin(store), record(add_dataset(store), key=str(number), artifacts={"a": bytes(5000)})
        )
    store.close()
    store.path.write_bytes(store.path.read_bytes()[:20_000] + bytes(20_000))
    with pytest.raises(StoreError, match=r"s\.sqlite: cannot be"), Store.open(store.path) as damaged:
        damaged.cells()


def test_a_cell_is_done_when_it_is(store):
    run_id, dataset_id = begin(store), add_dataset(store)
    store.add_cell(run_id, record(dataset_id, key="good"))
    store.add_cell(run_id, record(dataset_id, key="bad", status="failed"))
    assert [store.is_done(key) for key in ("good", "bad", "none")] == [True, False, False]


def test_the_cells_of_each_run_and_their_data(store):
    dataset_id = add_dataset(store)
    first = begin(store)
    store.add_cell(first, record(dataset_id, "old"))
    store.add_cell(first, record(dataset_id, "other", fold=1))
    second = begin(store)
    store.add_cell(second, record(dataset_id, "new", code="v2"))
    store.touch(second, ["other"])
    assert [cell["key"] for cell in store.cells_of(first)] == ["old", "other"]
    assert [cell["key"] for cell in store.cells_of(second)] == ["new", "other"]
    assert store.cells_of(second)[0]["params"] == {"C": 1.0}
    assert store.cells_of(second)[0]["fingerprint"] == store.dataset(dataset_id)["fingerprint"] == "f"
    assert store.dataset(dataset_id)["classes"] == ["x", "y"]


def test_thumbnails_are_kept_by_position(store):
    first, second = add_dataset(store), add_dataset(store, split="thirds")
    store.add_thumbnails(first, {3: b"three", 0: b"nought"})
    store.add_thumbnails(second, {3: b"another"})
    store.add_thumbnails(first, {0: b"zero"})
    with Store.open(store.path) as again:
        assert again.thumbnails(first) == {0: b"zero", 3: b"three"}
        assert again.thumbnails(second) == {3: b"another"}
        again.drop_thumbnails(first, but=[0, 4])
        assert again.thumbnails(first) == {0: b"zero"}
        assert again.thumbnails(second) == {3: b"another"}


def test_thumbnails_of_older_data_go_with_those_of_the_newest(store):
    old, new = add_dataset(store), add_dataset(store, fingerprint="g")
    store.add_thumbnails(old, {0: b"old"})
    store.add_thumbnails(new, {0: b"new"})
    store.drop_thumbnails(new, but=[0])
    assert (store.thumbnails(old), store.thumbnails(new)) == ({}, {0: b"new"})


def test_nothing_of_a_dropped_strip_is_left(store):
    number = add_dataset(store)
    private = bytes(range(256)) * 30
    store.add_thumbnails(number, {0: private, 1: b"public"})
    store.close()
    assert private[:1000] in store.path.read_bytes()
    with Store.open(store.path) as again:
        again.drop_thumbnails(number, but=[1])
    left = b"".join(path.read_bytes() for path in store.path.parent.glob("s.sqlite*"))
    assert private[:256] not in left
    assert b"public" in left
