"""The comparison across data sets."""

import numpy as np
import pytest

from actionbench.experiments.datasets.splits import LEAKY_RANDOM
from actionbench.reports.analysis.results import gather
from actionbench.reports.rendering.across_datasets import common_scores, verdict_across_datasets

TRUTH = np.array([0, 1] * 48)
GROUPS = np.repeat(list("abcdefgh"), 12)


def spoiled(count):
    """Predictions with so many mistakes in every group."""
    return np.where(np.arange(96) % 12 < count, 1 - TRUTH, TRUTH)


@pytest.fixture
def several(bench):
    """Four data sets on which one attempt leads and two are alike; one does not finish on the last."""
    made = bench()
    rng = np.random.default_rng(0)
    for number in range(4):
        made.dataset(["a", "b"] * 48, GROUPS, name=f"set {number}")
        for name, wrong in (("good", 1), ("fair", 4), ("bad", 8)):
            made.attempt(name, spoiled(wrong + rng.integers(2)))
        made.attempt("late", spoiled(1), fail=(0,) if number == 3 else ())
    return made


def test_several_data_sets_are_judged_together(several):
    results = gather(several.end())
    found = verdict_across_datasets(*common_scores(results))
    assert found.lead == (
        "Over 4 data sets, good has the best ranks: its mean rank is 1 of 3, but these data sets cannot tell it from "
        "fair."
    )
    text = found.tested
    assert text.startswith("3 attempts were compared by their ranks on 4 data sets (no score is missing).")
    assert "good 1.00 (rank 1 to 2), fair 2.00 (rank 1 to 3) and bad 3.00 (rank 2 to 3)" in text
    assert text.endswith(" Left out because not finished on every data set: late.")
    assert common_scores([result for result in results if result.dataset < "set 2"])[0].empty
    assert common_scores([])[0].empty


def test_a_data_set_on_which_nothing_finished_is_said_to_be_left_out(several):
    several.dataset(["a", "b"] * 4, list("wwxxyyzz"), name="broken").attempt("good", [0] * 8, fail=[0])
    scores, left = common_scores(gather(several.end()))
    assert list(scores.index) == [f"set {number}" for number in range(4)]
    assert left[-1] == "Left out because no attempt has finished there: broken."
    assert verdict_across_datasets(scores, left).tested.endswith(" ".join(left))


def test_a_data_set_counts_once_under_its_soundest_split(several):
    several.dataset(["a", "b"] * 48, GROUPS, name="set 0", split="leaky-random", warnings=[LEAKY_RANDOM])
    for name in ("good", "fair", "bad"):
        several.attempt(name, several.labels)
    text = verdict_across_datasets(*common_scores(gather(several.end()))).tested
    assert "on 4 data sets" in text
    assert "good 1.00" in text


def test_data_sets_that_differ_in_options_only_count_once(bench):
    """The same people under another nuisance are no further data set; another seed draws others."""
    entries = [
        {
            "name": "figures",
            "title": f"set {number}",
            "split": {"name": "halves"},
            "seed": seed,
            "clutter": clutter,
        }
        for number, (seed, clutter) in enumerate([(0, 0), (0, 3), (1, 0), (2, 0)])
    ]
    made = bench(datasets=entries)
    for entry in entries:
        made.dataset(["a", "b"] * 48, GROUPS, name=entry["title"], split="halves")
        made.attempt("good", spoiled(1)).attempt("bad", spoiled(5))
    scores, left = common_scores(gather(made.store))
    assert list(scores.index) == ["set 0", "set 2", "set 3"]
    assert scores.loc["set 0", "good"] == pytest.approx(11 / 12)
    assert left == []
