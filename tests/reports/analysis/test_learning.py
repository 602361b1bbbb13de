from itertools import product

import numpy as np
import pytest

from actionbench.reports.analysis.learning import CROSSING_COLUMNS, CURVE_COLUMNS, crossings, learning_curves
from actionbench.reports.analysis.results import gather
from actionbench.reports.rendering.report import write_report
from actionbench.reports.rendering.verdict import verdict


def right_first(labels, groups, n_right):
    """Return predictions of which the first ``n_right`` of each group are right."""
    predicted = (labels + 1) % 2
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)[:n_right]
        predicted[rows] = labels[rows]
    return predicted


def groups_of_ten(bench, n):
    """Return a bench of groups of ten clips of two classes."""
    return bench().dataset(["box", "run"] * (5 * n), np.repeat(np.arange(n).astype(str), 10))


@pytest.fixture
def grown(bench):
    """Twelve groups of ten clips; features learn soon, a net late, a third attempt ran with all groups only."""
    made = groups_of_ten(bench, 12)
    curves = {"features": {2: 6, 4: 7, 11: 7}, "net": {2: 3, 4: 7, 11: 9}}
    for base, curve in curves.items():
        for n_groups, n_right in curve.items():
            name = base if n_groups == 11 else f"{base} (train_groups={n_groups})"
            predicted = right_first(made.labels, made.groups, n_right)
            made.attempt(name, predicted, base=base, n_train_groups=n_groups)
    made.attempt("other", made.labels, n_train_groups=11)
    return made.end()


def test_curves(grown):
    table = learning_curves(gather(grown))
    assert list(table.columns) == CURVE_COLUMNS
    assert set(table["attempt"]) == {"features", "net"}
    found = table.set_index(["attempt", "train_groups"])["accuracy"]
    assert found.to_dict() == pytest.approx(
        {
            ("features", 2): 0.6,
            ("features", 4): 0.7,
            ("features", 11): 0.7,
            ("net", 2): 0.3,
            ("net", 4): 0.7,
            ("net", 11): 0.9,
        }
    )
    assert (table["accuracy_low"] <= table["accuracy"]).all()
    assert (table["n_clips"] == 120).all()
    assert (table["n_groups"] == 12).all()


def test_the_net_beats_the_features_from_some_number_on(grown):
    table = crossings(gather(grown))
    assert list(table.columns) == CROSSING_COLUMNS
    row = table.iloc[0]
    assert len(table) == 1
    assert (row["attempt"], row["against"]) == ("net", "features")
    # With 4 groups they are equal, with 11 every group agrees, so that no draw says otherwise.
    assert (row["train_groups"], row["low"], row["high"]) == (11, 11, 11)
    assert row["difference"] == pytest.approx(0.2)


def test_where_test_groups_disagree_the_crossing_is_uncertain(bench):
    made = groups_of_ten(bench, 6)
    few, many = right_first(made.labels, made.groups, 5), right_first(made.labels, made.groups, 5)
    # With many training groups the net is better by much for one test group, and worse by little for the others.
    many[made.groups == made.groups[0]] = made.labels[made.groups == made.groups[0]]
    worse = np.flatnonzero((made.groups != made.groups[0]) & (many == made.labels))
    many[worse[::10]] = (made.labels[worse[::10]] + 1) % 2
    for base, predictions in {"features": (few, few), "net": (few, many)}.items():
        for n_groups, predicted in zip((2, 5), predictions, strict=True):
            made.attempt(f"{base} (train_groups={n_groups})", predicted, base=base, n_train_groups=n_groups)
    row = crossings(gather(made.end())).iloc[0]
    assert row["train_groups"] == row["low"] == 5
    assert row["high"] == np.inf
    assert row["difference_low"] < 0 < row["difference_high"]


def test_equals_beat_each_other_nowhere_though_tenths_do_not_add_up(bench):
    made = bench().dataset(["a", "b"] * 3, list("xxyyzz"))
    for seed, n_groups in product(range(10), (2, 4)):
        for base, right in (("one", [0] if seed < 3 else []), ("two", [0, 2, 4] if seed == 0 else [])):
            predicted = 1 - made.labels
            predicted[right] = made.labels[right]
            made.attempt(f"{base} {n_groups}", predicted, seed=seed, base=base, n_train_groups=n_groups)
    assert crossings(gather(made.store)).empty


def test_nothing_to_say_without_an_axis(bench):
    made = groups_of_ten(bench, 3)
    made.attempt("rules", made.labels)
    results = gather(made.end())
    assert learning_curves(results).empty
    assert list(crossings(results).columns) == CROSSING_COLUMNS
    assert crossings(results).empty


def test_a_report_holds_curves_and_crossings(grown, tmp_path):
    names = {path.name for path in write_report(grown, tmp_path)}
    assert {"learning.csv", "crossings.csv"} <= names
    assert (
        (tmp_path / "crossings.csv")
        .read_text()
        .splitlines()[1]
        .startswith("toy,leave-one-group-out,net,features,11.0,")
    )


def test_the_verdict_compares_what_learned_from_all_groups(grown):
    results = sorted(gather(grown), key=lambda result: -result.correct.mean())
    words = str(verdict(results))
    assert "other is the most accurate on toy" in words
    assert "significantly less accurate than other" in words
    assert "train_groups" not in words
    limited = [result for result in results if result.attempt != result.base]
    assert "train_groups" in str(verdict(limited))
