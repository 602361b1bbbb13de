"""What all methods share: how they are called, how their options are checked, what they remember."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import update_wrapper
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import did_you_mean

Array = NDArray[np.floating]
OpFunc = Callable[[Array], tuple[float, Any]]
State = dict[str, Any]
Result = tuple[Array, list[float]]
Method = Callable[[OpFunc, Array, State], Result]

_KINDS = (np.float32, np.float64)


def _number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


_Rule = tuple[Callable[[Any], bool], str]
_COUNT: _Rule = (lambda v: _number(v, 1) and v % 1 == 0, "an integer of 1 or more")
_SHARE: _Rule = (lambda v: _number(v, 0, 1), "a number from 0 to 1")
_LESSER_SHARE: _Rule = (lambda v: _number(v, 0, 1) and v < 1, "a number from 0 to below 1")
_REAL: _Rule = (_number, "a number")
_USUAL: _Rule = (lambda v: _number(v, 0) and v < math.inf, "a finite number of 0 or more")
# What an option must be: by its annotation, or else by its name.
_BY_TYPE: dict[str, _Rule] = {
    "bool": (lambda v: isinstance(v, bool), "True or False"),
    "int": _COUNT,
    "int | None": _COUNT,
    "np.random.Generator | int": (
        lambda v: isinstance(v, np.random.Generator) or (type(v) is int and v >= 0),
        "a generator or an integer of 0 or more",
    ),
}
_BY_NAME: dict[str, _Rule] = {
    **dict.fromkeys(("alpha", "crossover_rate"), _SHARE),
    **dict.fromkeys(("beta1", "beta2", "rho", "sig"), _LESSER_SHARE),
    **dict.fromkeys(("f_target", "max_region", "min_region"), _REAL),
    "max_eval": (lambda v: _number(v, 0), "a number of 0 or more"),
    "line_search": (lambda v: v == "strong_wolfe", '"strong_wolfe" or None'),
}


def method(*remembered: str) -> Callable[[Callable[..., Result]], Method]:
    """Make an optimiser of a function whose keyword-only parameters are its options.

    Parameters
    ----------
    *remembered : str
        What the function keeps in the state, besides ``func_eval``.

    Returns
    -------
    callable
        Decorator of ``function(opfunc, x, state, *, option=default, ...)``. What it makes takes ``opfunc``,
        ``x`` and ``state``, checks ``x`` and the state, and hands on the options that the state holds.
    """

    def decorate(function: Callable[..., Result]) -> Method:
        parameters = signature(function).parameters.values()
        # `lambda` and `int` cannot be the name of a parameter as they are: there, an underscore follows.
        options = {p.name.rstrip("_"): p for p in parameters if p.kind is Parameter.KEYWORD_ONLY}
        torchs = {key: _spelled_by_torch(key) for key in options}
        known = {*options, *torchs.values(), *remembered, "func_eval", "verbose"}

        def call(opfunc: OpFunc, x: Array, state: State) -> Result:
            if not (isinstance(x, np.ndarray) and x.ndim == 1 and x.size and x.dtype in _KINDS):
                raise ValueError(f"x must be a flat array of float32 or float64, got {_kind(x)}")
            if not x.flags.aligned:
                raise ValueError("x must be aligned in memory, as a copy of it is")
            for key in sorted(state.keys() - known):
                raise ValueError(f"{function.__name__} has no option {key!r}; {did_you_mean(key, options)}")
            for key, other in torchs.items():
                if key != other and key in state and other in state:
                    raise ValueError(
                        f"{function.__name__} was given both {key} and {other}, which are one option"
                    )
            if not isinstance(state.get("verbose", False), bool):
                raise ValueError(f"verbose must be True or False, got {state['verbose']!r}")
            given = {
                key: value for key in options if (value := state.get(key, state.get(torchs[key]))) is not None
            }
            checked = {options[key].name: _checked(key, options[key], given[key], x) for key in given}
            return function(opfunc, x, state, **checked)

        update_wrapper(call, function)
        vars(call).pop("__wrapped__")  # the options are no keywords of what is called
        vars(call)["options"] = tuple(options)
        return call

    return decorate


def _spelled_by_torch(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word.capitalize() for word in others)


def _kind(value: object) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _checked(key: str, option: Parameter, value: Any, x: Array) -> Any:
    """Return an option, a NumPy scalar as Python's own, which does not widen an array of single precision."""
    if "Array" in option.annotation and np.ndim(value):
        vector = np.asarray(value, x.dtype)
        if vector.shape != x.shape:
            raise ValueError(f"{key} must be a number or have the shape of x, {x.shape}, got {vector.shape}")
        return vector
    value = value.item() if isinstance(value, np.generic) else value
    rule = _BY_TYPE.get(option.annotation) or _BY_NAME.get(key, _USUAL)
    is_right, wanted = rule
    if not is_right(value):
        raise ValueError(f"{key} must be {wanted}, got {value!r}")
    return int(value) if rule is _COUNT else value


def loss_at(opfunc: OpFunc, x: Array, state: State) -> tuple[float, Any]:
    """Ask ``opfunc`` and count it in ``func_eval``; the gradient may be anything."""
    state["func_eval"] = state.get("func_eval", 0) + 1
    loss, gradient = opfunc(x)
    if state.get("verbose"):
        print(f"after {state['func_eval']} evaluations J(x) = {float(loss):.6g}")
    return float(loss), gradient


def evaluate(
    opfunc: OpFunc, x: Array, state: State, weight_decay: float | Array = 0.0
) -> tuple[float, Array]:
    """Return loss and gradient at ``x``, with ``weight_decay * x`` added to the gradient.

    The gradient may be the caller's own array: it is to be read, and copied where it is to be kept.

    Raises
    ------
    ValueError
        If the gradient has another shape than ``x``.
    """
    loss, gradient = loss_at(opfunc, x, state)
    gradient = np.require(gradient, x.dtype, "A")
    if gradient.shape != x.shape:
        raise ValueError(f"opfunc must return a gradient of the shape of x, {x.shape}, got {gradient.shape}")
    if np.any(weight_decay):
        return loss, gradient + weight_decay * x
    return loss, gradient.copy() if np.may_share_memory(gradient, x) else gradient


def decayed(state: State, learning_rate: float | Array, learning_rate_decay: float) -> Any:
    """Return the learning rate of the evaluation that was counted last: ``rate / (1 + done * decay)``."""
    return learning_rate / (1 + (state["func_eval"] - 1) * learning_rate_decay)


def memory(state: State, name: str, x: Array, initial: float = 0.0) -> Array:
    """Return what the state remembers per parameter under ``name``, made of ``initial`` at first."""
    if name not in state:
        state[name] = np.full_like(x, initial)
    check_fits(state[name], x)
    return state[name]


def check_fits(kept: Array, x: Array) -> None:
    """Check the last axis of what a state remembers.

    Raises
    ------
    ValueError
        If it belongs to a vector of another size than ``x``.
    """
    if kept.shape[-1:] != x.shape:
        raise ValueError(f"the state belongs to a vector of shape {kept.shape[-1:]}, but x has {x.shape}")


def dot(a: Array, b: Array) -> float:
    """Return the inner product, summed in double precision and, unlike BLAS, alike for any number of threads."""
    return float(np.multiply(a, b).sum(dtype=np.float64))
