"""The answer "none of these": a test, by conformal prediction over groups, of whether a clip shows a known class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...errors import ModelError

__all__ = ["NONE", "OTHER", "Rejection", "check_rate"]

#: The answer for a clip that shows none of the classes.
NONE = "none of these"
#: The class of training clips that show none of the others.
OTHER = "other"


class Rejection(BaseModel):
    """How well an attempt has known clips of groups that it did not learn from.

    A clip's score is the largest probability of a class (Hendrycks and Gimpel, ICLR 2017), less that of the class
    ``other`` where there is one. The p-value of a new clip is the share of clips of held-out groups whose scores are as
    small, where each group counts as much as any other, and the new clip as one more. Of clips of new groups that show
    a known class, at most a share ``rate`` has a p-value of ``rate`` or less, if new groups come from where the
    training groups came from, however similar the clips of a group are.

    Parameters
    ----------
    scores : list of list of float
        Of the clips of each held-out group that show a class other than ``other``.

    Notes
    -----
    The test of Bates et al., "Testing for outliers with conformal p-values", Annals of Statistics 51, 2023, with whole
    groups as units as in Lee, Barber and Willett, "Distribution-free inference with hierarchical data", 2023. Held-out
    clips are scored by attempts that learned from fewer groups (cross-conformal prediction, Vovk 2015), which are less
    sure, so that fewer clips are rejected than promised; ``make levels`` measures how many.

    Examples
    --------
    >>> known = Rejection(scores=[[0.9, 0.7], [0.8], [0.6, 0.9]])
    >>> known.p_value(0.65), known.smallest_rate
    (0.375, 0.25)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: Annotated[list[Annotated[list[float], Field(min_length=1)]], Field(min_length=1)]

    @classmethod
    def of(
        cls, probabilities: NDArray[np.float64], labels: ArrayLike, classes: Sequence[str], groups: ArrayLike
    ) -> Self:
        """Collect the scores of held-out clips.

        Parameters
        ----------
        probabilities : ndarray, shape (n_clips, n_classes)
            By attempts that learned from other groups; rows of NaN are left out.
        labels : array_like of str, shape (n_clips,)
            The classes of the clips.
        classes : sequence of str
            Those of the columns.
        groups : array_like, shape (n_clips,)
            Groups of the clips.

        Raises
        ------
        ModelError
            If no clip is held out.
        """
        labels, groups = np.asarray(labels), np.asarray(groups)
        known = np.isfinite(probabilities).all(axis=1) & (labels != OTHER)
        if not known.any():
            raise ModelError(
                "reject: no group could be held out; clips that show a class must be of two groups or more"
            )
        scores = np.array([score(dict(zip(classes, row, strict=True))) for row in probabilities.tolist()])
        return cls(scores=[sorted(scores[known & (groups == one)]) for one in np.unique(groups[known])])

    @property
    def smallest_rate(self) -> float:
        """The smallest rate that so many groups can hold."""
        return 1 / (len(self.scores) + 1)

    def p_value(self, score: float) -> float:
        """Return the p-value of a clip that has a score, against the hypothesis that it shows a known class."""
        shares = [np.searchsorted(own, score, side="right") / len(own) for own in self.scores]
        return float((1 + sum(shares)) / (len(shares) + 1))


def score(probabilities: Mapping[str, float]) -> float:
    """Return how sure an attempt is that a clip shows one of the classes, see `Rejection`."""
    best = max((share for label, share in probabilities.items() if label != OTHER), default=0.0)
    return best - probabilities.get(OTHER, 0.0)


def check_rate(rejection: Rejection | None, rate: float, folder: object) -> Rejection:
    """Return the rejection of a model, or raise ModelError if it cannot hold a rate."""
    if not 0 < rate < 1:
        raise ModelError(f"the rate of clips to reject must be above 0 and below 1, got {rate:g}")
    if rejection is None:
        raise ModelError(
            f"{folder}: the model cannot answer {NONE!r}; fit it with --reject, which holds groups out"
        )
    if rate < rejection.smallest_rate:
        raise ModelError(
            f"{folder}: a rate of {rate:g} needs {ceil(1 / rate) - 1} groups of training clips, the model has "
            f"{len(rejection.scores)}; the smallest rate is {rejection.smallest_rate:.3g}"
        )
    return rejection
