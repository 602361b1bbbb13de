"""Choosing an attempt's parameters under a budget that is the same for all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...baselines.base import Attempt
from ...errors import SplitError
from ...features.cache import temporary_cache
from ...features.clip import Clips
from ...features.cost import track_costs
from ...progress import each


@dataclass(frozen=True)
class Budget:
    """What a search may spend.

    Parameters
    ----------
    trials : int, optional
        Parameter points that are tried.
    seconds : float, optional
        No trial begins later, as if each feature had been computed once, in the first trial that reads it.
    folds : int
        Inner folds, of whole groups.
    """

    trials: int | None
    seconds: float | None
    folds: int


@dataclass
class Tuning:
    """What a search has found and spent; ``trials`` holds ``params``, ``score``, ``seconds`` and ``error`` of each.

    Each feature counts in the seconds once, computed or found.
    """

    params: dict[str, Any] = field(default_factory=dict)
    score: float | None = None
    seconds: float = 0.0
    trials: list[dict[str, Any]] = field(default_factory=list)


def tune(
    make: Callable[[Mapping[str, Any]], Attempt],
    space: Mapping[str, list[Any]],
    clips: Clips,
    labels: NDArray[np.str_],
    groups: NDArray[np.str_],
    budget: Budget,
    seed: int,
) -> Tuning:
    """Search for parameters on training clips alone.

    The first trial is the attempt as it is; the others are drawn from its space without repetition (random search:
    Bergstra and Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012), all of them where the
    budget allows. Each is scored by its accuracy on inner folds of whole groups. The best wins, of equals the first.

    Parameters
    ----------
    make : callable
        Returns an unfitted attempt with some parameters changed.
    space : mapping of str to list
        From `Attempt.search_space`.
    clips, labels, groups
        The training side of a fold.
    budget : Budget
        When to stop; at least one trial is made.
    seed : int
        Of the draws and the inner folds.

    Raises
    ------
    SplitError
        If there are fewer than two training groups, or no inner fold has two classes to learn from.
    Exception
        What the last trial raised, if every one failed.
    """
    folds = list(_inner_folds(labels, groups, budget.folds, seed))
    if not folds:
        raise SplitError(
            "tune: whichever groups of the training side are held out, the others have clips of one class only; two "
            "classes must have clips in two groups or more each"
        )
    found, failure = Tuning(), None
    with temporary_cache(), track_costs() as costs:
        start = time.perf_counter()
        n_points = _n_points(space, budget.trials)
        for params in each("trials", _points(space, n_points, seed), n_points):
            if found.trials and budget.seconds is not None and found.seconds > budget.seconds:
                break
            trial: dict[str, Any] = {"params": params, "score": None, "error": None}
            try:
                trial["score"] = _score(make, params, clips, labels, groups, folds)
            except Exception as error:  # a point that does not work is a bad point
                failure, trial["error"] = error, f"{type(error).__name__}: {error}"
            before, found.seconds = found.seconds, time.perf_counter() - start + float(costs.correction[0])
            trial["seconds"] = found.seconds - before
            found.trials.append(trial)
            if trial["score"] is not None and (found.score is None or trial["score"] > found.score):
                found.score, found.params = trial["score"], params
    if found.score is None and failure is not None:
        raise failure
    return found


def _score(
    make: Callable[[Mapping[str, Any]], Attempt],
    params: Mapping[str, Any],
    clips: Clips,
    labels: NDArray[np.str_],
    groups: NDArray[np.str_],
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> float:
    right = total = 0
    for train, test in each("folds", folds, len(folds)):
        attempt = make(params).fit(clips[train], labels[train], groups[train])
        # As a table takes it.
        likeliest = np.argmax(attempt.predict_proba(clips[test]), axis=1)
        right += int(np.count_nonzero(np.asarray(attempt.classes_)[likeliest] == labels[test]))
        total += len(test)
    return right / total


def _n_points(space: Mapping[str, list[Any]], trials: int | None) -> int:
    size = math.prod(len(values) for values in space.values()) if space else 0
    return 1 + (size if trials is None else min(trials - 1, size))


def _points(space: Mapping[str, list[Any]], n: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the attempt as it is, then points of its space in random order."""
    from sklearn.model_selection import ParameterSampler

    yield {}
    if n > 1:
        yield from map(dict, ParameterSampler(dict(space), n - 1, random_state=seed))


def _inner_folds(
    labels: NDArray[np.str_], groups: NDArray[np.str_], n_folds: int, seed: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise SplitError(
            f"tune: the training side has {n_groups} group; there must be two or more, one of which can be held out"
        )
    splitter = StratifiedGroupKFold(min(n_folds, n_groups), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class rarer than the folds is only missing in some of them.
        warnings.simplefilter("ignore", UserWarning)
        for train, test in splitter.split(np.zeros(len(labels)), labels, groups):
            if len(test) and len(np.unique(labels[train])) > 1:
                yield train, test
