from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.reports.analysis.hard_clips import HARD_COLUMNS, MISSED, SOLVED, hard_clips
from actionbench.reports.analysis.results import Result, gather

CLASSES = ["box", "clap", "run"]


def result(attempt, truth, predicted, **facts):
    """Return a result with one row of predictions for each seed; clips are tested in a shuffled order."""
    predicted = np.asarray(predicted)
    n_seeds, n_clips = predicted.shape
    order = np.concatenate([np.random.default_rng(seed).permutation(n_clips) for seed in range(n_seeds)])
    seeds = np.repeat(np.arange(n_seeds), n_clips)
    names = [f"clip{place}" for place in range(n_clips)]
    labels = [CLASSES[label] for label in truth]
    groups = [f"g{place % 3}" for place in range(n_clips)]
    known = {
        "dataset": "toy",
        "split": "halves",
        "attempt": attempt,
        "family": "features",
        "fingerprint": "f",
        "classes": CLASSES,
        "dataset_warnings": [],
        "columns": {"key": np.array(["a"]), "status": np.array(["done"])},
        "positions": order,
        "seeds": seeds,
        "truth": np.asarray(truth)[order],
        "predicted": predicted[seeds, order],
        "confidence": np.ones(len(order)),
        "groups": np.asarray(groups)[order],
        "clips": pd.DataFrame({"clip": names, "label": labels, "group": groups}),
        "base": attempt,
    }
    return Result(**known | facts)


def verdict_of_seeds(truth, said):
    """Return None where a clip is solved, else the wrong label of most seeds."""
    if 2 * said.count(truth) > len(said):
        return None
    wrong = Counter(label for label in said if label != truth)
    return min(wrong, key=lambda label: (-wrong[label], label))


@st.composite
def answers(draw):
    n_clips = draw(st.integers(1, 6))
    label = st.integers(0, len(CLASSES) - 1)
    row = st.lists(label, min_size=n_clips, max_size=n_clips)
    n_attempts = draw(st.integers(2, 4))
    return draw(row), [draw(st.lists(row, min_size=1, max_size=4)) for _ in range(n_attempts)]


@given(answers())
def test_by_brute_force(asked):
    truth, predicted = asked
    table = hard_clips([result(f"a{n}", truth, seeds) for n, seeds in enumerate(predicted)])
    assert list(table.columns) == HARD_COLUMNS
    found = {row["position"]: row for row in table.to_dict("records")}
    for position, label in enumerate(truth):
        verdicts = [verdict_of_seeds(label, [seed[position] for seed in seeds]) for seeds in predicted]
        solvers = [f"a{n}" for n, verdict in enumerate(verdicts) if verdict is None]
        if len(solvers) > 1:
            assert position not in found
            continue
        row = found.pop(position)
        assert (row["kind"], row["attempt"]) == ((SOLVED, solvers[0]) if solvers else (MISSED, ""))
        wrong = Counter(verdict for verdict in verdicts if verdict is not None)
        assert row["predicted_as"] == CLASSES[min(wrong, key=lambda label: (-wrong[label], label))]
        assert row["n_predicted_as"] == max(wrong.values())
        assert row["n_attempts"] == len(predicted)
        assert (row["clip"], row["label"], row["group"]) == (
            f"clip{position}",
            CLASSES[label],
            f"g{position % 3}",
        )
    assert not found
    order = [(row["kind"], -row["n_predicted_as"], row["position"]) for row in table.to_dict("records")]
    assert order == sorted(order)


RIGHT, WRONG = [[0, 1, 2]], [[1, 2, 0]]


@pytest.mark.parametrize(
    "facts",
    [
        {"family": "trivial"},
        {"base": "other"},
        {"columns": {"key": np.array(["a", "b"]), "status": np.array(["done", "failed"])}},
        {"n_expected": 4},
    ],
    ids=["a trivial baseline", "fewer groups", "a failed cell", "cells to come"],
)
def test_who_does_not_count(facts):
    truth = [0, 1, 2]
    both = [result("a", truth, WRONG), result("b", truth, WRONG)]
    # Neither as one who solves, nor as the second without whom nothing can be said.
    table = hard_clips([*both, result("c", truth, RIGHT, **facts)])
    assert table["kind"].tolist() == [MISSED] * 3
    assert (table["n_attempts"] == 2).all()
    assert hard_clips([both[0], result("c", truth, WRONG, **facts)]).empty


def test_half_of_the_seeds_are_not_enough():
    truth = [0, 1, 2]
    table = hard_clips([result("a", truth, RIGHT + WRONG), result("b", truth, RIGHT + WRONG + RIGHT)])
    assert table["kind"].tolist() == [SOLVED] * 3
    assert table["attempt"].tolist() == ["b"] * 3


def test_clips_that_one_was_not_tested_on_are_left_out():
    truth = [0, 1, 2]
    some = result("a", truth, WRONG)
    tested = some.positions != 1
    facts = {
        name: getattr(some, name)[tested] for name in ("positions", "seeds", "truth", "predicted", "groups")
    }
    table = hard_clips([result("b", truth, WRONG), replace(some, **facts)])
    assert table["position"].tolist() == [0, 2]


def test_each_data_set_and_split_by_itself():
    truth = [0, 1, 2]
    pairs = [("b", "one"), ("a", "two"), ("a", "one")]
    asked = [
        result(attempt, truth, WRONG, dataset=dataset, split=split)
        for dataset, split in pairs
        for attempt in "xy"
    ]
    table = hard_clips(asked)
    assert list(zip(table["dataset"], table["split"], strict=True))[::3] == sorted(pairs)
    assert len(table) == 9


def test_nothing_to_say():
    assert list(hard_clips([]).columns) == HARD_COLUMNS
    assert hard_clips([result("a", [0], [[0]]), result("b", [0], [[0]])]).empty


def test_from_a_store(usual):
    # Three attempts that count, with two seeds each; chance is trivial.
    results = gather(usual.end())
    table = hard_clips(results)
    assert (table["n_attempts"] == 3).all()
    right = {
        name: np.bincount(one.positions, one.correct) == 2
        for one in results
        if (name := one.attempt) != "chance"
    }
    solvers = sum(right.values())
    assert sorted(table["position"][table["kind"] == MISSED]) == np.flatnonzero(solvers == 0).tolist()
    for row in table[table["kind"] == SOLVED].to_dict("records"):
        assert [name for name, solved in right.items() if solved[row["position"]]] == [row["attempt"]]
    assert (table["clip"] == [f"clip{place}" for place in table["position"]]).all()
