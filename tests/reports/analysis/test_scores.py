import numpy as np
import pandas as pd
import pytest
from scipy import stats

import actionbench
from actionbench.errors import ActionbenchError
from actionbench.reports.analysis.scores import LIMITS, compare_scores

RNG = np.random.default_rng(0)
DATASETS = [f"d{n}" for n in range(12)]


def long(matrix, names, *, draws=1, spread=0.0, chance=np.nan):
    """Return scores in rows: a mean for each data set and attempt, and draws about it that keep it."""
    rows = []
    for dataset, means in zip(DATASETS, matrix, strict=False):
        for name, mean in zip(names, means, strict=True):
            noise = spread * RNG.normal(size=draws)
            rows += [
                (dataset, name, seed, mean + one, chance)
                for seed, one in enumerate(noise - noise.mean())
                if np.isfinite(mean)
            ]
    return pd.DataFrame(rows, columns=["dataset", "attempt", "seed", "score", "chance"])


@pytest.mark.parametrize("higher", [True, False])
def test_ranks_and_ties_follow_from_the_critical_difference(higher):
    """Against Nemenyi's test by hand: pairs are tied where mean ranks are closer than the critical difference."""
    means = RNG.random((12, 5)) + np.linspace(1, 0, 5)
    found = compare_scores(long(means, list("abcde"), draws=3, spread=0.01), higher_is_better=higher)
    placed = stats.rankdata(-means if higher else means, axis=1).mean(axis=0)
    table = found.ranks.set_index("attempt")
    np.testing.assert_allclose(table.loc[list("abcde"), "mean_rank"], placed)
    critical = stats.studentized_range.ppf(0.95, 5, np.inf) * np.sqrt(5 * 6 / (12 * 12))
    for name, own in zip("abcde", placed, strict=True):
        better, worse = (placed < own - critical).sum(), (placed > own + critical).sum()
        row = table.loc[name]
        assert (row["rank_low"], row["rank_high"], row["tied"]) == (1 + better, 5 - worse, 4 - better - worse)


def test_draws_are_intervals():
    scores = long(RNG.random((3, 2)), "ab", draws=5, spread=0.1)
    cells = compare_scores(scores).cells
    for row in cells.itertuples():
        own = scores[(scores["dataset"] == row.dataset) & (scores["attempt"] == row.attempt)]["score"]
        expected = stats.t.interval(0.95, 4, own.mean(), stats.sem(own))
        np.testing.assert_allclose((row.score_low, row.score_high), expected)
        assert row.n_draws == 5
    assert compare_scores(long(RNG.random((3, 2)), "ab")).cells["score_low"].isna().all()


def test_rows_at_chance_and_identical_ones_are_marked():
    matrix = [[0.9, 0.5, 0.9, 0.51], [0.8, 0.4, 0.8, 0.52], [0.7, 0.5, 0.7, 0.9]]
    found = compare_scores(long(matrix, ["good", "coin", "twin", "lucky"], chance=0.5))
    table = found.ranks.set_index("attempt")
    assert table["at_chance"].to_dict() == {"good": 0, "twin": 0, "coin": 3, "lucky": 0}
    assert table["identical"].to_dict() == {"good": "twin", "twin": "good", "coin": "", "lucky": ""}
    assert found.notes == [
        "At chance on every data set with a known chance level: coin.",
        "Identical scores on all data sets: good, twin; they may be one and the same.",
        LIMITS,
    ]
    # The interval over draws reaches chance.
    wide = compare_scores(long(matrix, ["good", "coin", "twin", "lucky"], draws=4, spread=0.05, chance=0.5))
    assert wide.ranks.set_index("attempt")["at_chance"]["lucky"] == 2
    worse = compare_scores(long(matrix, "abcd", chance=0.5), higher_is_better=False)
    assert worse.ranks.set_index("attempt")["at_chance"].to_dict() == {"a": 3, "b": 2, "c": 3, "d": 3}
    assert "no chance level is known" in compare_scores(long(matrix, "abcd")).notes[0]


def test_missing_scores_are_treated_as_asked():
    scores = long([[0.9, 0.5], [0.8, np.nan], [0.7, 0.6]], "ab")
    with pytest.raises(
        ActionbenchError, match=r"'b' has no score on 'd1' \(1 of 6 scores are missing\); --missing"
    ):
        compare_scores(scores)
    assert compare_scores(scores, missing="drop").ranks["n_datasets"].tolist() == [2, 2]
    last = compare_scores(scores, missing="last").ranks
    assert last["mean_rank"].tolist() == [1, 2]
    assert last["n_datasets"].tolist() == [3, 3]
    with pytest.raises(ActionbenchError, match="^scores: scores need a row for each of at least 2 data sets"):
        actionbench.import_scores(scores[scores["dataset"] == "d0"])


@pytest.mark.parametrize("options", [{}, {"higher_is_better": False}, {"missing": "last"}, {"chance": 0.4}])
def test_scores_survive_a_round_trip(tmp_path, options):
    scores = long(
        [[0.9, 0.5, 0.3], [0.8, 0.7, 0.2], [0.7, 0.6, 0.65], [0.3, 0.5, 0.1]], "abc", draws=3, spread=0.05
    )
    if "missing" in options:
        scores = scores[(scores["dataset"] != "d1") | (scores["attempt"] != "b")]
    first = actionbench.import_scores(scores, folder=tmp_path / "out", **options)
    again = actionbench.import_scores(tmp_path / "out" / "scores.csv", **options)
    pd.testing.assert_frame_equal(first, again)
    assert first.attrs["notes"] == again.attrs["notes"]
    written = pd.read_csv(tmp_path / "out" / "ranks.csv", keep_default_na=False)
    assert written["attempt"].tolist() == first["attempt"].tolist()
    assert LIMITS in (tmp_path / "out" / "ranks.txt").read_text()
    assert (tmp_path / "out" / "ranks.svg").read_bytes().startswith(b"<")
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionbenchError, match="file: the ranks cannot be written there"):
        actionbench.import_scores(scores, folder=tmp_path / "file", **options)
