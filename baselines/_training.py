"""What several attempts need to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..features.clip import Clips

__all__ = ["encode", "inner_folds", "pick", "softmax"]

T = TypeVar("T")

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def encode(clips: Clips, labels: ArrayLike) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Return the classes, sorted, and the index of each clip's class.

    Raises
    ------
    ValueError
        If there is no clip, or not one label for each.
    """
    labels = np.asarray(labels, dtype=str)
    if not len(labels) or labels.shape != (len(clips),):
        raise ValueError(
            f"fit needs one label for each clip, got {len(clips)} clips and {labels.shape} labels"
        )
    classes, codes = np.unique(labels, return_inverse=True)
    return classes, codes.astype(np.intp)


def inner_folds(n_clips: int, groups: ArrayLike | None, most: int) -> list[Fold]:
    """Divide the training clips so that no group stands on both sides.

    Parameters
    ----------
    n_clips : int
        Number of training clips.
    groups : array_like of str, shape (n_clips,), optional
        Their groups; each clip is its own where they are not known.
    most : int
        Most folds.

    Returns
    -------
    list of (train, test) indices
        None where there is one group only.
    """
    _, codes = np.unique(np.arange(n_clips) if groups is None else np.asarray(groups), return_inverse=True)
    n_folds = min(most, int(codes.max()) + 1)
    if n_folds < 2:
        return []
    from sklearn.model_selection import GroupKFold

    return list(GroupKFold(n_folds).split(codes, groups=codes))


def pick(
    choices: Sequence[T],
    right: Callable[[T, NDArray[np.intp], NDArray[np.intp]], int],
    n_clips: int,
    groups: ArrayLike | None,
) -> T:
    """Return the choice that is correct most often on held-out groups of the training clips.

    Parameters
    ----------
    choices : sequence
        What to choose from; among equals the first wins, as it does where there is one group only.
    right : callable
        ``right(choice, train, held)`` learns from some clips and returns how many of the others it gets right.
    n_clips, groups
        See `inner_folds`.
    """
    if len(choices) == 1:
        return choices[0]
    total = np.zeros(len(choices))
    for train, held in inner_folds(n_clips, groups, 5):
        total += [right(choice, train, held) for choice in choices]
    return choices[int(np.argmax(total))]


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn rows of values into probabilities."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
