"""Verdicts on two stores."""

from statistics import mean

import numpy as np
import pytest

from actionbench.reports.analysis.comparison import COLUMNS, compare, paired_difference
from actionbench.reports.analysis.results import gather
from actionbench.reports.analysis.tables import comparison_table

LABELS, GROUPS = ["a", "b"] * 40, np.repeat(list("stuvwxyz"), 10)
TRUTH = np.array([0, 1] * 40)


def wrong(*places):
    predicted = TRUTH.copy()
    predicted[list(places)] = 1 - predicted[list(places)]
    return predicted


@pytest.fixture
def pair(bench):
    """Compare two stores made of keyword arguments for `Bench.attempt`."""

    def make(old, new, margin=0.0, **facts):
        stores = []
        for attempts in (old, new):
            made = bench().dataset(LABELS, GROUPS, **(facts if attempts is new else {}))
            for attempt in attempts:
                made.attempt(**{"name": "one", **attempt})
            stores.append(made.store)
        return compare(*stores, margin=margin)

    return make


def verdict(table):
    (row,) = table.to_dict("records")
    return row["verdict"], row


EVERY_GROUP = range(0, 80, 10)


def test_worse_in_every_group_is_worse_and_the_other_way_better(pair):
    good, bad = [{"predicted": TRUTH}], [{"predicted": wrong(*EVERY_GROUP)}]
    found, row = verdict(pair(good, bad))
    assert found == "worse"
    assert row["difference"] == pytest.approx(-0.1)
    assert row["p_value"] == 2 / 2**8
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    found, row = verdict(pair(bad, good))
    assert (found, row["difference"]) == ("better", pytest.approx(0.1))


def test_all_in_one_group_is_no_evidence(pair):
    found, row = verdict(pair([{"predicted": TRUTH}], [{"predicted": wrong(*range(10))}]))
    assert found == "no evidence"
    assert row["p_value"] == 1
    assert row["difference_low"] < -0.1
    assert "Too few groups" in row["reason"]


def test_the_same_predictions_are_identical_without_an_interval(pair):
    both = ["difference_low", "difference_high"]
    found, row = verdict(pair([{"predicted": wrong(3)}], [{"predicted": wrong(3)}]))
    assert (found, row["difference"], row["p_value"], row["reason"]) == ("identical", 0, 1, "")
    assert np.isnan([row[limit] for limit in both]).all()
    # As often right is not the same.
    found, row = verdict(pair([{"predicted": wrong(3)}], [{"predicted": wrong(4)}]))
    assert (found, row["difference"]) == ("no evidence", 0)
    assert row["difference_low"] < -0.02 < 0.02 < row["difference_high"]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ([(0, ())], [(1, ())], True),
        ([(0, (3,)), (1, (4,))], [(0, (4,)), (1, (3,))], True),
        ([(0, (3,))], [(0, (3,)), (1, (3,))], True),
        ([(0, (3,))], [(0, (3,)), (1, ())], False),
    ],
)
def test_predictions_are_the_same_in_the_same_share_of_the_seeds(pair, old, new, same):
    stores = ([{"predicted": wrong(*places), "seed": seed} for seed, places in side] for side in (old, new))
    assert (verdict(pair(*stores))[0] == "identical") == same


def test_wrong_in_another_way_is_not_identical(bench):
    stores = [bench().dataset(["a", "b", "c"] * 4, list("sstt") * 3) for _ in range(2)]
    for made, guess in zip(stores, (1, 2), strict=True):
        made.attempt("one", (made.labels + guess) % 3)
    found, row = verdict(compare(*(made.store for made in stores)))
    assert (found, row["difference"]) == ("no evidence", 0)
    assert row["difference_low"] < 0 < row["difference_high"]


def test_what_failed_on_either_side_is_told(pair):
    failing = {"predicted": TRUTH, "fail": [1, 2]}
    _, row = verdict(pair([failing | {"message": "gone"}], [failing]))
    assert row["failed_old"] == "2 of 8 cells failed: ValueError: gone"
    assert row["failed_new"] == "2 of 8 cells failed: ValueError: no luck"
    _, row = verdict(pair([{"predicted": TRUTH}], [failing | {"status": "skipped"}]))
    assert (row["failed_old"], row["failed_new"]) == ("", "")


def test_the_margin_forgives_small_losses(pair):
    good, bad = [{"predicted": TRUTH}], [{"predicted": wrong(*EVERY_GROUP)}]
    assert verdict(pair(good, bad, margin=0.05))[0] == "worse"
    assert verdict(pair(good, bad, margin=0.1))[0] == "no evidence"
    assert verdict(pair(good, bad, margin=0.5))[0] == "no evidence"


def test_seeds_are_averaged_within_clips(pair):
    old = [{"predicted": TRUTH, "seed": seed} for seed in (0, 1)]
    new = [{"predicted": TRUTH, "seed": 5}, {"predicted": wrong(*EVERY_GROUP), "seed": 6}]
    _, row = verdict(pair(old, new))
    assert row["difference"] == pytest.approx(-0.05)
    assert row["n_clips"] == 80
    assert row["n_groups"] == 8


@pytest.mark.parametrize(
    ("old", "new", "facts", "reason"),
    [
        ({}, {}, {"fingerprint": "g"}, "The data differ."),
        ({"fail": [1]}, {}, {}, "1 of 8 cells failed or were skipped in the old store."),
        ({}, {"fail": range(8)}, {}, "8 of 8 cells failed or were skipped in the new store."),
    ],
)
def test_what_cannot_be_compared_says_why(pair, old, new, facts, reason):
    found, row = verdict(pair([{"predicted": TRUTH, **old}], [{"predicted": TRUTH, **new}], **facts))
    assert (found, row["reason"]) == ("not comparable", reason)
    assert np.isnan(row["difference"])


def test_attempts_of_one_store_only_are_listed(pair):
    table = pair([{"predicted": TRUTH, "name": "gone"}], [{"predicted": TRUTH, "name": "fresh"}])
    assert list(table["attempt"]) == ["fresh", "gone"]
    assert list(table["reason"]) == ["Only in the new store.", "Only in the old store."]
    assert list(table.columns) == COLUMNS


def test_the_interval_is_that_of_the_paired_difference(bench):
    rng = np.random.default_rng(2)
    made = bench().dataset(LABELS, GROUPS)
    one, two = (np.where(rng.random(80) < share, TRUTH, 1 - TRUTH) for share in (0.6, 0.8))
    made.attempt("one", one).attempt("two", two)
    found = paired_difference(*gather(made.store))
    change = (two == TRUTH).astype(float) - (one == TRUTH)
    each = [mean(change[group == GROUPS]) for group in "stuvwxyz"]
    drawn = [mean(rng.choice(each, 8)) for _ in range(5000)]
    assert found.difference == pytest.approx(change.mean())
    # Eight groups may scatter more than they show: the interval lies outside the plain percentiles, but not by much.
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert low - 0.12 < found.low < low + 0.01
    assert high - 0.01 < found.high < high + 0.12


def test_under_no_change_few_are_called_changed(bench):
    """An attempt whose guesses change with the seed only: false alarms stay near 5 %."""
    rng = np.random.default_rng(4)
    made = bench().dataset(LABELS, GROUPS)
    for number in range(60):
        made.attempt(f"attempt {number}", rng.integers(2, size=80))
    results = gather(made.store)
    alarms = [
        paired_difference(old, new).p_value <= 0.05
        for old, new in zip(results[::2], results[1::2], strict=True)
    ]
    assert np.mean(alarms) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 30)


def machines(bench, *facts):
    """Two stores whose cells ran on these machines."""
    stores = []
    for own in facts:
        made = bench().dataset(LABELS, GROUPS)
        made.machine = made.store.add_machine(own)
        made.attempt("one", TRUTH)
        stores.append(made.store)
    return stores


def test_times_are_compared_on_one_machine_only(bench):
    here = {"machine": "m", "threads": 1, "numpy": "2.0"}
    (row,) = compare(*machines(bench, here, here)).to_dict("records")
    assert (row["fit_ratio"], row["predict_ratio"], row["times"]) == (1, 1, "")
    (row,) = compare(*machines(bench, here, here | {"threads": 2, "numpy": "2.1"})).to_dict("records")
    assert np.isnan(row["fit_ratio"])
    assert row["times"] == "Times are not compared: the set-ups differ in numpy 2.0, 2.1; threads 1, 2."
    assert row["verdict"] == "identical"


def test_a_table_that_mixes_machines_says_so(bench):
    made = bench().dataset(LABELS, GROUPS)
    for name, threads in (("one", 1), ("two", 2)):
        made.machine = made.store.add_machine({"machine": "m", "threads": threads})
        made.attempt(name, TRUTH)
    for text in comparison_table(made.store)["warnings"]:
        assert text.endswith("must not be compared: threads 1, 2. [mixed-machines]")
