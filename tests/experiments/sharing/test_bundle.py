import hashlib
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pretrained_nets import averaging_net

from actionbench.errors import BundleError, StoreError
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.running.runner import run_cells
from actionbench.experiments.sharing import bundle as bundle_module
from actionbench.experiments.sharing.bundle import Bundle, pack_predictions, write_bundle
from actionbench.experiments.sharing.reading import open_results
from actionbench.experiments.sharing.reproduction import differences
from actionbench.experiments.store import BUNDLED, Store
from actionbench.workflow import reproduce

FIGURES = {"name": "figures", "subjects": 2, "clips_per_subject": 1}


def run(path, plugin, *, only=(), end=True, **content):
    content = {
        "name": "m",
        "datasets": [{"name": "toy-data", "people": 2}],
        "attempts": [{"name": "nearest"}],
    } | content
    for entry in content["datasets"]:
        entry.setdefault("split", "leave-one-group-out")
    with Store.open(path) as store:
        run_cells(make_plan(read_matrix(content), plugins=[plugin], only=only), store, workers=1)
        if not end:
            store.connection.execute("UPDATE runs SET finished = NULL")
    return path


def packed(store, path):
    with Store.open(store) as opened:
        return write_bundle(opened, path)


def again(path, store, **options):
    with Bundle.open(path) as opened:
        return reproduce(opened, store, workers=1, **options).cells


def rewritten(path, change, *, checked=True):
    """Change members of a bundle by a function of a dictionary, with checksums that fit or without."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if checked:
        sums = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in members.items()
            if name != "checksums.json"
        }
        members["checksums.json"] = json.dumps(sums).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def rows(archive, table):
    content = json.loads(archive.read(f"store/{table}.json"))
    return [dict(zip(content["columns"], row, strict=True)) for row in content["rows"]]


@pytest.fixture(scope="module")
def first(tmp_path_factory, write_plugin):
    """A folder with a plug-in, a store of its run and a bundle, of which each test gets copies."""
    folder = tmp_path_factory.mktemp("first")
    packed(run(folder / "s.sqlite", write_plugin(folder)), folder / "b.zip")
    return folder


@pytest.fixture
def store(first, tmp_path):
    return Path(shutil.copy(first / "s.sqlite", tmp_path))


@pytest.fixture
def made(first, tmp_path):
    return Path(shutil.copy(first / "b.zip", tmp_path))


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new.sqlite"


def test_a_plug_in_and_the_figures_come_out_exactly(tmp_path, plugin, new):
    old = run(
        tmp_path / "both.sqlite",
        plugin,
        datasets=[{"name": "toy-data", "people": 2}, dict(FIGURES)],
        attempts=[{"name": "nearest"}, {"name": "chance"}],
        seeds=[0, 1],
    )
    path = packed(old, tmp_path / "b.zip").path
    cells = again(path, new)
    assert len(cells) == 16
    assert set(cells["verdict"]) == {"exact"}
    assert set(cells["difference"]) == {0.0}
    with Store.open(new) as opened:
        assert len(opened.runs()) == 1


def test_what_a_bundle_holds(made):
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
        assert names[:-1] == sorted(names[:-1])
        assert "plugins/0/toy_plugin.py" in names
        assert sum(name.startswith("predictions/") for name in names) == 2
        assert f"numpy=={np.__version__}\n" in archive.read("requirements.txt").decode()
        tables = {name: rows(archive, name) for name in BUNDLED}
    assert [row["label"] for row in tables["clips"]] == ["dark"] * 4 + ["light"] * 4
    assert {cell["code"] for cell in tables["cells"]} == {row["code"] for row in tables["codes"]}
    assert min(cell["fit_seconds"] for cell in tables["cells"]) > 0
    assert json.loads(tables["datasets"][0]["classes"]) == ["dark", "light"]


def test_the_same_store_gives_the_same_bytes(store, tmp_path):
    one, other = (packed(store, tmp_path / name).path.read_bytes() for name in ("1.zip", "2.zip"))
    assert one == other


def test_what_is_written_meanwhile_is_not_in_it(store, made, tmp_path, monkeypatch):
    """A run that fails anew at a cell, after the bundle has asked which are done."""
    real = Store.cells_of

    def cells_of(self, run_id):
        found = real(self, run_id)
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE cells SET status = 'failed'")
            connection.execute("DELETE FROM predictions")
        return found

    monkeypatch.setattr(Store, "cells_of", cells_of)
    assert packed(store, tmp_path / "c.zip").path.read_bytes() == made.read_bytes()


def test_a_run_that_has_not_ended_is_bundled_as_such(tmp_path, plugin, new):
    old = run(tmp_path / "part.sqlite", plugin, only=["fold=0"], end=False)
    written = packed(old, tmp_path / "b.zip")
    assert (written.finished, dict(written.statuses)) == (False, {"done": 1})
    assert again(written.path, new)["verdict"].tolist() == ["exact"]


def test_an_earlier_run_is_bundled_by_its_number(tmp_path, plugin, new):
    old = run(tmp_path / "two.sqlite", plugin)
    run(old, plugin, attempts=[{"name": "chance"}])
    with Store.open(old) as opened:
        write_bundle(opened, tmp_path / "b.zip", run=1)
    assert set(again(tmp_path / "b.zip", new)["attempt"]) == {"nearest"}


def test_failures_are_neither_run_again_nor_held_against_it(tmp_path, plugin, new):
    old = run(
        tmp_path / "f.sqlite", plugin, attempts=[{"name": "nearest", "params": {"mode": ["good", "raising"]}}]
    )
    cells = again(packed(old, tmp_path / "b.zip").path, new)
    assert sorted(cells["verdict"]) == ["exact", "exact", "not bundled", "not bundled"]


def moved(members, by):
    name = next(name for name in members if name.startswith("predictions/"))
    arrays = bundle_module.load(members[name])
    probabilities = arrays["probabilities"] + np.array([by, -by])
    members[name] = pack_predictions(arrays["positions"], probabilities)


@pytest.mark.parametrize(("by", "verdict"), [(1e-9, "within tolerance"), (0.01, "differs"), (0.9, "differs")])
def test_other_probabilities_are_found(made, new, by, verdict):
    rewritten(made, lambda members: moved(members, by))
    cells = again(made, new)
    assert sorted(cells["verdict"]) == sorted(["exact", verdict])
    (other,) = cells[cells["verdict"] == verdict].to_dict("records")
    assert other["difference"] == pytest.approx(by)
    assert (other["n_labels"] > 0) == (by > 0.5)


def test_it_goes_on_where_it_was(made, new):
    again(made, new, only=["fold=0"])
    assert len(again(made, new)) == 2
    with Store.open(new) as opened:
        assert opened.cells()["run_id"].tolist() == [1, 2]


def test_a_store_of_other_runs_is_refused(made, store):
    with pytest.raises(BundleError, match="holds runs other than of this bundle; --store must name a new"):
        again(made, store)


def test_the_bundled_plug_in_and_its_helper_run(tmp_path, plugin, new):
    helper = tmp_path / "bundle_helper.py"
    helper.write_text("SHARE = 1.0\n")
    good = plugin.read_text()
    plugin.write_text(
        good.replace("weight = 1 /", "weight = SHARE /") + "\nfrom bundle_helper import SHARE\n"
    )
    path = packed(run(tmp_path / "h.sqlite", plugin), tmp_path / "b.zip").path
    helper.write_text("SHARE = 'other'\n")
    plugin.write_text("raise SystemExit\n")
    assert set(again(path, new)["verdict"]) == {"exact"}


def test_a_plug_in_that_has_changed_since_is_not_bundled(plugin, tmp_path):
    store = run(tmp_path / "s.sqlite", plugin)
    plugin.write_text(plugin.read_text() + "# changed\n")
    with pytest.raises(BundleError, match=r"toy_plugin\.py: has changed since the run; run the matrix again"):
        packed(store, tmp_path / "b.zip")
    plugin.unlink()
    with pytest.raises(BundleError, match=r"toy_plugin\.py: the plug-in of the run is gone"):
        packed(store, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_other_data_are_refused_by_name(made, new):
    with pytest.raises(BundleError, match="the data set 'toy-data' is not what was bundled"):
        again(made, new, changes=["datasets.toy-data.salt=1"])
    assert not new.exists()


def edit(table, change):
    """Return what changes the rows of a table of a bundle."""

    def edited(members):
        name = f"store/{table}.json"
        content = json.loads(members[name])
        found = [dict(zip(content["columns"], row, strict=True)) for row in content["rows"]]
        change(found)
        content["rows"] = [[row[column] for column in content["columns"]] for row in found]
        members[name] = json.dumps(content).encode()

    return edited


def swap_labels(rows):
    names = {"dark": "light", "light": "dark"}
    for row in rows:
        row["label"] = names[row["label"]]


def swap_classes(rows):
    for row in rows:
        row["classes"] = json.dumps(json.loads(row["classes"])[::-1])


def move_a_clip(rows):
    rows[0]["group"] = rows[-1]["group"]


@pytest.mark.parametrize(
    ("table", "change"), [("clips", swap_labels), ("clips", move_a_clip), ("datasets", swap_classes)]
)
def test_a_bundle_with_other_labels_than_were_run_is_refused(made, new, table, change):
    rewritten(made, edit(table, change))
    with pytest.raises(BundleError, match="are not those that were run; the bundle was edited"):
        again(made, new)


def test_clips_are_found_in_the_data_folder(class_folders, plugin, tmp_path, new, monkeypatch):
    data = {"name": "folder", "root": str(class_folders), "groups": "(?P<group>[a-z]+)_"}
    old = run(tmp_path / "c.sqlite", plugin, datasets=[data], attempts=[{"name": "majority"}])
    path = packed(old, tmp_path / "b.zip").path
    class_folders.rename(tmp_path / "folder")
    monkeypatch.setenv("ACTIONBENCH_DATA", str(tmp_path))
    notes = []
    assert set(again(path, new, notify=notes.append)["verdict"]) == {"exact"}
    assert notes == [f"data set 'folder': {class_folders} is not there, {tmp_path / 'folder'} is used"]


def test_annotations_are_found_in_the_data_folder(class_folders, plugin, tmp_path, new, monkeypatch):
    paths = [path.relative_to(class_folders) for path in sorted(class_folders.rglob("*.mkv"))]
    rows = [f"{path},{path.parent},{path.name[:3]}" for path in paths]
    (class_folders / "clips.csv").write_text("path,label,who\n" + "\n".join(rows))
    data = {"name": "table", "path": str(class_folders / "clips.csv"), "groups": "who"}
    old = run(tmp_path / "c.sqlite", plugin, datasets=[data], attempts=[{"name": "majority"}])
    path = packed(old, tmp_path / "b.zip").path
    class_folders.rename(tmp_path / "table")
    monkeypatch.setenv("ACTIONBENCH_DATA", str(tmp_path))
    notes = []
    assert set(again(path, new, notify=notes.append)["verdict"]) == {"exact"}
    assert notes == [
        f"data set 'table': {data['path']} is not there, {tmp_path / 'table' / 'clips.csv'} is used"
    ]


@pytest.mark.parametrize(
    ("change", "checked", "message"),
    [
        (lambda m: m.update({"../evil.py": b""}), True, "the member '../evil.py' would be written outside"),
        (lambda m: m.update({"/evil.py": b""}), True, "the member '/evil.py' would be written outside"),
        (lambda m: m.update({"store/cells.json": b"{}"}), False, r"the member store/cells\.json is damaged"),
        (
            lambda m: m.update({"store/cells.json": b"{}"}),
            True,
            r"store/cells\.json is not as .* \(columns: Field required",
        ),
        (lambda m: m.pop("store/cells.json"), True, r"the member store/cells\.json is missing"),
        (
            lambda m: m.update({"store/datasets.json": b'{"columns": [], "rows": []}'}),
            True,
            r"store/cells\.json is not as .* \(0.dataset: Field required",
        ),
        (lambda m: m.update({"files/0/a/b.txt": b""}), True, r"files/0/a/b\.txt does not belong there"),
        (
            lambda m: renamed(m, "files", {"x": "../x"}),
            True,
            r"bundle\.json names \.\./x, which is no member",
        ),
        (lambda m: renamed(m, "plugins", ["/x.py"]), True, r"bundle\.json names /x\.py, which is no member"),
        (
            lambda m: m.update({"plugins/0/toy_plugin.py/x.py": b""}),
            True,
            r"b\.zip: the member plugins/0/toy_plugin\.py(/x\.py)? cannot be unpacked \(",
        ),
        (lambda m: m.update({"more.txt": b""}), True, r"the member more\.txt does not belong there"),
        (lambda m: m.pop("matrix.json"), True, r"the member matrix\.json is missing"),
        (lambda m: m.pop("checksums.json"), False, r"no bundle of actionbench, checksums\.json is missing"),
    ],
)
def test_what_is_damaged_or_foreign_is_named(made, new, change, checked, message):
    rewritten(made, change, checked=checked)
    with pytest.raises(BundleError, match=message):
        again(made, new)
    assert not new.exists()


def renamed(members, key, value):
    header = json.loads(members["bundle.json"])
    members["bundle.json"] = json.dumps(header | {key: value}).encode()


@pytest.fixture
def listed(tmp_path, class_folders):
    """A matrix whose split and one of whose attempts name files."""
    lists = tmp_path / "lists"
    for name, people in (("train/a.txt", ("ann", "bob")), ("test/a.txt", ("cem",))):
        (lists / name).parent.mkdir(parents=True)
        clips = [
            f"{label}/{person}_{n}.mkv" for label in ("dark", "light") for person in people for n in (1, 2)
        ]
        (lists / name).write_text("\n".join(clips))
    rules = lists / "mine.txt"
    rules.write_text("otherwise light\n")
    split = {"train": str(lists / "train/a.txt"), "test": str(lists / "test/a.txt")}
    data = {"name": "folder", "root": str(class_folders), "groups": "(?P<group>[a-z]+)_", "split": split}
    attempts = [{"name": "rules-file", "params": {"path": str(rules)}}, {"name": "majority"}]
    return {"datasets": [data], "attempts": attempts}


def test_lists_that_a_matrix_names_come_along(tmp_path, plugin, listed, new):
    path = packed(run(tmp_path / "l.sqlite", plugin, **listed), tmp_path / "b.zip").path
    with zipfile.ZipFile(path) as archive:
        names = sorted(name.split("/", 2)[2] for name in archive.namelist() if name.startswith("files/"))
    assert names == ["a.txt", "a.txt", "mine.txt"]
    shutil.rmtree(tmp_path / "lists")
    cells = again(path, new, only=["fold=0"])
    assert cells["attempt"].tolist() == ["majority", "rules-file (path=mine.txt)"]
    assert set(cells["verdict"]) == {"exact"}
    # The same lists in another temporary folder are the same cells.
    assert len(again(path, new)) == 2
    with Store.open(new) as opened:
        assert opened.cells()["run_id"].tolist() == [1, 1]


def test_a_net_comes_along_with_what_is_said_of_it(tmp_path, plugin, new):
    (tmp_path / "nets").mkdir()
    net = averaging_net(tmp_path / "nets/grid.onnx")
    attempts = [{"name": "embedding", "params": {"file": str(net), "probe": "prototype"}}]
    path = packed(run(tmp_path / "n.sqlite", plugin, attempts=attempts), tmp_path / "b.zip").path
    shutil.rmtree(tmp_path / "nets")
    cells = again(path, new, only=["fold=0"])
    assert cells["attempt"].tolist() == ["embedding (file=grid.onnx, probe=prototype)"]
    assert set(cells["verdict"]) == {"exact"}


def test_a_data_set_is_asked_for_by_its_very_title(tmp_path, plugin, new):
    """A bracket in it is no pattern."""
    titles = ("toys [1]", "toys [2]", "else")
    data = [{"name": "toy-data", "people": 2, "title": title} for title in titles]
    path = packed(run(tmp_path / "t.sqlite", plugin, datasets=data), tmp_path / "b.zip").path
    cells = again(path, new, only=["dataset=toys [1]", "dataset=e*"])
    assert set(cells["dataset"]) == {"toys [1]", "else"}


def test_a_list_that_has_changed_since_is_not_bundled(tmp_path, plugin, listed):
    old, mine = run(tmp_path / "l.sqlite", plugin, **listed), tmp_path / "lists/mine.txt"
    mine.write_text("otherwise dark\n")
    with pytest.raises(BundleError, match=r"mine\.txt: has changed since the run; run the matrix again"):
        packed(old, tmp_path / "b.zip")
    mine.unlink()
    with pytest.raises(BundleError, match=r"mine\.txt: this file of the run is gone"):
        packed(old, tmp_path / "b.zip")


def tables_of(store):
    with closing(sqlite3.connect(store)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


def test_a_bundle_holds_all_rows_of_a_store_of_one_run(tmp_path, plugin):
    old = run(
        tmp_path / "all.sqlite",
        plugin,
        datasets=[{"name": "toy-data", "people": 2}, {"name": "toy-data", "people": 2, "title": "twin"}],
        attempts=[{"name": "nearest", "params": {"mode": ["good", "raising", "skip"]}}, {"name": "majority"}],
        seeds=[0, 1],
    )
    with Store.open(old) as opened:
        opened.add_thumbnails(1, {3: b"RIFF"})
        opened.keep_unreadable("f", {"a clip": "it is broken"})
    before = tables_of(old)
    assert set(before) == {*BUNDLED, "predictions", "audits", "unreadable"}
    assert all(before.values())
    written = packed(old, tmp_path / "b.zip")
    assert written.n_thumbnails == 1
    with open_results(written.path) as opened:
        after = tables_of(opened.path)
    # What was found of the data is said by the data sets; whoever runs again finds it again.
    assert after.pop("audits") == after.pop("unreadable") == []
    assert after == {name: before[name] for name in after}
    assert not opened.path.exists()


def test_runs_that_made_cells_before_come_along_and_later_ones_do_not(tmp_path, plugin):
    old = run(tmp_path / "three.sqlite", plugin, only=["fold=0"], end=False)
    run(old, plugin)
    run(old, plugin, attempts=[{"name": "nearest"}, {"name": "chance"}])
    with Store.open(old) as opened:
        path = write_bundle(opened, tmp_path / "b.zip", run=2).path
    with open_results(path) as opened:
        assert opened.runs()["id"].tolist() == [1, 2]
        assert opened.cells()[["attempt", "run_id", "last_run_id"]].to_numpy().tolist() == [
            ["nearest", 1, 2],
            ["nearest", 2, 2],
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update({"store/nothing.json": b'{"columns": ["a"], "rows": []}'}), "has no column 'a'"),
        (
            lambda m: m.update({"store/clips.json": m["store/clips.json"].replace(b'"clip"', b'"clap"')}),
            "the table clips has no column 'clap'",
        ),
        (lambda m: m.update({"store/runs.json": b'{"columns": ["id"], "rows": []}'}), "FOREIGN KEY"),
        (
            lambda m: m.update({"store/machines.json": b'{"columns": ["id"], "rows": [[1, 2]]}'}),
            "holds no res",
        ),
        (
            lambda m: m.update({"store/clips.json": b'{"columns": ["clip"], "rows": [[]]}'}),
            "holds no results",
        ),
        (
            lambda m: m.update({"store/machines.json": b'{"columns": ["id"], "rows": [[%d]]}' % 2**70}),
            "holds no results",
        ),
        (lambda m: renamed(m, "format", 2), r"bundle\.json is not as this actionbench writes it \(format: "),
        (
            lambda m: [m.pop(name) for name in list(m) if name.startswith("predictions/")],
            "predictions/.* holds no predictions",
        ),
    ],
)
def test_results_that_do_not_fit_together_are_refused(made, change, message):
    rewritten(made, change)
    with pytest.raises(BundleError, match=message), open_results(made):
        pass


def test_damaged_bytes_and_other_files(made, tmp_path):
    content = bytearray(made.read_bytes())
    place = content.index(b"plugins/0/toy_plugin.py") + 200
    content[place] ^= 0xFF
    made.write_bytes(content)
    with pytest.raises(BundleError, match=r"the member plugins/0/toy_plugin\.py is damaged"):
        Bundle.open(made)
    made.write_bytes(b"no zip")
    with pytest.raises(BundleError, match=r"b\.zip: is damaged or no bundle"):
        Bundle.open(made)
    with pytest.raises(BundleError, match="there is no bundle"):
        Bundle.open(tmp_path / "gone.zip")


@pytest.mark.parametrize(
    ("entry", "at", "value"),
    [(b"PK\1\2", 6, 255), (b"PK\1\2", 9, 8), (b"PK\1\2", 46, 0xFF), (b"PK\5\6", 16, 0xFF)],
    ids=["version", "said to be UTF-8", "name", "place of the directory"],
)
def test_a_damaged_directory(made, entry, at, value):
    content = bytearray(made.read_bytes())
    place = content.index(entry) + at
    content[place] = value
    # A name that is not UTF-8 though it is said to be.
    if at == 9:
        content[place - 9 + 46] = 0xFF
    made.write_bytes(content)
    with pytest.raises(BundleError, match=r"b\.zip: "):
        Bundle.open(made)


def test_a_member_that_stands_there_twice(made):
    with zipfile.ZipFile(made, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("matrix.json", b"{}")
    with pytest.raises(BundleError, match=r"the member matrix\.json does not belong there"):
        Bundle.open(made)


def test_what_is_too_large_is_neither_unpacked_nor_written(made, store, monkeypatch):
    before, files = made.read_bytes(), sorted(made.parent.iterdir())
    monkeypatch.setattr(bundle_module, "MAX_MEMBER_BYTES", 100)
    with pytest.raises(BundleError, match="is too large"):
        Bundle.open(made)
    with pytest.raises(BundleError, match=r"b\.zip: the member .* is too large"):
        packed(store, made)
    assert (made.read_bytes(), sorted(made.parent.iterdir())) == (before, files)


def test_what_is_no_bundle_is_not_replaced(store, made):
    before = store.read_bytes()
    with pytest.raises(BundleError, match=r"s\.sqlite: is there and no bundle"):
        packed(store, store)
    assert store.read_bytes() == before
    assert packed(store, made).path == made


def test_runs_that_are_not_there_and_stores_without_results(store, tmp_path, plugin):
    with Store.open(store) as opened, pytest.raises(StoreError, match="there is no run 7; there are 1"):
        write_bundle(opened, tmp_path / "b.zip", run=7)
    with Store.open(store) as opened, pytest.raises(BundleError, match="the folder .* does not exist"):
        write_bundle(opened, tmp_path / "gone" / "b.zip")
    failed = run(tmp_path / "f.sqlite", plugin, attempts=[{"name": "nearest", "params": {"mode": "raising"}}])
    with pytest.raises(StoreError, match="run 1 has no finished cells to bundle"):
        packed(failed, tmp_path / "b.zip")


def test_differences_of_the_environment():
    before = {"python": "3.11.1", "instruction_set": "avx2", "packages": {"numpy": "1", "av": "2"}}
    now = {"python": "3.12.0", "instruction_set": "avx2", "packages": {"numpy": "2"}}
    assert differences(before, now) == [
        "Python: was 3.11.1, is 3.12.0",
        "numpy: was 1, is 2",
        "av: was 2, is not installed",
    ]
    assert differences(before, before) == []


def test_clips_that_were_left_out_are_left_out_again(tmp_path, plugin, class_folders):
    (class_folders / "dark" / "ann_2.mkv").write_bytes(b"no video")
    entry = {
        "name": "folder",
        "root": str(class_folders),
        "groups": "^(?P<group>[a-z]+)_",
        "on_error": "drop",
    }
    old = run(tmp_path / "old.sqlite", plugin, datasets=[entry])
    written = packed(old, tmp_path / "b.zip")
    found = again(written.path, tmp_path / "new.sqlite")
    assert set(found["verdict"]) == {"exact"}
    assert found["n_test"].sum() == 11
