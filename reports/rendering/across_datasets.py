"""Comparison across all data sets of a store, by the ranks of attempts."""

from __future__ import annotations

import pandas as pd

from ..analysis import tables
from ..analysis.pairs import ranked
from ..analysis.results import Result
from ..statistics.intervals import accuracy
from .prose import describe_ranks, join_first, lead_of_ranks
from .verdict import Verdict


def common_scores(results: list[Result]) -> tuple[pd.DataFrame, list[str]]:
    """Return the accuracy of attempts on each data set, and sentences on what was left out.

    Parameters
    ----------
    results : list of Result
        Of all data sets.

    Returns
    -------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores; empty for fewer than three data sets or two attempts. Of several splits of a data set
        the one with the fewest warnings is used, and of data sets that differ only in options, as in a nuisance, the
        first, as they share their people.
    left : list of str
        Sentences on attempts that are not compared (`pairs.ranked`) on every data set, and on data sets without any
        compared attempt.
    """
    found: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        found.setdefault(result.dataset, {}).setdefault(result.split, []).append(result)
    scores: dict[str, dict[str, float]] = {}
    sources = set()
    for dataset, splits in found.items():
        entry = next(iter(splits.values()))[0].entry
        source = tuple(str(entry.get(key)) for key in ("name", "root", "seed")) if entry else dataset
        if source in sources:
            continue
        sources.add(source)
        chosen = min(splits, key=lambda split: (len(tables.dataset_warnings(splits[split][0])), split))
        scores[dataset] = {
            result.attempt: accuracy(result.correct, result.weights) for result in ranked(splits[chosen])
        }
    table = pd.DataFrame.from_dict({name: own for name, own in scores.items() if own}, orient="index")
    whole = table.dropna(axis=1)
    excluded = {
        "not finished on every data set": sorted(table.columns.difference(whole.columns)),
        "no attempt has finished there": [name for name, own in scores.items() if not own],
    }
    left = [f"Left out because {why}: {join_first(names)}." for why, names in excluded.items() if names]
    return (whole, left) if len(whole) > 2 and whole.shape[1] > 1 else (pd.DataFrame(), left)


def verdict_across_datasets(scores: pd.DataFrame, left: list[str]) -> Verdict:
    """Describe which attempts have the first place across all data sets, and how that was tested.

    Parameters
    ----------
    scores, left
        From `common_scores`, not empty.
    """
    return Verdict(lead_of_ranks(scores), tested=" ".join([describe_ranks(scores), *left]))
