"""The contract of an attempt."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import did_you_mean
from ..features.clip import Clip, Clips
from . import persistence
from ._training import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Attempt", "Clip", "Clips", "Explanation", "check_is_fitted"]


class Explanation(str):
    """The explanation of a fitted attempt: a text, with figures.

    Parameters
    ----------
    text : str
        The text; the object is this string.
    figures : dict of str to matplotlib.figure.Figure, optional
        Pictures by name.
    """

    figures: dict[str, Figure]

    def __new__(cls, text: str, figures: dict[str, Figure] | None = None) -> Self:
        """Create the string and attach the figures."""
        explanation = super().__new__(cls, text)
        explanation.figures = figures or {}
        return explanation


class Attempt(ABC):
    """One way to recognise actions.

    A scikit-learn estimator whose samples are clips: parameters are keyword arguments of ``__init__``, which only
    stores them; ``fit`` checks them, sets ``classes_`` and other attributes that end in ``_``, and returns ``self``.
    Randomness is controlled by the parameter ``random_state``. A parameter named ``n_jobs`` or ``threads`` must not
    change the outcome.

    The class does not derive from scikit-learn's, whose import takes longer than planning a matrix.

    Attributes
    ----------
    family : str
        ``"rules"``, ``"features"``, ``"dense"``, ``"convnet"``, ``"trivial"``, or any new word.
    trusted_types : tuple of str
        Types of fitted attributes, as ``module.Name``, that `load` may create although neither skops nor this project
        trusts them; scikit-learn's own need not be listed.
    copies : Path or None
        The folder with the `needed_files` of a loaded attempt, None where those that its parameters name are used.
    classes_ : ndarray of str, shape (n_classes,)
        The labels seen in ``fit``, sorted.
    """

    family: ClassVar[str]
    trusted_types: ClassVar[tuple[str, ...]] = ()
    copies: Path | None = None
    classes_: NDArray[np.str_]

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
            Their groups, so that hyperparameters can be chosen on held-out groups.
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

    def score(self, clips: Clips, labels: ArrayLike) -> float:
        """Return the accuracy of `predict`."""
        return float(np.mean(self.predict(clips) == np.asarray(labels)))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the parameters by name, sorted, each with its default."""
        # The signature of `object.__init__` accepts anything.
        if cls.__init__ is object.__init__:
            return {}
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
            raise TypeError(
                f"{cls.__name__}.__init__ must name its parameters, it takes any number of arguments"
            )
        named = {one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}
        return dict(sorted(named.items()))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; they are plain values, so that ``deep`` changes nothing."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        known = self._defaults()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"{self!r} has no parameter {name!r}; {did_you_mean(name, known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Return the class with the parameters that differ from the defaults."""
        defaults, params = self._defaults(), self.get_params(deep=False)
        changed = [
            f"{name}={value!r}" for name, value in params.items() if repr(value) != repr(defaults[name])
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _validate_params(self) -> None:
        """Validate the parameters by ``_parameter_constraints``, declared as in scikit-learn's estimators."""
        from sklearn.utils._param_validation import validate_parameter_constraints

        declared = self._parameter_constraints  # type: ignore[attr-defined]
        validate_parameter_constraints(declared, self.get_params(deep=False), caller_name=type(self).__name__)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags of a classifier."""
        from sklearn.base import BaseEstimator, ClassifierMixin

        class Classifier(ClassifierMixin, BaseEstimator):
            pass

        return Classifier().__sklearn_tags__()

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter; none by default."""
        return {}

    def explain(self) -> Explanation:
        """Explain how the fitted attempt decides.

        An attempt that can also explain the decision for one clip takes it as an optional parameter ``clip``.
        """
        return Explanation(f"{type(self).__name__} does not explain itself.")

    def count(self) -> dict[str, int]:
        """Return the size of the fitted attempt.

        Returns
        -------
        dict of str to int
            ``parameters``: values fitted to the data; ``operations``: floating-point operations to predict one
            clip, where known; of a list of rules ``rules``, ``conditions`` and ``quantities``.
        """
        return {}

    def uses(self) -> list[type[Attempt]]:
        """Return the attempts that this one creates by name, whose code counts as its own; none by default."""
        return []

    def files(self) -> list[Path]:
        """Return the files named by parameters: results are computed again when the content of one changes."""
        return []

    def environment(self) -> list[str]:
        """Return the names of environment variables that change the results; none by default."""
        return []

    @property
    def pretrained(self) -> str:
        """What it was trained on beside the clips of `fit`; empty if on nothing."""
        return ""

    def warnings(self) -> dict[str, str]:
        """Return sentences on what it has computed since ``fit`` that every table must show, by their codes.

        Codes are those by which a matrix silences warnings.
        """
        return {}

    def skip(self, dataset: Any) -> str | None:
        """Return why this attempt cannot be used on a data set, or None if it can."""
        return None

    def save(self, folder: str | Path) -> None:
        """Write the fitted attempt to a folder, without pickle."""
        persistence.save(self, Path(folder))

    def needed_files(self) -> list[Path]:
        """Return the files that the fitted attempt reads to predict, of distinct names.

        `save` copies them, and `load` sets ``copies`` to the folder of the copies.
        """
        return []

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        return persistence.load(cls, Path(folder))
