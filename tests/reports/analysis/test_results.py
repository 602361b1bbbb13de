"""What is read from the store."""

import numpy as np
import pytest

from actionbench.reports.analysis.pairs import pairs
from actionbench.reports.analysis.results import gather, unfinished


def test_predictions_meet_their_clips(bench):
    toy = bench().dataset(["b", "a", "b", "a"], ["y", "x", "x", "y"])
    toy.attempt("one", [1, 0, 0, 0]).attempt("two", [0, 1, 0, 1], seed=3)
    one, two = gather(toy.store)
    assert one.name == ("toy", "leave-one-group-out", "one")
    # Group x comes first: clips 1 and 2, then 0 and 3.
    np.testing.assert_array_equal(one.positions, [1, 2, 0, 3])
    np.testing.assert_array_equal(one.truth, [0, 1, 1, 0])
    np.testing.assert_array_equal(one.predicted, [0, 0, 1, 0])
    np.testing.assert_array_equal(one.groups, ["x", "x", "y", "y"])
    assert one.correct.mean() == 0.75
    assert two.correct.mean() == 0
    assert set(two.seeds) == {3}


def test_clips_weigh_the_same_however_often_predicted(bench):
    toy = bench().dataset(["b", "a", "b", "a"], ["y", "x", "x", "y"])
    toy.attempt("one", [1, 0, 0, 0]).attempt("one", [1, 0, 0, 0], seed=1, fail=[0])
    (one,) = gather(toy.store)
    assert one.weights.sum() == 4
    assert not one.complete
    assert (len(one.done), len(one.failed), len(one.skipped)) == (3, 1, 0)


def test_columns_are_those_of_the_cells_that_finished(bench):
    toy = bench().dataset(["b", "a", "b", "a"], ["y", "x", "x", "y"])
    toy.attempt("one", [1, 0, 0, 0]).attempt("one", [1, 0, 0, 0], seed=1, fail=[0]).attempt("two", [0] * 4)
    one, two = gather(toy.store)
    stored = toy.store.cells()
    for result in (one, two):
        own = stored[stored["attempt"] == result.attempt]
        assert result.cells["key"].tolist() == own["key"].tolist()
        finished = own[own["status"] == "done"]
        for name in ("key", "seed", "fold", "fit_seconds", "n_test"):
            assert result.column(name).tolist() == result.done[name].tolist() == finished[name].tolist()


def test_an_attempt_without_predictions_is_there(bench):
    toy = bench().dataset(["b", "a"], ["y", "x"])
    toy.attempt("broken", [0, 0], fail=[0, 1]).attempt("unfit", [0, 0], fail=[0, 1], status="skipped")
    broken, unfit = gather(toy.store)
    assert len(broken.positions) == len(unfit.positions) == 0
    assert (len(broken.failed), len(unfit.skipped)) == (2, 2)


@pytest.mark.parametrize("folds", [((0, 1), (2, 3)), ((0, 1, 2), (1, 2, 3)), ((0, 1, 2, 3), (0, 1, 2))])
def test_whoever_lacks_a_fold_that_another_has_is_not_complete(bench, folds):
    toy = bench().dataset(["b", "a"] * 4, list("wwxxyyzz"))
    for name, own in zip(("one", "two"), folds, strict=True):
        toy.attempt(name, toy.labels, folds=own)
    results = gather(toy.store)
    assert [result.complete for result in results] == [len(own) == 4 for own in folds]
    assert {result.n_expected for result in results} == {8}
    # They are not compared on the clips that happen to be in both.
    assert pairs(results).empty


def test_an_empty_store_has_no_results(bench):
    assert gather(bench().store) == []


def test_a_class_without_clips_keeps_its_column(bench):
    toy = bench().dataset(["c", "c"], ["x", "y"], classes=["a", "b", "c"]).attempt("one", [2, 1])
    (one,) = gather(toy.store)
    np.testing.assert_array_equal(one.truth, [2, 2])
    np.testing.assert_array_equal(one.predicted, [2, 1])


def test_a_run_has_not_finished_until_one_of_the_same_matrix_has(bench):
    store = bench(name="one").store
    store.begin_run("two", {"name": "two"}, {})
    assert unfinished(store) == ["Run 1 (one) has not finished.", "Run 2 (two) has not finished."]
    store.end_run(2)
    assert unfinished(store) == ["Run 1 (one) has not finished."]
    store.end_run(store.begin_run("one", {"name": "one", "seeds": [0]}, {}))
    assert unfinished(store) == []
    store.begin_run("one", {"name": "one", "seeds": [0]}, {})
    assert unfinished(store) == ["Run 4 (one) has not finished."]
