"""The contract of an attempt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ..features.clip import Clip, Clips

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Attempt", "Clip", "Clips", "Explanation"]


class Explanation(str):
    """What an attempt says of itself: a text, and figures beside it.

    Parameters
    ----------
    text : str
        The text; the object is this string.
    figures : dict of str to matplotlib.figure.Figure, optional
        Pictures by name.
    """

    figures: dict[str, Figure]

    def __new__(cls, text: str, figures: dict[str, Figure] | None = None) -> Self:
        """Make the string and hang the figures on it."""
        explanation = super().__new__(cls, text)
        explanation.figures = figures or {}
        return explanation


class Attempt(ClassifierMixin, BaseEstimator, ABC):
    """One way to recognise actions.

    A scikit-learn estimator whose samples are clips: parameters are keyword arguments of ``__init__``, which only
    stores them; ``fit`` checks and works, sets ``classes_`` and other attributes that end in ``_``, and returns
    ``self``. What is random takes its numbers from the parameter ``random_state``. A parameter named ``n_jobs`` or
    ``threads`` must not change the outcome.

    Attributes
    ----------
    family : str
        ``"rules"``, ``"features"``, ``"dense"``, ``"convnet"``, ``"floor"``, or any new word.
    controls : tuple of str
        Values of the parameter ``control`` that take something away which the attempt claims to use; a matrix with
        ``controls = true`` runs them beside it.
    classes_ : ndarray of str, shape (n_classes,)
        The labels seen in ``fit``, sorted.
    """

    family: ClassVar[str]
    controls: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn from labelled clips.

        Parameters
        ----------
        clips : Clips
            Training clips.
        labels : ndarray of str, shape (n_clips,)
            Their labels.
        groups : ndarray of str, shape (n_clips,), optional
            Their groups, so that whatever is chosen inside can be chosen on held-out groups.
        """

    @abstractmethod
    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return class probabilities.

        Returns
        -------
        ndarray of float64, shape (n_clips, n_classes)
            Rows sum to 1; columns in the order of ``classes_``.
        """

    def predict(self, clips: Clips) -> np.ndarray:
        """Return the most probable label of each clip, shape (n_clips,)."""
        best = np.argmax(self.predict_proba(clips), axis=1)
        return self.classes_[best]

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter; none by default."""
        return {}

    def explain(self) -> Explanation:
        """Say how the fitted attempt decides.

        An attempt that can also say why it decides as it does for one clip takes it as a parameter ``clip``, which is
        optional, and says that after the rest.
        """
        return Explanation(f"{type(self).__name__} does not explain itself.")

    def count(self) -> dict[str, int]:
        """Return what the fitted attempt consists of.

        Returns
        -------
        dict of str to int
            ``parameters``: numbers fitted to the data; ``operations``: floating-point operations to predict one
            clip, where known; of a list of rules ``rules``, ``conditions`` and ``quantities``.
        """
        return {}

    def uses(self) -> list[type[Attempt]]:
        """Return the attempts that this one makes by name, whose code counts as its own; none by default."""
        return []

    def files(self) -> list[Path]:
        """Return the files named by parameters: a result is computed again when the content of one changes."""
        return []

    def skip(self, dataset: Any) -> str | None:
        """Return why this attempt makes no sense on a data set, or None where it does."""
        return None

    def save(self, folder: str | Path) -> None:
        """Write the fitted attempt to a folder, without pickle."""
        from .persistence import save

        save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        from .persistence import load

        return load(cls, Path(folder))
