"""Which clips show what a data set looks like."""

from __future__ import annotations

import numpy as np

from .results import Result

__all__ = ["class_examples"]

# Largest number of classes that are shown.
_MAX_CLASSES = 30


def class_examples(results: list[Result]) -> dict[str, int]:
    """Return the position of the first clip of each class that is predicted, by the class.

    Parameters
    ----------
    results : list of Result
        On one data set under one split.

    Examples
    --------
    >>> class_examples([])
    {}
    """
    if not results:
        return {}
    truth, positions = (
        np.concatenate([getattr(result, name) for result in results]) for name in ("truth", "positions")
    )
    order = np.lexsort([positions, truth])
    classes, first = np.unique(truth[order], return_index=True)
    names = results[0].classes
    return {
        names[number]: int(positions[order[place]])
        for number, place in zip(classes[:_MAX_CLASSES].tolist(), first, strict=False)
    }
