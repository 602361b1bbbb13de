"""Quasi-Newton methods."""

from __future__ import annotations

import numpy as np

from .contract import Array, OpFunc, Result, State, dot, evaluate, memory, method
from .line_search import Line, Point, strong_wolfe


@method("gradient", "move", "moves", "changes", "products", "scale")
def lbfgs(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    max_iter: int = 20,
    max_eval: float | None = None,
    tol_fun: float = 1e-5,
    tol_x: float = 1e-9,
    n_correction: int = 100,
    learning_rate: float = 1.0,
    line_search: str | None = None,
) -> Result:
    """Minimise by BFGS with limited memory (Nocedal 1980; Liu and Nocedal 1989).

    What is learnt of the curvature stays in the state: calls of one iteration go the way of one call of many.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray, shape (n,)
        Changed in place.
    state : dict
        Options ``max_iter`` (20: iterations of one call), ``max_eval`` (1.25 ``max_iter``: evaluations of one call
        after which no iteration begins), ``tol_fun`` (1e-5) and ``tol_x`` (1e-9): the call ends where the absolute
        values of the gradient sum to ``tol_fun`` or less, or those of the move to ``tol_x``, or the loss changes by
        less than ``tol_x``; ``n_correction`` (100): moves remembered; ``learning_rate`` (1): size of a move, or
        first guess of the line search; ``line_search`` (None for moves of that size, or "strong_wolfe"). Remembers
        ``gradient``, ``move``, ``moves``, ``changes``, ``products``, ``scale``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss at the start and after each iteration; without line search the last move is not evaluated.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = lbfgs(lambda x: ((x - 3) @ (x - 3), 2 * (x - 3)), np.array([0.0]), {"line_search": "strong_wolfe"})
    >>> x.round(3)
    array([3.])
    """
    last = state.get("func_eval", 0) + (1.25 * max_iter if max_eval is None else max_eval)
    loss, gradient = evaluate(opfunc, x, state)
    losses = [loss]
    for left in range(max_iter - 1, -1, -1):
        size = _size(gradient)
        if size <= tol_fun:
            break
        t = learning_rate if "gradient" in state else learning_rate * min(1.0, 1 / size)
        direction = _direction(state, gradient, n_correction)
        slope = dot(gradient, direction)
        if slope > -tol_x:
            # The next call must not take the move before for one that has led here.
            state["move"] = np.zeros_like(x)
            break
        line = Line(opfunc, x, state, direction)
        if line_search:
            found = strong_wolfe(line, Point(0.0, losses[-1], slope, state["gradient"]), t)
        elif left:
            found = line.look(t)
        else:  # the next call, if there is one, evaluates this point
            line.go(t)
            state["move"] = t * direction
            break
        losses.append(found.loss)
        gradient, state["move"] = found.gradient, found.t * direction
        stalled = _size(state["move"]) <= tol_x or abs(losses[-1] - losses[-2]) < tol_x
        if stalled or state["func_eval"] >= last:
            break
    return x, losses


def _size(vector: Array) -> float:
    return float(np.abs(vector).sum(dtype=np.float64))


def _direction(state: State, gradient: Array, n_correction: int) -> Array:
    """Remember how the last move changed the gradient, and return the direction of the next move."""
    if "gradient" in state:
        _remember(state, gradient - memory(state, "gradient", gradient), n_correction)
    else:
        state.update(moves=[], changes=[], products=[], scale=1.0)
    state["gradient"] = gradient.copy()
    direction = -gradient
    pairs = list(zip(state["moves"], state["changes"], state["products"], strict=True))
    shares = []
    for move, change, product in reversed(pairs):
        shares.append(dot(move, direction) / product)
        direction -= shares[-1] * change
    direction *= state["scale"]
    for move, change, product in pairs:
        direction += (shares.pop() - dot(change, direction) / product) * move
    return direction


def _remember(state: State, change: Array, n_correction: int) -> None:
    """Keep a move along which the curvature is positive; forget the oldest."""
    product = dot(state["move"], change)
    if product > 1e-10:
        state["scale"] = product / dot(change, change)
        state["moves"] = [*state["moves"], state["move"]][-n_correction:]
        state["changes"] = [*state["changes"], change][-n_correction:]
        state["products"] = [*state["products"], product][-n_correction:]
