"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
OpFunc = Callable[[Array], tuple[float, Array]]
State = dict[str, Any]


def decayed(state: State) -> float:
    """Count the evaluation and return the learning rate, decayed by ``learning_rate_decay``."""
    done = state.get("eval_counter", 0)
    state["eval_counter"] = done + 1
    return state.get("learning_rate", 1e-3) / (1 + done * state.get("learning_rate_decay", 0.0))


def sgd(opfunc: OpFunc, x: Array, state: State) -> tuple[Array, list[float]]:
    """Go one step down the gradient, as ``optim.sgd`` of Torch.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray
        Flat vector, changed in place.
    state : dict
        Options ``learning_rate`` (1e-3), ``learning_rate_decay``, ``weight_decay``, ``momentum``,
        ``dampening`` (the momentum by default), ``nesterov``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss before the step.

    Raises
    ------
    ValueError
        If ``nesterov`` comes without momentum or with dampening.
    """
    momentum: float = state.get("momentum", 0.0)
    dampening: float = state.get("dampening", momentum)
    if state.get("nesterov") and (momentum <= 0 or dampening != 0):
        raise ValueError("nesterov needs momentum > 0 and dampening = 0")
    loss, gradient = opfunc(x)
    if state.get("weight_decay"):
        gradient = gradient + state["weight_decay"] * x
    if momentum:
        if "velocity" not in state:
            state["velocity"] = gradient.copy()
        else:
            state["velocity"] = momentum * state["velocity"] + (1 - dampening) * gradient
        gradient = gradient + momentum * state["velocity"] if state.get("nesterov") else state["velocity"]
    x -= (decayed(state) * gradient).astype(x.dtype, copy=False)
    return x, [loss]
