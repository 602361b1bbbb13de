"""Functions that several attempts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..features.clip import Clips

__all__ = ["check_is_fitted", "choose", "encode", "inner_folds", "softmax"]

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


def check_is_fitted(attempt: object) -> None:
    """Check that an attempt has an attribute that ends in ``_``, like scikit-learn's function of this name.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it has not been fitted.
    """
    if not any(name.endswith("_") and not name.startswith("__") for name in vars(attempt)):
        from sklearn.exceptions import NotFittedError

        raise NotFittedError(f"this {type(attempt).__name__} is not fitted yet; call fit first")


def inner_folds(n_clips: int, groups: ArrayLike | None, max_folds: int) -> list[Fold]:
    """Divide the training clips into folds, so that no group is in both the training and the test part.

    Parameters
    ----------
    n_clips : int
        Number of training clips.
    groups : array_like of str, shape (n_clips,), optional
        Their groups; by default each clip is a group of its own.
    max_folds : int
        Largest number of folds.

    Returns
    -------
    list of (train, test) indices
        Empty if there is one group only.
    """
    _, codes = np.unique(np.arange(n_clips) if groups is None else np.asarray(groups), return_inverse=True)
    n_folds = min(max_folds, int(codes.max()) + 1)
    if n_folds < 2:
        return []
    from sklearn.model_selection import GroupKFold

    return list(GroupKFold(n_folds).split(codes, groups=codes))


def choose(
    choices: Sequence[T],
    n_correct: Callable[[T, NDArray[np.intp], NDArray[np.intp]], int],
    n_clips: int,
    groups: ArrayLike | None,
) -> T:
    """Return the choice with the highest accuracy on held-out groups of the training clips.

    Parameters
    ----------
    choices : sequence
        What to choose from; among equals, or if there is one group only, the first wins.
    n_correct : callable
        ``n_correct(choice, train, test)`` fits on some clips and returns how many of the others it predicts correctly.
    n_clips, groups
        See `inner_folds`.
    """
    if len(choices) == 1:
        return choices[0]
    total = np.zeros(len(choices))
    for train, test in inner_folds(n_clips, groups, 5):
        total += [n_correct(choice, train, test) for choice in choices]
    return choices[int(np.argmax(total))]


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn rows of values into probabilities."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
