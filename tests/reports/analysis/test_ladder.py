import numpy as np
import pandas as pd
import pytest

from actionbench.reports.analysis.ladder import COLUMNS, HEADS, ladder, layout, sentences
from actionbench.reports.analysis.results import gather, without_probes
from actionbench.reports.analysis.tables import comparison_table
from actionbench.reports.rendering.report import write_report
from actionbench.reports.statistics.corrections import holm
from actionbench.reports.statistics.intervals import bootstrap_interval
from actionbench.reports.statistics.paired import paired_test

LABELS, GROUPS = ["a", "b"] * 24, np.repeat(list("pqrstuvw"), 6)


def entry(title, probe=None, side="both", name="toy", **options):
    split = {"name": "leave-one-group-out"}
    return {
        "name": name,
        "title": title,
        "split": split,
        "probe": probe,
        "probe_side": side,
        "probes": False,
        **options,
    }


def right(share, seed):
    """Return which clips are classified correctly, the given share of each group's."""
    rng = np.random.default_rng(seed)
    return rng.random(len(LABELS)) < share


def guesses(truth, correct):
    return np.where(correct, truth, 1 - truth)


SHARES = {("frozen", "both"): 0.55, ("shuffled", "both"): 0.9, ("frozen", "test"): 0.5}


@pytest.fixture
def probed(bench):
    """Two attempts on whole clips and three probes, and a data set that has none."""
    entries = [entry(None), *(entry(f"toy ({p}, {s})", p, s) for p, s in SHARES), entry("other", name="else")]
    made = bench(datasets=entries)
    kept = {}
    for title, share in {
        "toy": 0.9,
        **{f"toy ({p}, {s})": share for (p, s), share in SHARES.items()},
        "other": 0.7,
    }.items():
        made.dataset(LABELS, GROUPS, name=title, fingerprint=title)
        for seed, name in enumerate(("hog", "rules")):
            kept[title, name] = right(share - 0.1 * seed, len(kept))
            made.attempt(name, guesses(made.labels, kept[title, name]))
    return made.end(), kept


def test_each_row_compares_an_attempt_with_itself_on_whole_clips(probed):
    store, kept = probed
    table = ladder(gather(store))
    assert list(table) == COLUMNS
    assert len(table) == 2 * len(SHARES)
    for row in table.itertuples():
        before, after = kept["toy", row.attempt], kept[f"toy ({row.probe}, {row.side})", row.attempt]
        assert (row.whole, row.accuracy) == pytest.approx((before.mean(), after.mean()))
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx(bootstrap_interval(after, GROUPS))
        assert row.whole_low == pytest.approx(bootstrap_interval(before, GROUPS)[0])
        test = paired_test(before, after, GROUPS)
        assert row.difference == pytest.approx(after.mean() - before.mean())
        assert (row.p_value, row.difference_low) == pytest.approx((test["p_value"], test["low"]))
        assert (row.n_groups, row.chance) == (8, 0.5)
    for _, part in table.groupby(["side", "attempt"]):
        np.testing.assert_allclose(part["p_adjusted"], holm(part["p_value"].to_numpy()))


def test_probes_are_no_data_sets_of_the_comparison(probed):
    store, _ = probed
    assert set(comparison_table(store)["dataset"]) == {"toy", "other"}
    assert {result.dataset for result in without_probes(gather(store))} == {"toy", "other"}


def test_a_later_run_of_other_data_sets_leaves_probes_what_they_are(probed):
    store, _ = probed
    before = ladder(gather(store))
    store.begin_run("later", {"name": "later", "datasets": [entry("other", name="else")]}, {})
    assert set(comparison_table(store)["dataset"]) == {"toy", "other"}
    pd.testing.assert_frame_equal(ladder(gather(store)), before)


def test_what_a_ladder_says(probed):
    table = ladder(gather(probed[0]))
    first, second = sentences(table)
    assert first.startswith("hog, the most accurate, changes by -")
    assert first.endswith("on frozen clips, when trained on such.")
    assert second.startswith("Whether shuffled clips suffice is not decided: hog changes by ")
    same = table.assign(difference=0.0, difference_low=-0.01, difference_high=0.01, p_value=1.0)
    assert sentences(same)[0] == (
        "A single frame is enough: nothing here measures motion: hog changes by +0 points [-1, +1] without it."
    )
    # Who is at chance on whole clips loses nothing without motion.
    assert sentences(same.assign(whole_low=0.5))[0] == (
        "Of frozen clips nothing can be said: hog, the most accurate, may be at chance on whole ones."
    )
    scene = same[same["probe"] == "frozen"].assign(probe="person-blanked", accuracy=0.75, accuracy_low=0.6)
    assert sentences(scene.assign(accuracy_high=0.9)) == [
        "With the person blanked, but not the place, hog classifies 75 % [60, 90] correctly, where the most frequent "
        "class has 50 %."
    ]


def test_the_parts_of_the_terminal(probed):
    offers, uses = layout(ladder(gather(probed[0])))
    assert (offers["heads"], uses["heads"]) == (
        ["attempt", "whole", "frozen", "shuffled"],
        ["attempt", "whole", "frozen"],
    )
    assert [row[0] for row in offers["rows"]] == ["hog", "rules"]
    row = ladder(gather(probed[0])).iloc[0]
    half = 50 * (row["accuracy_high"] - row["accuracy_low"])
    star = "*" if row["p_adjusted"] <= 0.05 else ""
    assert offers["rows"][0][2] == f"{100 * row['accuracy']:.0f}±{half:.0f}{star}"
    assert "offer" in offers["extent"]
    assert "uses" in uses["extent"]


def test_a_store_without_probes_has_no_ladder(usual):
    table = ladder(gather(usual.end()))
    assert (list(table), len(table), layout(table)) == (COLUMNS, 0, [])


def test_it_follows_the_table_of_its_data_set(probed, tmp_path):
    store, _ = probed
    files = {path.name for path in write_report(store, tmp_path / "out")}
    assert "ladder.csv" in files
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    places = [page.index(f'id="part2{place}"') for place in ("", "-ladder", "-by-class", "-attempts")]
    assert places == sorted(places)
    assert 'id="part1-ladder"' not in page
    assert "<h2>toy, leave-one-group-out</h2>" in page
    assert "<h2>toy (frozen" not in page
    assert len(pd.read_csv(tmp_path / "out" / "ladder.csv")) == 2 * len(SHARES)


def test_every_probe_has_a_head():
    from actionbench.features.probes import PROBES

    assert list(HEADS) == list(PROBES)
