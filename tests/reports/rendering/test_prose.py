"""Paragraphs that say what a comparison found."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actionbench.reports.rendering.prose import describe_pair, describe_ranks, disagreements, p_text
from actionbench.reports.statistics.paired import paired_test

PUBLISHED = json.loads((Path(__file__).parents[1] / "published.json").read_text())


def scores(name):
    return pd.DataFrame(PUBLISHED[name]["scores"], columns=PUBLISHED[name]["attempts"])


def test_two_tests_that_disagree_are_named_with_their_numbers():
    table = scores("aeon_ucr112_4classifiers")
    found = disagreements(table).set_index(["first", "second"])
    row = found.loc[("FreshPRINCE", "WEASEL-D")]
    assert (round(row.p_nemenyi, 3), round(row.p_wilcoxon, 5), round(row.p_holm, 4)) == (
        0.319,
        0.00373,
        0.0112,
    )
    said = describe_ranks(table)
    assert "4 attempts were compared by their ranks on 112 data sets (no score is missing)." in said
    assert (
        "Two tests disagree on FreshPRINCE and WEASEL-D: Nemenyi p = 0.32, Wilcoxon p = 0.0037, with "
        "Holm's correction p = 0.011."
    ) in said
    assert "HC2 1.93 (rank 1), InceptionT 2.48 (rank 2 to 3)" in said
    assert "no significant difference among InceptionT and WEASEL-D; WEASEL-D and FreshPRINCE." in said
    assert "report which test was used" in said


def test_nothing_to_disagree_about():
    table = scores("garcia_herrera_2008")
    rng = np.random.default_rng(0)
    clear = pd.DataFrame(rng.normal(0, 0.01, (40, 3)) + np.arange(1.0, 4), columns=list("abc"))
    assert disagreements(clear).empty
    said = describe_ranks(clear)
    assert "all pairs differ significantly, by at least 0.524 ranks" in said
    assert "disagree" not in said
    assert "c 1.00 (rank 1), b 2.00 (rank 2) and a 3.00 (rank 3)" in said
    assert "F(4, 116)" in describe_ranks(table)


def test_no_difference_at_all_looks_at_no_pair():
    rng = np.random.default_rng(0)
    said = describe_ranks(pd.DataFrame(rng.normal(size=(10, 4)), columns=list("abcd")))
    assert "the ranks do not differ significantly" in said
    assert "Nemenyi" not in said


def test_few_data_sets_that_agree_prove_nothing():
    """Three coins fall alike in a quarter of all throws, six in one of 32."""
    rows = {"good": 0.9, "bad": 0.1}
    said = describe_ranks(pd.DataFrame([rows] * 3))
    assert "test (exact, p = 0.25) the ranks do not differ significantly" in said
    assert "p = 0.031) the ranks differ significantly" in describe_ranks(pd.DataFrame([rows] * 6))


def test_holes_are_said():
    table = scores("aeon_ucr112_4classifiers")
    table.iloc[3, 0] = np.nan
    said = describe_ranks(table, missing="drop")
    assert "111 data sets (missing scores: 1; 1 of 112 data sets left out)" in said
    said = describe_ranks(table, missing="last")
    assert "112 data sets (missing scores: 1, ranked last)" in said
    assert "disagree" not in said


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    first, second = rng.random((2, 120)) < np.array([[0.4], [0.8]])
    return first, second, groups


def test_what_follows_from_a_difference(clips):
    found = paired_test(*clips)
    said = describe_pair("rules", "net", found)
    assert said.startswith(
        "net was compared with rules on 120 clips of 12 groups by a sign-flip test over groups:"
    )
    assert f"its accuracy is {100 * found.difference:.1f} points higher" in said
    assert "net is significantly more accurate than rules on new groups like these" in said
    assert "does not extend to other data" in said
    assert "required" not in describe_pair("rules", "net", found, required_groups=9)
    turned = describe_pair("net", "rules", paired_test(clips[1], clips[0], clips[2]))
    assert "points lower" in turned
    assert "net is significantly more accurate than rules" in turned


def test_what_does_not_follow_from_none():
    found = pd.Series(
        {
            "difference": 0.05,
            "low": -0.02,
            "high": 0.12,
            "p_value": 0.2,
            "min_p_value": 0.001,
            "n_clips": 90,
            "n_groups": 9,
        }
    )
    said = describe_pair(
        "a", "b", found, n_comparisons=3, p_value=0.6, detectable_difference=0.11, required_groups=40
    )
    assert "Holm's correction for 3 comparisons" in said
    assert "p = 0.6" in said
    assert "differences of -2.0 and +12.0 points are both compatible with the data" in said
    assert "a true difference of 11 points is significant in 80 % of studies" in said
    assert "about 40 groups are required" in said
    never = describe_pair("a", "b", found, detectable_difference=np.inf, required_groups=np.inf)
    assert "no difference can be significant" in never
    assert "no feasible number of groups" in never


def test_few_groups_are_said_to_be_few():
    found = paired_test(np.zeros(20), np.ones(20), np.repeat(np.arange(4), 5))
    said = describe_pair("a", "b", found)
    assert "no difference could be significant" in said
    assert "Interval and test disagree" in said


def test_p_is_never_written_as_zero():
    assert p_text(0.0) == p_text(1e-5) == "p < 0.0001"


def test_of_many_attempts_a_paragraph_names_some():
    rng = np.random.default_rng(0)
    names = [f"attempt-{number:02}" for number in range(30)]
    table = pd.DataFrame(np.arange(30) + rng.normal(scale=0.3, size=(6, 30)), columns=names)
    said = describe_ranks(table)
    assert "and 19 others" in said
    assert re.search(r"; and \d+ more sets\.", said)
    n_pairs = len(disagreements(table))
    assert f"They disagree on {n_pairs - 4} more pairs." in said
    assert len(said) < 4000
