import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.reports.analysis.conditions import _levels, nuisance_table
from actionbench.reports.analysis.results import gather
from actionbench.reports.statistics.intervals import bootstrap_interval

RNG = np.random.default_rng(0)
GROUPS = np.repeat(list("abcdef"), 10)
LABELS = np.tile(["box", "run"], 30)
SPEED = RNG.uniform(0.5, 2.0, 60)
CAMERA = RNG.choice(["left", "right", "front"], 60)
NIGHT = RNG.random(60) < 0.3


@pytest.fixture
def conditions():
    """Some of each kind, and what is no condition."""
    cameras = [None, *CAMERA[1:]]
    return {
        "speed": SPEED,
        "camera": cameras,
        "night": NIGHT,
        "height": np.tile([60.0, 120.0, 90.0], 20),
        "always": ["same"] * 60,
        "file": [f"{place}.avi" for place in range(60)],
    }


@pytest.fixture
def filled(bench, conditions):
    made = bench().dataset(LABELS, GROUPS, conditions=conditions)
    for name in ("svm", "rules"):
        for seed in (0, 1, 2):
            guess = np.where(RNG.random(60) < 0.6, made.labels, 1 - made.labels)
            made.attempt(name, guess, seed, family="rules" if name == "rules" else "features")
    return made.end()


def test_against_group_bys(filled, conditions):
    results = {result.attempt: result for result in gather(filled)}
    table = nuisance_table(list(results.values()))
    edges = np.sort(SPEED)[[19, 39]]
    thirds = (edges[0] < SPEED).astype(int) + (edges[1] < SPEED)
    expected = {
        "speed": [thirds == third for third in range(3)],
        "camera": [np.array(conditions["camera"]) == word for word in ("front", "left", "right")],
        "night": [~NIGHT, NIGHT],
        "height": [conditions["height"] == height for height in (60, 90, 120)],
    }
    rows = iter(table.to_dict("records"))
    for attempt in ("rules", "svm"):
        result = results[attempt]
        for condition, masks in expected.items():
            for mask in masks:
                row = next(rows)
                assert (row["attempt"], row["family"], row["condition"]) == (
                    attempt,
                    result.family,
                    condition,
                )
                here = mask[result.positions]
                right = pd.Series(result.correct[here]).groupby(result.positions[here]).mean()
                assert row["accuracy"] == pytest.approx(right.mean())
                assert (row["n_clips"], row["n_groups"]) == (mask.sum(), len(set(GROUPS[mask])))
                interval = bootstrap_interval(
                    result.correct[here], GROUPS[result.positions[here]], np.full(here.sum(), 1 / 3)
                )
                assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(interval)
    assert next(rows, None) is None
    assert table["value"][table["condition"] == "night"].tolist() == ["no", "yes"] * 2
    assert table["value"][table["condition"] == "height"].tolist() == ["60", "90", "120"] * 2


numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(numbers, min_size=7, unique=True))
def test_ranges_hold_a_third_of_the_clips_each(values):
    words, level = _levels(pd.Series(values))
    sizes = np.bincount(level)
    assert len(words) == len(set(words)) == len(sizes) == 3
    assert sizes.max() - sizes.min() <= 1
    parts = [np.array(values)[level == number] for number in range(3)]
    assert parts[0].max() < parts[1].min()
    assert parts[1].max() < parts[2].min()
    for word, part in zip(words, parts, strict=True):
        ends = [float(end) for end in word.split(" to ")]
        # Two significant digits, or more.
        assert ends[0] == pytest.approx(part.min(), rel=0.05)
        assert ends[-1] == pytest.approx(part.max(), rel=0.05)


@given(st.lists(st.one_of(st.none(), st.integers(0, 9).map(float)), min_size=1, max_size=40))
def test_equal_numbers_stay_together(values):
    words, level = _levels(pd.Series(values, dtype=float))
    known = [(value, place) for value, place in zip(values, level, strict=True) if value is not None]
    assert all(place == -1 for value, place in zip(values, level, strict=True) if value is None)
    assert set(level[level >= 0]) == set(range(len(words)))
    places = [place for _, place in sorted(known)]
    assert places == sorted(places)
    assert len(dict(known)) == len(set(known))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 0.5, 10.0], ["0.5", "1", "10"]),
        ([7, 5, 7], ["5", "7"]),
        (["b", "a", "ü"], ["a", "b", "ü"]),
        ([True, False, None], ["no", "yes"]),
        ([0, 0, 0, 0, 0, 0, 1.234, 2, 3, 4, 5, 6], ["0", "1.2 to 2", "3 to 6"]),
        ([1000.1, 1000.2, 1000.3, 1000.4, 1000.5, 1000.6, 1000.7], None),
        ([str(place) for place in range(21)], []),
        ([None, None], []),
    ],
)
def test_values_in_words(values, words):
    found, _ = _levels(pd.Series(values, dtype=object))
    expected = ["1000.1 to 1000.3", "1000.4 to 1000.5", "1000.6 to 1000.7"] if words is None else words
    assert found == expected


def entry(title, split="leave-one-group-out", name="figures", **options):
    return {"name": name, "title": title, "split": {"name": split}, **options}


def fill(made, entries, n_right):
    """Add the data sets of entries; an attempt is right in some clips of each."""
    for one, right in zip(entries, n_right, strict=True):
        made.dataset(LABELS, GROUPS, one["title"] or one["name"], one["split"]["name"])
        made.attempt("svm", np.where(np.arange(60) < right, made.labels, 1 - made.labels))
    return gather(made.end())


def test_an_option_of_data_sets_is_a_condition(bench):
    entries = [
        entry("busy", clutter=3, frames=48),
        entry("plain", clutter=0, frames=48),
        entry(None, frames=48),
        entry("busy", split="group-k-fold", clutter=3, frames=48),
        entry("other", name="weizmann", clutter=7),
    ]
    table = nuisance_table(fill(bench(datasets=entries), entries, [15, 30, 45, 60, 60]))
    assert set(table["dataset"]) == {"figures"}
    assert set(table["split"]) == {"leave-one-group-out"}
    found = table[["condition", "value", "accuracy", "n_clips", "n_groups"]].to_numpy().tolist()
    assert found == [
        ["clutter", "0", 0.5, 60, 6],
        ["clutter", "3", 0.25, 60, 6],
        ["clutter", "default", 0.75, 60, 6],
    ]


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", clutter=0, noise=1), entry("b", clutter=1, noise=2)],
        [entry("a", clutter=0, noise=1), entry("b", clutter=1, noise=1), entry("c", clutter=0, noise=2)],
        [entry("a", clutter=0), entry("b", clutter=0)],
        [entry("a", clutter=0), entry("b", clutter=0), entry("c", clutter=1)],
        [entry("a", root="/here"), entry("b", root="/there")],
        [entry("a", clutter=0), entry("b", clutter=1, name="weizmann")],
        [entry("a", clutter=0), entry("b", clutter=1, split="group-k-fold")],
    ],
    ids=["two options", "a grid", "none", "twice the same", "other clips", "two names", "two splits"],
)
def test_what_is_no_option_to_compare(bench, entries):
    assert nuisance_table(fill(bench(datasets=entries), entries, range(len(entries)))).empty


def test_only_the_last_run_counts(bench):
    entries = [entry("a", clutter=0), entry("b", clutter=1)]
    made = bench(datasets=entries)
    fill(made, entries, [10, 20])
    made.store.begin_run("later", {"name": "later", "datasets": entries[:1]}, {})
    assert nuisance_table(gather(made.store)).empty


def test_fewer_groups_and_failures_are_left_out(bench, conditions):
    made = bench().dataset(LABELS, GROUPS, conditions=conditions)
    made.attempt("svm (train_groups=2)", made.labels, base="svm")
    made.attempt("broken", made.labels, fail=range(6))
    assert nuisance_table(gather(made.end())).empty
    assert list(nuisance_table([]).columns)[:6] == "dataset split attempt family condition value".split()
