"""Saving a fitted attempt to a folder and loading it, without pickle."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import ActionbenchError
from ._training import check_is_fitted
from .plugins import PLUGINS, described, installed_entry_points

if TYPE_CHECKING:
    from .base import Attempt

__all__ = ["SCIKIT_LEARN", "load", "pack", "same_state", "save", "state_bytes", "unpack"]

A = TypeVar("A", bound="Attempt")

_DESCRIPTION = "attempt.json"
_STATE = "fitted.skops"
_FILES = "files"
_FORMAT = 1
_PLAIN = "fitted_state() must give numbers, arrays and containers of them"

#: Types of scikit-learn that skops does not trust by default. Their constructors were reviewed: they copy their
#: arguments, and run nothing that a file names. A forged tree can still make scikit-learn read beyond its arrays.
SCIKIT_LEARN = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(
        f"sklearn.gaussian_process.kernels.{name}"
        for name in (
            "CompoundKernel",
            "ConstantKernel",
            "DotProduct",
            "ExpSineSquared",
            "Exponentiation",
            "Matern",
            "Product",
            "RBF",
            "RationalQuadratic",
            "Sum",
            "WhiteKernel",
        )
    ),
    "sklearn.metrics._dist_metrics.EuclideanDistance32",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)


def save(attempt: Attempt, folder: Path) -> None:
    """Write a fitted attempt to a folder.

    ``attempt.json`` names the class and its parameters, ``files/`` holds copies of the files that it needs,
    ``fitted.skops`` the fitted attributes: numbers, arrays, containers of them, scikit-learn's estimators. An attempt
    with others names their types in ``trusted_types``, or gives ``fitted_state()``, a dict without them, and restores
    it by ``restore_state(state)``. The written state is read back and compared.

    Parameters
    ----------
    attempt : Attempt
        The fitted attempt.
    folder : Path
        Where to; created if it does not exist.

    Raises
    ------
    ActionbenchError
        If a parameter cannot be written as JSON, the fitted state cannot be read back, or the folder not be written.
    sklearn.exceptions.NotFittedError
        If the attempt is not fitted.
    """
    # Importing skops takes a second.
    import skops.io

    check_is_fitted(attempt)
    description = {"format": _FORMAT, "class": _name(type(attempt)), "params": attempt.get_params(deep=False)}
    try:
        text = json.dumps(description, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ActionbenchError(
            f"{type(attempt).__name__} cannot be saved: its parameters must be JSON values ({error})"
        ) from error
    state = _state(attempt)
    try:
        content = skops.io.dumps(state)
    except Exception as error:  # a type of a plug-in may fail in any way
        raise ActionbenchError(
            f"{type(attempt).__name__} cannot be saved: its fitted state cannot be written "
            f"({described(error)}); {_PLAIN}"
        ) from error
    _check_readable(attempt, state, content)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _STATE).write_bytes(content)
        (folder / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        for path in attempt.needed_files():
            (folder / _FILES).mkdir(exist_ok=True)
            shutil.copyfile(path, folder / _FILES / path.name)
    except OSError as error:
        raise ActionbenchError(f"{folder}: the attempt cannot be saved there ({error.strerror})") from error


def _check_readable(attempt: Attempt, state: dict[str, Any], content: bytes) -> None:
    """Check that `load` would restore the same state."""
    name = type(attempt).__name__
    untrusted = _untrusted(type(attempt), content)
    if untrusted:
        raise ActionbenchError(
            f"{name} cannot be saved: its fitted state holds {', '.join(untrusted)}; {name}.trusted_types must name "
            f"these types, if loading them is safe, or {_PLAIN}"
        )
    try:
        back = _read(type(attempt), content)
    except Exception as error:  # a type of a plug-in may fail in any way
        raise ActionbenchError(
            f"{name} cannot be saved: its fitted state cannot be read back ({described(error)}); {_PLAIN}"
        ) from error
    if not same_state(state, back):
        raise ActionbenchError(
            f"{name} cannot be saved: the state read back differs from the fitted one; {_PLAIN}"
        )


def _read(cls: type[Attempt], content: bytes) -> Any:
    import skops.io

    return skops.io.loads(content, trusted=sorted({*SCIKIT_LEARN, *cls.trusted_types}))


def _untrusted(cls: type[Attempt], content: bytes) -> list[str]:
    """Return the types in a file that neither skops, nor this project, nor the attempt trusts."""
    import skops.io

    return sorted({*skops.io.get_untrusted_types(data=content)} - {*SCIKIT_LEARN, *cls.trusted_types})


def same_state(one: Any, other: Any) -> bool:
    """Return whether two fitted states have the same types and values; NaN equals NaN."""
    return _same(one, other, {})


def _same(one: Any, other: Any, seen: dict[tuple[int, int], Any]) -> bool:
    if one is other or (id(one), id(other)) in seen:
        return True
    if type(one) is not type(other):
        return False
    # References are kept so that no other object gets the same address.
    seen[id(one), id(other)] = one, other
    if isinstance(one, np.ndarray | np.generic) and one.dtype != object:
        # The padding between the fields of a record is undefined.
        first, second = np.asarray(one), np.asarray(other)
        return (first.dtype, first.shape) == (second.dtype, second.shape) and all(
            first[part].tobytes() == second[part].tobytes() for part in first.dtype.names or [...]
        )
    if isinstance(one, float | complex):
        return one == other or (one != one and other != other)
    if isinstance(one, str | bytes | int | set | frozenset | type):
        return bool(one == other)
    if isinstance(one, dict):
        one, other = [*one.items()], [*other.items()]
    if isinstance(one, list | tuple | np.ndarray):
        return len(one) == len(other) and all(_same(*pair, seen) for pair in zip(one, other, strict=True))
    try:
        return _same(one.__getstate__(), other.__getstate__(), seen)
    except TypeError:  # a type of an extension module that only defines __reduce__
        return _same(one.__reduce__()[1:], other.__reduce__()[1:], seen)


def load(cls: type[A], folder: Path) -> A:
    """Read a fitted attempt from a folder.

    Parameters
    ----------
    cls : type
        The attempt's class, or one it derives from: ``Attempt`` reads any that is installed or imported.
    folder : Path
        What `save` wrote.

    Returns
    -------
    Attempt
        With the same predictions as the saved one.

    Raises
    ------
    ActionbenchError
        If the folder does not hold a saved attempt of this class, or is damaged.
    """
    description = _read_description(folder)
    try:
        found = _find_class(cls, description["class"])
    except ActionbenchError as error:
        raise ActionbenchError(f"{folder}: {error}") from error
    try:
        attempt = found(**description["params"])
    except TypeError as error:
        raise ActionbenchError(
            f"{folder / _DESCRIPTION}: the parameters are not those of {found.__name__} ({error})"
        ) from error
    _read_state(attempt, folder)
    if (folder / _FILES).is_dir():
        attempt.copies = folder / _FILES
    return attempt


def pack(attempt: Attempt) -> dict[str, Any]:
    """Return a fitted attempt as plain values, for the ``fitted_state()`` of an attempt that contains it."""
    params = attempt.get_params(deep=False)
    return {"class": _name(type(attempt)), "params": params, "state": _state(attempt)}


def unpack(cls: type[A], packed: dict[str, Any]) -> A:
    """Return the attempt that `pack` was given, of a class or of one that derives from it."""
    attempt = _find_class(cls, packed["class"])(**packed["params"])
    _set_state(attempt, packed["state"])
    return attempt


def state_bytes(attempt: Attempt) -> int:
    """Return the bytes of all values and texts in the fitted state of an attempt, and of the files that it needs."""
    return _bytes(_state(attempt), set()) + sum(path.stat().st_size for path in attempt.needed_files())


def _bytes(value: Any, seen: set[int]) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if value is None or isinstance(value, bool | int | float | complex):
        return 8
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(_bytes(part, seen) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return sum(_bytes(part, seen) for part in list(value))
    return _bytes(getattr(value, "__dict__", {}), seen)


def _name(cls: type) -> str:
    module = cls.__module__
    if module.startswith(PLUGINS):
        # The name of the file only, as the plug-in may be in another folder where the attempt is loaded.
        file = getattr(sys.modules.get(module), "__file__", None)
        module = PLUGINS + Path(file).stem if file else module
    return f"{module}:{cls.__qualname__}"


def _state(attempt: Attempt) -> dict[str, Any]:
    if hasattr(attempt, "fitted_state"):
        return attempt.fitted_state()
    return {name: value for name, value in vars(attempt).items() if _is_fitted(name)}


def _is_fitted(name: Any) -> bool:
    return isinstance(name, str) and name.endswith("_") and not name.startswith("_")


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / _DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ActionbenchError(f"{path}: cannot be read, so {folder} holds no saved attempt") from error
    except ValueError as error:
        raise ActionbenchError(f"{path}: is damaged, it is no longer JSON") from error
    types = {"format": int, "class": str, "params": dict}
    known = isinstance(description, dict) and all(
        isinstance(description.get(key), kind) for key, kind in types.items()
    )
    if not known or description["format"] != _FORMAT:
        raise ActionbenchError(f"{path}: does not describe a saved attempt of format {_FORMAT}")
    return description


def _find_class(cls: type[A], name: str) -> type[A]:
    """Return the class of that name, among those imported or declared by an installed package."""
    for entry in installed_entry_points("actionbench.attempts"):
        # Only modules that a package declares are imported, whatever the file names.
        if entry.value == name:
            entry.load()
    for known in _descendants(cls):
        if _name(known) == name:
            return known
    if name.startswith(PLUGINS):
        file = name.removeprefix(PLUGINS).partition(":")[0]
        raise ActionbenchError(f"holds an attempt of the plug-in {file}.py; name that file with --plugin")
    raise ActionbenchError(f"holds an attempt of class {name}, which is not a known {cls.__name__}")


def _descendants(cls: type[A]) -> Iterator[type[A]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _descendants(child)


def _read_state(attempt: Attempt, folder: Path) -> None:
    path = folder / _STATE
    try:
        content = path.read_bytes()
        untrusted = _untrusted(type(attempt), content)
        if not untrusted:
            _set_state(attempt, _read(type(attempt), content))
    except Exception as error:  # a damaged archive may fail in any way
        raise ActionbenchError(
            f"{path}: the fitted attempt cannot be read back ({described(error)})"
        ) from error
    if untrusted:
        raise ActionbenchError(
            f"{path}: holds {', '.join(untrusted)}, which {type(attempt).__name__}.trusted_types does not name; "
            "nothing was read"
        )


def _set_state(attempt: Attempt, state: dict[str, Any]) -> None:
    if hasattr(attempt, "restore_state"):
        attempt.restore_state(state)
        return
    for name in filter(_is_fitted, state):
        setattr(attempt, name, state[name])
    check_is_fitted(attempt)
