"""Several data sets, against published numbers, SciPy, scikit-posthocs and brute force.

``published.json`` holds score matrices of Demšar 2006 (table 6, as printed and with the tie on one data set broken as
the paper's ranks say), García and Herrera 2008, García et al. 2010, an example of cd-diagram and results of four
classifiers on 112 data sets, with what SciPy, statsmodels, autorank and scikit-posthocs gave for them.
"""

import json
from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from actionbench.errors import ActionbenchError
from actionbench.reports.statistics.rank_intervals import cliques, rank_table, square
from actionbench.reports.statistics.ranks import (
    comparison_matrix,
    complete_scores,
    critical_difference,
    friedman,
    nemenyi,
    rank_pairs,
    ranks,
    skillings_mack,
    wilcoxon_pairs,
)

PUBLISHED = json.loads((Path(__file__).parents[1] / "published.json").read_text())
EVERY = pytest.mark.parametrize("name", PUBLISHED)
DEMSAR = "demsar2006_table6_voting_tie_broken"


def scores(name):
    return pd.DataFrame(PUBLISHED[name]["scores"], columns=PUBLISHED[name]["attempts"])


def expected_pairs(name):
    return pd.DataFrame(PUBLISHED[name]["pairs"], columns=PUBLISHED[name]["pair_columns"])


def test_the_critical_differences_of_demsar():
    """1.25 and 1.12 for 4 attempts on 14 data sets; the value for 5 attempts would give 1.33 and 1.20."""
    assert round(critical_difference(4, 14), 2) == 1.25
    assert round(critical_difference(4, 14, 0.10), 2) == 1.12
    # Table 5 (a) of the paper: critical values for 2 to 10 attempts.
    table = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    found = [critical_difference(k, 10) / np.sqrt(k * (k + 1) / 60) for k in range(2, 11)]
    np.testing.assert_allclose(found, table, atol=1.1e-3)


def test_demsars_verdict():
    """Nothing at 5 %; at 10 % C4.5 is worse than both with m."""
    table = scores(DEMSAR)
    np.testing.assert_allclose(ranks(table).mean().round(3), [3.143, 2.000, 2.893, 1.964])
    plain = friedman(table, ties=False)
    assert (round(plain.statistic, 2), round(plain.f_statistic, 2)) == (9.28, 3.69)
    assert (plain.df, plain.df_error) == (3, 39)
    p_values = nemenyi(table)
    assert (p_values + np.eye(4) > 0.05).all(axis=None)
    differ = {frozenset(pair) for pair in combinations(table.columns, 2) if p_values.loc[pair] <= 0.10}
    assert differ == {frozenset(["C4.5", "C4.5+m"]), frozenset(["C4.5", "C4.5+m+cf"])}
    first = wilcoxon_pairs(table, zeros="zsplit").iloc[0]
    assert (first.statistic, round(first.p_value, 5)) == (12, 0.01097)
    assert stats.norm.isf(first.p_value / 2) == pytest.approx(2.54, abs=0.005)


@EVERY
def test_ranks_and_friedman(name):
    table, expected = scores(name), PUBLISHED[name]["expected"]
    found = ranks(table).mean()
    assert found.to_dict() == pytest.approx(expected["average_ranks"])
    for ties, word in ((True, "tie_corrected"), (False, "uncorrected")):
        found = friedman(table, ties=ties)
        assert found.statistic == pytest.approx(expected[f"friedman_chi2_{word}"])
        assert found.p_value == pytest.approx(expected[f"friedman_p_{word}"])
        assert found.f_statistic == pytest.approx(expected[f"iman_davenport_F_{word}"])
        assert found.f_p_value == pytest.approx(expected[f"iman_davenport_p_{word}"])
    assert friedman(table).kendall_w == pytest.approx(expected["kendalls_w"])
    other = stats.friedmanchisquare(*table.round(12).to_numpy().T)
    assert friedman(table).statistic == pytest.approx(other.statistic)


@pytest.mark.parametrize(
    ("rows", "by_chance"),
    [
        ([[1, 2]] * 3, 2 / 2**3),
        ([[1, 2, 3]] * 3, 6 / 6**3),
        ([[1, 2, 3, 4]] * 3, 24 / 24**3),
        ([[1, 2, 2]] * 3, 3 / 3**3),
        ([[5, 5, 5]] * 4, 1),
        ([[1, 2, 3]] * 40, np.nan),
    ],
)
def test_data_sets_that_agree_may_do_so_by_chance(rows, by_chance):
    found = friedman(pd.DataFrame(rows))
    assert found.exact_p_value == pytest.approx(by_chance, nan_ok=True)


@pytest.mark.parametrize(("k", "n"), [(2, 5), (3, 3), (3, 4)])
def test_the_exact_friedman_test_keeps_its_level(k, n):
    """Of all equally likely studies no more than a share p come with a p-value up to p."""
    orders = [list(order) for order in permutations(range(k))]
    studies = [pd.DataFrame([orders[0], *rest]) for rest in product(orders, repeat=n - 1)]
    found = np.array([friedman(study).exact_p_value for study in studies])
    assert all(np.mean(found <= p_value + 1e-9) == pytest.approx(p_value) for p_value in np.unique(found))
    statistics = [stats.friedmanchisquare(*study.to_numpy().T).statistic for study in studies if k > 2]
    if statistics:
        assert stats.spearmanr(found, statistics).statistic == pytest.approx(-1)


@EVERY
@pytest.mark.parametrize("level", [0.01, 0.05, 0.10])
def test_nemenyi(name, level):
    table = scores(name)
    expected = PUBLISHED[name]["expected"]["nemenyi"][f"{level:g}"]
    assert critical_difference(table.shape[1], len(table), level) == pytest.approx(expected["cd"])
    p_values, means = nemenyi(table), ranks(table).mean().sort_values()
    np.testing.assert_allclose(
        p_values, scikit_posthocs.posthoc_nemenyi_friedman(table.round(12)), atol=1e-12
    )
    pairs = {frozenset(pair) for pair in combinations(table.columns, 2) if p_values.loc[pair] <= level}
    assert pairs == {frozenset(pair) for pair in expected["significant_pairs"]}
    ordered = p_values.loc[means.index, means.index]
    assert [set(one) for one in cliques(ordered, level)] == [set(one) for one in expected["cliques"]]


@EVERY
def test_pairs(name):
    table, expected = scores(name), expected_pairs(name)
    found = rank_pairs(table)
    assert found[["first", "second"]].to_numpy().tolist() == expected[["a", "b"]].to_numpy().tolist()
    np.testing.assert_allclose(found["z"], expected["rank_z"], rtol=1e-7)
    np.testing.assert_allclose(found["p_value"], expected["rank_p"], rtol=1e-7)
    for ours, theirs in (("holm", "holm"), ("hommel", "hommel"), ("shaffer", "shaffer_static")):
        np.testing.assert_allclose(found[f"p_{ours}"], expected[f"rank_p__{theirs}"], rtol=1e-7)
    p_values = nemenyi(table)
    np.testing.assert_allclose(
        [p_values.loc[pair] for pair in combinations(table.columns, 2)], expected["nemenyi_p"], atol=1e-9
    )


@EVERY
@pytest.mark.parametrize("zeros", ["wilcox", "pratt", "zsplit"])
def test_wilcoxon(name, zeros):
    table, expected = scores(name), expected_pairs(name)
    found = wilcoxon_pairs(table, zeros=zeros, exact=False)
    np.testing.assert_array_equal(found[["wins", "ties", "losses"]], expected[["win", "tie", "loss"]])
    np.testing.assert_allclose(found["difference"], expected["mean_diff"], rtol=1e-7)
    np.testing.assert_allclose(found["median_difference"], expected["median_diff"], atol=1e-11)
    np.testing.assert_allclose(found["statistic"], expected[f"wilcoxon_{zeros}_W"])
    np.testing.assert_allclose(found["p_value"], expected[f"wilcoxon_{zeros}_p_normal"], rtol=1e-7)
    if zeros != "pratt":
        for way in ("holm", "hommel"):
            wanted = expected[f"wilcoxon_{zeros}_p_normal__{way}"]
            np.testing.assert_allclose(found[f"p_{way}"], wanted, rtol=1e-7)
    if "wilcoxon_exact_p" in expected:
        exact = wilcoxon_pairs(table, zeros=zeros)["p_value"]
        known = expected["wilcoxon_exact_p"].notna()
        np.testing.assert_allclose(exact[known], expected["wilcoxon_exact_p"][known].astype(float))


def test_the_numbers_of_garcia_and_herrera():
    found = rank_pairs(scores("garcia_herrera_2008")).sort_values("p_value")
    holm = [4.487e-7, 1.5625e-6, 0.023044, 0.033941, 0.047781, 0.050562, 0.051052, 0.074234, 1, 1]
    np.testing.assert_allclose(found["p_holm"], holm, rtol=3e-5)
    static = [4.487e-7, 1.0417e-6, 0.017283, 0.029093, 0.047781, 0.047781, 0.051052, 0.074235, 1, 1]
    np.testing.assert_allclose(found["p_shaffer"], static, rtol=3e-5)
    assert round(critical_difference(5, 30), 4) == 1.1136
    # Read at k + 1 attempts the value would be 1.163 and join C4.5 with the nearest neighbour, 1.15 apart.
    p_values = nemenyi(scores("garcia_herrera_2008"))
    assert p_values.loc["C4.5", "k-NN(k=1)"] < 0.05


def test_what_holm_leaves_of_the_cd_diagram_example():
    found = wilcoxon_pairs(scores("hfawaz_example"))
    left = found[found["p_holm"] > 0.05]
    assert set(zip(left["first"], left["second"], strict=True)) == {
        ("clf1", "clf2"),
        ("clf1", "clf4"),
        ("clf2", "clf4"),
        ("clf3", "clf5"),
    }
    p_values = found.set_index(["first", "second"])["p_value"].round(4)
    assert p_values["clf3", "clf5"] == 0.4328
    assert p_values["clf2", "clf4"] == 0.2219
    assert p_values["clf1", "clf2"] == 0.0730
    assert p_values["clf1", "clf4"] == 0.0181
    assert cliques(square(found)) == [["clf1", "clf2", "clf4"], ["clf3", "clf5"]]


def test_ties_on_paper_stay_ties():
    """0.9 - 0.8 and 0.4 - 0.3 differ in the last bit; SciPy on unrounded scores gives another p for it."""
    table = scores("hfawaz_example")
    last = wilcoxon_pairs(table).iloc[-1]
    assert (last["first"], last["second"]) == ("clf4", "clf5")
    raw = stats.wilcoxon(table["clf4"], table["clf5"], method="asymptotic")
    assert raw.pvalue == pytest.approx(0.002865, abs=5e-7)
    assert last.p_value == pytest.approx(0.002578, abs=5e-7)


def test_four_classifiers_on_112_data_sets():
    table = scores("aeon_ucr112_4classifiers")
    found = wilcoxon_pairs(table).set_index(["first", "second"])
    assert found.loc[("HC2", "InceptionT"), "p_value"] == pytest.approx(0.0024767, rel=0.01)
    assert found.loc[("InceptionT", "WEASEL-D"), "p_value"] == pytest.approx(0.53939, abs=5e-6)
    assert round(found.loc[("FreshPRINCE", "WEASEL-D"), "p_value"], 5) == 0.00373
    assert round(nemenyi(table).loc["FreshPRINCE", "WEASEL-D"], 3) == 0.319
    np.testing.assert_allclose(table.mean().round(5), [0.87642, 0.84160, 0.85778, 0.86050])


def test_nemenyi_as_in_r():
    """Group 6 against the others, as PMCMRplus has it."""
    blocks = pd.DataFrame([[4, 3, 4, 4, 5, 6, 3], [1, 2, 3, 5, 6, 7, 7], [1, 2, 6, 4, 1, 5, 1]])
    found = nemenyi(blocks)[5].drop(5)
    known = [0.2147827, 0.2597539, 0.9449086, 0.8833015, 0.8833015, 0.5511935]
    np.testing.assert_allclose(found, known, atol=5e-7)
    test = friedman(blocks)
    assert (round(test.statistic, 6), round(test.p_value, 6), test.df) == (8.468354, 0.205758, 6)


def test_the_direction_turns_ranks_and_wins_and_no_p_value():
    table = scores(DEMSAR)
    np.testing.assert_allclose(ranks(table) + ranks(table, higher_is_better=False), 5)
    up, down = wilcoxon_pairs(table), wilcoxon_pairs(table, higher_is_better=False)
    np.testing.assert_array_equal(up[["wins", "losses"]], down[["losses", "wins"]])
    np.testing.assert_array_equal(up["difference"], down["difference"])
    np.testing.assert_allclose(up["rank_biserial"], -down["rank_biserial"])
    np.testing.assert_allclose(up["p_value"], down["p_value"])
    assert rank_table(table).index[0] == rank_table(-table, higher_is_better=False).index[0] == "C4.5+m+cf"


def test_the_matrix_does_not_change_with_another_attempt():
    table = scores("aeon_ucr112_4classifiers")
    whole, part = comparison_matrix(table), comparison_matrix(table.iloc[:, :3])
    pd.testing.assert_frame_equal(whole.loc[part.index], part)
    row = whole.loc[("HC2", "FreshPRINCE")]
    assert (row.wins, row.ties, row.losses) == (77, 13, 22)
    turned = whole.loc[("FreshPRINCE", "HC2")]
    assert (turned.wins, turned.losses, turned.difference) == (22, 77, -row.difference)


def test_equal_means_stay_in_their_order_whatever_the_last_bit_is():
    values = [0.1, 0.2, 0.3, 0.7]
    names = [f"attempt {number:02}" for number in range(24)]
    table = pd.DataFrame(dict(zip(names, permutations(values), strict=True)))
    assert table.mean().nunique() > 1
    assert list(comparison_matrix(table).index.unique("attempt")) == names


def test_skillings_and_mack_as_published():
    """Nine blocks of four treatments, five values missing: 15.493, p = 0.0014."""
    nan = np.nan
    blocks = [
        (3.2, 4.1, 3.8, 4.2),
        (3.1, 3.9, 3.4, 4.0),
        (4.3, 3.5, 4.6, 4.8),
        (3.5, 3.6, 3.9, 4.0),
        (3.6, 4.2, 3.7, 3.9),
        (4.5, 4.7, 3.7, nan),
        (nan, 4.2, 3.4, nan),
        (4.3, 4.6, 4.4, 4.9),
        (3.5, nan, 3.7, 3.9),
    ]
    found = skillings_mack(pd.DataFrame(blocks))
    assert (round(found.statistic, 3), round(found.p_value, 4), found.df) == (15.493, 0.0014, 3)
    assert found.n_missing == 4


def test_skillings_and_mack_where_it_is_another_test():
    whole = scores(DEMSAR)
    assert skillings_mack(whole).statistic == pytest.approx(friedman(whole, ties=False).statistic)
    # A balanced incomplete design: each pair of attempts on as many data sets. There it is Durbin's test.
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((12, 4)))
    for place, pair in enumerate([*combinations(range(4), 2)] * 2):
        table.iloc[place, list(pair)] = np.nan
    long = table.stack().reset_index(name="y").set_axis(["block", "group", "y"], axis=1)
    places = long.assign(rank=long.groupby("block")["y"].rank())
    sums, k, t, b, r = places.groupby("group")["rank"].sum(), 2, 4, 12, 6
    durbin = 12 * (t - 1) * (sums**2).sum() / (r * t * (k - 1) * (k + 1)) - 3 * r * (t - 1) * (k + 1) / (
        k - 1
    )
    assert b * k == r * t
    assert skillings_mack(table).statistic == pytest.approx(durbin)


def test_what_becomes_of_holes_is_said():
    table = scores(DEMSAR)
    table.iloc[3, 1] = table.iloc[5, 1] = np.nan
    with pytest.raises(ActionbenchError, match=r"'C4.5\+m' has no score on 3 \(2 scores are missing\)"):
        friedman(table)
    dropped, said = complete_scores(table, "drop")
    assert (len(dropped), said) == (12, "missing scores: 2; 2 of 14 data sets left out")
    assert set(rank_table(table, missing="drop")["missing"]) == {said}
    last, said = complete_scores(table, "last")
    assert said == "missing scores: 2, ranked last"
    assert ranks(last).iloc[3, 1] == 4
    down, _ = complete_scores(table, "last", higher_is_better=False)
    assert ranks(down, higher_is_better=False).iloc[3, 1] == 4
    assert rank_table(table, missing="last").loc["C4.5+m", "mean_score"] == table["C4.5+m"].mean()
    with pytest.raises(ActionbenchError, match="scores must be finite to be subtracted"):
        wilcoxon_pairs(last)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: friedman(t.iloc[:1]), "at least 2 data sets"),
        (lambda t: friedman(t.iloc[:, :1]), "at least 2 attempts"),
        (lambda t: friedman(t.set_axis(["a", "a", "b", "c"], axis=1)), "'a' has more than one column"),
        (lambda t: friedman(t.assign(word="x")), "must be numbers"),
        (lambda t: complete_scores(t, "guess"), "missing must be one of raise, drop, last; got 'guess'"),
        (
            lambda t: wilcoxon_pairs(t, zeros="split"),
            "zeros must be one of wilcox, pratt, zsplit; got 'split'",
        ),
        (lambda t: critical_difference(1, 5), "at least 2 attempts"),
        (
            lambda t: skillings_mack(pd.DataFrame([[1, 2, None, None], [None, None, 1, 2]])),
            "share no data set",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ActionbenchError, match=message):
        call(scores(DEMSAR))


@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=8).filter(any),
    st.sampled_from(["wilcox", "pratt", "zsplit"]),
)
def test_few_differences_have_the_p_of_all_their_signs(gains, zeros):
    """With ties and zeros too: no p-value is below 2 of all patterns, as the normal distribution's is."""
    gains = np.array(gains)
    table = pd.DataFrame({"one": gains, "other": np.zeros(len(gains))})
    found = wilcoxon_pairs(table, zeros=zeros).iloc[0]["p_value"]
    kept = gains[gains != 0] if zeros == "wilcox" else gains
    placed = stats.rankdata(np.abs(kept))[kept != 0]
    seen = abs((np.sign(kept[kept != 0]) * placed).sum())
    patterns = [abs(np.dot(signs, placed)) for signs in product([-1, 1], repeat=len(placed))]
    assert found == pytest.approx(np.mean(np.array(patterns) >= seen - 1e-9))
    assert found >= 2 / 2 ** len(placed)
