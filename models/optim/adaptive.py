"""Methods with a step size per parameter."""

from __future__ import annotations

import math

import numpy as np

from .descent import Array, OpFunc, State, decayed


def _step(x: Array, gradient: Array, state: State) -> None:
    beta1, beta2 = state.get("beta1", 0.9), state.get("beta2", 0.999)
    rate = decayed(state)
    done = state["t"] = state.get("t", 0) + 1
    first = state.setdefault("first", np.zeros_like(x))
    second = state.setdefault("second", np.zeros_like(x))
    first += (1 - beta1) * (gradient - first)
    second += (1 - beta2) * (gradient * gradient - second)
    size = rate * math.sqrt(1 - beta2**done) / (1 - beta1**done)
    x -= size * first / (np.sqrt(second) + state.get("epsilon", 1e-8))


def adam(opfunc: OpFunc, x: Array, state: State) -> tuple[Array, list[float]]:
    """Take one step of Adam (Kingma and Ba 2015); epsilon is added before the correction of the bias, as in Torch.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray
        Flat vector, changed in place.
    state : dict
        Options ``learning_rate`` (1e-3), ``learning_rate_decay``, ``beta1`` (0.9), ``beta2`` (0.999),
        ``epsilon`` (1e-8), ``weight_decay`` (0, added to the gradient).

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss before the step.
    """
    loss, gradient = opfunc(x)
    if state.get("weight_decay"):
        gradient = gradient + state["weight_decay"] * x
    _step(x, gradient, state)
    return x, [loss]


def adamw(opfunc: OpFunc, x: Array, state: State) -> tuple[Array, list[float]]:
    """Take one step of `adam` with decay of the weights apart from the gradient (Loshchilov, Hutter 2019).

    ``weight_decay`` is 0.01 by default; the vector ``decays``, where given, multiplies it per parameter.
    """
    loss, gradient = opfunc(x)
    decay = state.get("learning_rate", 1e-3) * state.get("weight_decay", 1e-2)
    x -= decay * x * state.get("decays", 1)
    _step(x, gradient, state)
    return x, [loss]
