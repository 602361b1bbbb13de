import numpy as np
import pandas as pd
import pytest

import actionbench
from actionbench.errors import ActionbenchError, DataError, StoreError
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.sharing.external import read_cells
from actionbench.experiments.store import Store
from actionbench.reports.analysis.columns import MEASURED, NAMES

ENTRY = {"name": "figures", "subjects": 3, "clips_per_subject": 1, "frames": 8}
MATRIX = {
    "name": "m",
    "seeds": [0, 1],
    "thumbnails": False,
    "datasets": [{**ENTRY, "split": "leave-one-group-out"}],
    "attempts": [{"name": "chance"}, {"name": "majority"}, {"name": "rules-hand"}],
}
# What an import does not know; medians and sizes are costs as well.
UNKNOWN = {*MEASURED, "family", "origin", "warnings", "n_parameters", "operations", "size_mib"}
UNKNOWN |= {"n_rules", "n_conditions", "n_quantities", "n_epochs"}


def planned(split="leave-one-group-out"):
    """Return the data set with the folds of a split."""
    matrix = {**MATRIX, "attempts": [{"name": "chance"}], "datasets": [{**ENTRY, "split": split}]}
    return make_plan(read_matrix(matrix)).datasets[0]


DATA = planned()
CLIPS, LABELS = DATA.dataset.table["clip"].to_list(), DATA.dataset.labels.tolist()
CLASSES = DATA.dataset.classes
RIGHT = pd.DataFrame({"clip": CLIPS, "label": LABELS})


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A store of three attempts."""
    store = tmp_path_factory.mktemp("ran") / "ran.sqlite"
    actionbench.run(MATRIX, store=store, workers=1)
    return store


def cells(table, data=DATA):
    return read_cells(table, "p.csv", data, attempt="mine")


def faults(table, data=DATA):
    with pytest.raises(DataError) as refused:
        cells(table, data)
    assert all(fault.startswith("p.csv: ") for fault in refused.value.args)
    return [fault.removeprefix("p.csv: ") for fault in refused.value.args]


def test_the_table_survives_a_round_trip(ran, tmp_path):
    """Ranks, ties and intervals of what was exported are those of what was run."""
    store, path = tmp_path / "empty.sqlite", tmp_path / "p.csv"
    actionbench.predictions(ran).to_csv(path, index=False)
    found = actionbench.import_predictions(path, MATRIX["datasets"][0], store=store)
    before, after = actionbench.table(ran), actionbench.table(store)
    pd.testing.assert_frame_equal(found, after)
    known = [name for name in NAMES if name not in UNKNOWN]
    pd.testing.assert_frame_equal(after[known], before[known])
    assert set(after["origin"]) == {"external"}
    pd.testing.assert_frame_equal(actionbench.predictions(store), actionbench.predictions(ran))


def test_imported_rows_are_beside_those_that_ran(ran, tmp_path):
    """Whatever runs later, they stay; costs are not measured, and the page and the export have them."""
    store = tmp_path / "s.sqlite"
    with Store.open(ran) as opened:
        opened.connection.execute("VACUUM INTO ?", (str(store),))
    before = actionbench.table(store)
    found = actionbench.import_predictions(LABELS, ENTRY, attempt="oracle", clips=CLIPS, store=store)
    assert found[["accuracy", "origin", "family"]].to_numpy().tolist() == [[1.0, "external", "external"]]
    assert np.isnan(found["calibration_error"][0])
    again = actionbench.run(MATRIX, store=store, workers=1)
    pd.testing.assert_series_equal(again["accuracy"], before["accuracy"])
    # What an import has cost tells nothing of cells that are to run.
    left = actionbench.plan({**MATRIX, "seeds": [7]}, store=store).attrs["seconds"]
    assert left == actionbench.plan({**MATRIX, "seeds": [7]}, store=ran).attrs["seconds"]
    table = actionbench.table(store)
    assert table["attempt"].tolist()[0] == "oracle"
    assert len(table) == len(before) + 1
    files = {path.name: path for path in actionbench.report(store, tmp_path / "report")}
    assert "not measured" in files["index.html"].read_text()
    assert "not measured" in files["table.md"].read_text()
    assert pd.read_csv(files["table.csv"]).set_index("attempt")["origin"]["oracle"] == "external"
    verdicts = actionbench.compare(ran, store).set_index("attempt")["verdict"]
    assert set(verdicts[verdicts.index != "oracle"]) == {"identical"}


def test_scores_are_kept_where_they_are_probabilities():
    scores = np.random.default_rng(0).dirichlet(np.ones(len(CLASSES)), len(CLIPS))
    table = pd.DataFrame(scores, columns=CLASSES).assign(clip=CLIPS).sample(frac=1, random_state=0)
    found = cells(table)
    assert [cell.fold_name for cell in found] == [fold.name for fold in DATA.folds]
    for cell, fold in zip(found, DATA.folds, strict=True):
        np.testing.assert_array_equal(cell.positions, fold.test)
        np.testing.assert_array_equal(cell.probabilities, scores[fold.test])
        assert list(cell.warnings) == ["external"]
    logits = cells(table.assign(**{name: 20 * table[name] - 7 for name in CLASSES}))
    for cell, fold in zip(logits, DATA.folds, strict=True):
        expected = np.eye(len(CLASSES))[scores[fold.test].argmax(axis=1)]
        np.testing.assert_array_equal(cell.probabilities, expected)
        assert "no-probabilities" in cell.warnings


def test_costs_may_be_given():
    numbers = np.arange(len(CLIPS), dtype=float)
    found = cells(RIGHT.assign(fit_seconds=2.5, predict_seconds=numbers, n_parameters=1000))
    for cell, fold in zip(found, DATA.folds, strict=True):
        assert (cell.fit_seconds, cell.n_parameters) == (2.5, 1000)
        assert cell.predict_seconds == numbers[fold.test].sum()
        assert cell.peak_memory_bytes is None


def test_folds_are_named_or_numbered():
    by_fold = [next(n for n, fold in enumerate(DATA.folds) if i in fold.test) for i in range(len(CLIPS))]
    plain = cells(RIGHT)
    for folds in (by_fold, [DATA.folds[number].name for number in by_fold]):
        assert [cell.key for cell in cells(RIGHT.assign(fold=folds))] == [cell.key for cell in plain]


def test_groups_may_be_called_by_other_numbers_than_folds():
    """Of two readings that are possible the one that fits is meant."""
    from dataclasses import replace

    names = ["1", "2", "0"]
    folds = [replace(fold, name=name) for fold, name in zip(DATA.folds, names, strict=True)]
    data = replace(DATA, folds=folds)
    number = {i: n for n, fold in enumerate(folds) for i in fold.test}
    for written in ([number[i] for i in range(len(CLIPS))], [names[number[i]] for i in range(len(CLIPS))]):
        assert len(cells(RIGHT.assign(fold=written), data)) == 3


def test_several_seeds_and_attempts():
    table = pd.concat([RIGHT.assign(seed=seed, attempt=attempt) for seed in (3, 5) for attempt in ("a", "b")])
    found = cells(table)
    assert len({cell.key for cell in found}) == len(found) == 4 * len(DATA.folds)
    assert {(cell.attempt, cell.seed) for cell in found} == {("a", 3), ("a", 5), ("b", 3), ("b", 5)}


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda t: t.drop(columns="clip"), ["has no column 'clip'; it has label"]),
        (
            lambda t: t.drop(columns="label"),
            ["has no predictions; they must be in a column 'label' or in a column"],
        ),
        (
            lambda t: t.assign(sede=0),
            ["has an unknown column 'sede', which is no class; did you mean 'seed'?"],
        ),
        (lambda t: t.assign(boxing=1.0), ["has no column with the scores of the class 'handclapping'"]),
        (lambda t: t.iloc[1:], ["attempt 'mine', seed 0, fold 'person01': 1 of 6 clips are not predicted"]),
        (
            lambda t: pd.concat([t, t.iloc[:1]]),
            ["fold 'person01': 1 of 6 clips are predicted twice, the first is 'person01/boxing_1'"],
        ),
        (
            lambda t: t.assign(clip=[*CLIPS[:-1], "person03/wakling_1"]),
            ["1 of 18 names mean no clip of the data set, the first is 'person03/wakling_1'; did you mean"],
        ),
        (
            lambda t: t.assign(clip=[*CLIPS[:-1], "walking_1"]),
            ["1 of 18 names mean several clips of the data set, the first is 'walking_1'"],
        ),
        (
            lambda t: t.assign(label="boxng"),
            ["the data set has no class 'boxng', which is in the column 'label'"],
        ),
        (
            lambda t: t.assign(group="person01"),
            ["the group differs from that of the data set in 12 of 18 rows"],
        ),
        (
            lambda t: t.assign(predicted=t["label"], label="boxing"),
            ["the label differs from that of the data set in 15 of 18 rows"],
        ),
        (
            lambda t: t.assign(fold="person01"),
            ["fold 'person01' does not test what it predicts in 12 of 18 rows", "must not predict it"],
        ),
        (lambda t: t.assign(fold=9), ["the split has no fold '9'; it must be a number from 0 to 2 or"]),
        (
            lambda t: t.assign(seed=-1),
            ["'seed' must be an integer from 0 to 4294967295; it is not in 18 of 18"],
        ),
        (lambda t: t.assign(attempt=""), ["the column 'attempt' is empty in 18 of 18 rows"]),
        (lambda t: t.assign(fit_seconds=-1.0), ["'fit_seconds' must be a finite number, 0 or more"]),
        (
            lambda t: t.assign(fit_seconds=range(18)),
            [f"fold 'person0{n}': 'fit_seconds' must be the same for all its clips" for n in (1, 2, 3)],
        ),
        (
            lambda t: t.assign(predict_seconds=[np.nan, *range(17)]),
            ["fold 'person01': 'predict_seconds' must be given for each clip or for none"],
        ),
        (
            lambda t: t.assign(**dict.fromkeys(CLASSES, np.inf)),
            ["the score of each class must be a finite number; it is not in 18 of 18 rows"],
        ),
        (
            lambda t: t.assign(**{name: float(name == "boxing") for name in CLASSES}),
            ["'label' is not the class of the largest score in 15 of 18 rows"],
        ),
        (
            lambda t: t.assign(label="boxng", clip=["x", *CLIPS[1:]], seed=-1, fit_seconds="much"),
            ["'x'", "'seed' must be", "no class 'boxng'", "'fit_seconds' must be"],
        ),
    ],
)
def test_all_faults_are_named_at_once(change, messages):
    found = faults(change(RIGHT.copy()))
    for message in messages:
        assert any(message in fault for fault in found), found


def test_a_clip_that_several_folds_test_needs_a_fold(tmp_path):
    own = [RIGHT.iloc[fold.test] for fold in DATA.folds]
    sides = {"train-a": own[:2], "test-a": own[2:], "train-b": own[:1], "test-b": own[1:]}
    for name, parts in sides.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(pd.concat(parts)["clip"]))
    lists = {side: [str(tmp_path / f"{side}-{name}.txt") for name in "ab"] for side in ("train", "test")}
    data = planned({"name": "official", **lists})
    assert faults(RIGHT, data) == [
        "no fold of the split tests what is predicted in 6 of 18 rows, the first of clip 'person01/boxing_1'",
        "several folds test what is predicted in 6 of 18 rows, the first of clip 'person03/boxing_1'; a column 'fold' "
        "must name them",
    ]
    rows = pd.concat([own[2].assign(fold="test-a"), pd.concat(own[1:]).assign(fold="test-b")])
    assert [(cell.fold_name, cell.n_test) for cell in cells(rows, data)] == [("test-a", 6), ("test-b", 12)]


def test_an_import_does_not_change_what_is_there(ran, tmp_path):
    store = tmp_path / "s.sqlite"
    options = {"clips": CLIPS, "store": store, "attempt": "mine"}
    actionbench.import_predictions(LABELS, ENTRY, **options)
    before = actionbench.predictions(store)
    actionbench.import_predictions(LABELS, ENTRY, **options)
    other = [*LABELS[:-1], "boxing"]
    with pytest.raises(
        StoreError, match="'mine' on 'figures' .* is already there with other values in 1 cells"
    ):
        actionbench.import_predictions(other, ENTRY, **options)
    pd.testing.assert_frame_equal(actionbench.predictions(store), before)
    found = actionbench.import_predictions(other, ENTRY, **options, replace=True)
    assert found["accuracy"].tolist() == [pytest.approx(17 / 18)]
    with pytest.raises(
        StoreError, match="has run an attempt 'chance' on 'figures' under 'leave-one-group-out'"
    ):
        actionbench.import_predictions(LABELS, ENTRY, clips=CLIPS, store=ran, attempt="chance")


def test_a_run_does_not_hide_what_was_imported(tmp_path):
    store = tmp_path / "s.sqlite"
    actionbench.import_predictions(LABELS, ENTRY, clips=CLIPS, store=store, attempt="chance")
    with pytest.raises(StoreError, match="predictions of an attempt 'chance' on 'figures' .* were imported"):
        actionbench.run(MATRIX, store=store, workers=1)
    assert actionbench.table(store)["accuracy"].tolist() == [1.0]


def test_a_bundle_holds_what_was_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    actionbench.import_predictions(LABELS, ENTRY, clips=CLIPS, store="s.sqlite", attempt="mine")
    bundle = actionbench.bundle("s.sqlite", "b.zip")
    pd.testing.assert_frame_equal(actionbench.table(bundle), actionbench.table("s.sqlite"))
    with pytest.raises(
        ActionbenchError, match=r"b\.zip: holds imported predictions, which cannot be run again"
    ):
        actionbench.reproduce(bundle)


def test_rows_of_other_data_sets_are_not_for_this_one(tmp_path):
    store = tmp_path / "s.sqlite"
    both = pd.concat([RIGHT.assign(dataset=name) for name in ("figures", "other")])
    found = actionbench.import_predictions(both, ENTRY, store=store, attempt="mine")
    assert found["n_clips"].tolist() == [len(CLIPS)]
    with pytest.raises(DataError, match="predictions: has no rows for 'figures' under 'leave-one-group-out'"):
        actionbench.import_predictions(RIGHT.assign(dataset="other"), ENTRY, store=store, attempt="mine")
    two = {**MATRIX, "datasets": [{**MATRIX["datasets"][0], "title": title} for title in "ab"]}
    path = tmp_path / "m.toml"
    path.write_text(
        'name = "m"\n[[attempts]]\nname = "chance"\n'
        + "".join(
            f'[[datasets]]\nname = "figures"\ntitle = "{entry["title"]}"\nsubjects = 3\nclips_per_subject = 1\n'
            'frames = 8\nsplit = "leave-one-group-out"\n'
            for entry in two["datasets"]
        )
    )
    with pytest.raises(
        DataError, match="must have a column 'dataset', for there are 'a' under .* and 'b' under"
    ):
        actionbench.import_predictions(RIGHT, path, store=store, attempt="mine")
    named = pd.concat([RIGHT.assign(dataset=title) for title in "ab"])
    found = actionbench.import_predictions(named, path, store=store, attempt="mine")
    assert found["dataset"].tolist() == ["a", "b", "figures"]


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        (LABELS, {"clips": CLIPS}, "attempt: must be the name that the predictions have in tables"),
        (LABELS, {"clips": "list.txt", "attempt": "a"}, "clips: beside an array it must be a list of names"),
        ("p.csv", {"clips": CLIPS}, "clips: beside a file it must be a file with a clip in each line"),
    ],
)
def test_wrong_calls_are_refused(tmp_path, predictions, options, message):
    with pytest.raises(ActionbenchError, match=message):
        actionbench.import_predictions(predictions, ENTRY, store=tmp_path / "s.sqlite", **options)
    assert not (tmp_path / "s.sqlite").exists()
