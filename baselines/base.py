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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Attempt", "Clip", "Clips", "Explanation", "check_is_fitted"]


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


class Attempt(ABC):
    """One way to recognise actions.

    A scikit-learn estimator whose samples are clips: parameters are keyword arguments of ``__init__``, which only
    stores them; ``fit`` checks and works, sets ``classes_`` and other attributes that end in ``_``, and returns
    ``self``. What is random takes its numbers from the parameter ``random_state``. A parameter named ``n_jobs`` or
    ``threads`` must not change the outcome.

    It is one by what it can do, not by derivation: to import scikit-learn takes longer than to plan a matrix.

    Attributes
    ----------
    family : str
        ``"rules"``, ``"features"``, ``"dense"``, ``"convnet"``, ``"trivial"``, or any new word.
    controls : tuple of str
        Values of the parameter ``control`` that take something away which the attempt claims to use; a matrix with
        ``controls = true`` runs them beside it.
    trusted_types : tuple of str
        Types of what is fitted, as ``module.Name``, that `load` may make although neither skops nor this project
        trusts them; scikit-learn's own need not be named.
    classes_ : ndarray of str, shape (n_classes,)
        The labels seen in ``fit``, sorted.
    """

    family: ClassVar[str]
    controls: ClassVar[tuple[str, ...]] = ()
    trusted_types: ClassVar[tuple[str, ...]] = ()
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

    def score(self, clips: Clips, labels: ArrayLike) -> float:
        """Return the share of clips whose label `predict` gives."""
        return float(np.mean(self.predict(clips) == np.asarray(labels)))

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the parameters by name, sorted, each with its default."""
        # The signature of object's takes anything.
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
        """Print the class with the parameters that are not as by default."""
        defaults, params = self._defaults(), self.get_params(deep=False)
        changed = [
            f"{name}={value!r}" for name, value in params.items() if repr(value) != repr(defaults[name])
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _validate_params(self) -> None:
        """Hold the parameters against ``_parameter_constraints``, declared as scikit-learn's estimators do."""
        from sklearn.utils._param_validation import validate_parameter_constraints

        declared = self._parameter_constraints  # type: ignore[attr-defined]
        validate_parameter_constraints(declared, self.get_params(deep=False), caller_name=type(self).__name__)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what kind of estimator this is: a classifier."""
        from sklearn.base import BaseEstimator, ClassifierMixin

        class Classifier(ClassifierMixin, BaseEstimator):
            pass

        return Classifier().__sklearn_tags__()

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter; none by default."""
        return {}

    def explain(self) -> Explanation:
        """Describe how the fitted attempt decides.

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

    def environment(self) -> list[str]:
        """Return the names of the environment variables that change what is fitted or predicted; none by default."""
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


def check_is_fitted(attempt: Attempt) -> None:
    """Refuse an attempt that has no attribute which ends in ``_``, as scikit-learn's function of this name does.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it has not been fitted.
    """
    if not any(name.endswith("_") and not name.startswith("__") for name in vars(attempt)):
        from sklearn.exceptions import NotFittedError

        raise NotFittedError(f"this {type(attempt).__name__} is not fitted yet; call fit first")
