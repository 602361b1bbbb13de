"""By class, by group, and what is taken for what, against counting."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from actionbench.reports.analysis.breakdown import by_class, by_group, confusions, long_form
from actionbench.reports.analysis.results import gather


def counted(result, kinds):
    """The share of right predictions of each kind, clip by clip and seed by seed."""
    found = {}
    for kind in dict.fromkeys(kinds):
        mine = [
            np.mean(result.correct[(result.positions == clip) & (kinds == kind)])
            for clip in np.unique(result.positions[kinds == kind])
        ]
        found[kind] = np.mean(mine)
    return found


def test_shares_are_those_of_the_clips(usual):
    results = gather(usual.store)
    classes, groups = by_class(results).accuracy, by_group(results).accuracy
    assert list(classes.columns) == ["box", "clap", "run", "walk"]
    assert list(groups.columns) == list("abcdef")
    for result in results:
        labels = np.array(result.classes)[result.truth]
        for table, kinds in ((classes, labels), (groups, result.groups)):
            for kind, share in counted(result, kinds).items():
                assert np.isclose(table.loc[result.attempt, kind], share)


def test_what_was_not_predicted_is_not_known(usual):
    usual.attempt("late", usual.labels, fail=[0])
    groups = by_group(gather(usual.store))
    assert all(np.isnan(values.loc["late", "a"]) for values in groups)
    assert groups.accuracy.loc["late", "b"] == 1
    expected = binomtest(12, 12).proportion_ci(method="wilson")
    assert groups.low.loc["late", "b"] == pytest.approx(expected.low)
    assert groups.high.loc["late", "b"] == pytest.approx(expected.high)
    rows = long_form(gather(usual.store), groups, "group")
    assert list(rows) == ["dataset", "split", "attempt", "group", "accuracy", "accuracy_low", "accuracy_high"]
    assert len(rows) == 5 * 6 - 1
    assert (rows["accuracy_low"] <= rows["accuracy"]).all()
    assert (rows["accuracy"] <= rows["accuracy_high"]).all()


def test_groups_are_in_the_order_of_the_numbers_in_their_names(bench):
    names = [f"{where}{n}" for where in ("person ", "") for n in (10, 1, 9, 2)]
    made = bench().dataset(["a", "b"] * 8, np.repeat(names, 2))
    found = by_group(gather(made.attempt("one", made.labels).store)).accuracy
    assert list(found.columns) == ["1", "2", "9", "10", "person 1", "person 2", "person 9", "person 10"]


def test_confusions_are_the_pairs_that_occurred(usual):
    for result in gather(usual.store):
        found = confusions(result)
        names = np.array(result.classes)
        pairs = pd.DataFrame(
            {"label": names[result.truth], "predicted_as": names[result.predicted]}
        ).value_counts()
        assert dict(
            zip(zip(found["label"], found["predicted_as"], strict=True), found["n_predictions"], strict=True)
        ) == (pairs.to_dict())
        assert np.allclose(found.groupby("label")["share"].sum(), 1)
