"""Conjugate gradients."""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

from .contract import Array, OpFunc, Result, State, dot, evaluate, method
from .line_search import Line, Point, cubic_minimum, polyinterp


@method()
def cg(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    max_iter: int = 20,
    max_eval: float | None = None,
    rho: float = 0.01,
    sig: float = 0.5,
    int_: float = 0.1,
    ext: float = 3.0,
    ratio: float = 100.0,
) -> Result:
    """Minimise a smooth function by conjugate gradients, as ``minimize.m`` of C. E. Rasmussen.

    Directions of Polak and Ribière; line searches by cubic and quadratic interpolation and extrapolation until the
    conditions of Wolfe and Powell hold. After a line search that fails, the steepest descent is tried; when that
    fails too, the method ends. Each call starts anew.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray, shape (n,)
        Changed in place.
    state : dict
        Options ``max_iter`` (20: evaluations of one line search), ``max_eval`` (1.25 ``max_iter``: evaluations of
        one call; where this is no integer, the last line search may go on while that leads down), ``rho``
        (0.01: the loss must fall by this share of what the slope promises), ``sig`` (0.5: this share of the slope
        may be left), ``int`` (0.1: no guess nearer to the end of a bracket than this share of it), ``ext`` (3: a
        line search may go on to so many times the step), ``ratio`` (100: by so much a first guess may exceed the
        last step).

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss at the start and after each line search.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = cg(lambda x: ((x - 3) @ (x - 3), 2 * (x - 3)), np.array([0.0]), {})
    >>> x.round(3)
    array([3.])
    """
    rules = _Rules(rho, sig, int_, ext)
    last = state.get("func_eval", 0) + (1.25 * max_iter if max_eval is None else max_eval)
    loss, gradient = evaluate(opfunc, x, state)
    losses = [loss]
    direction, origin, t = _steepest(loss, gradient.copy())
    failed = False
    while origin.slope < 0 and state["func_eval"] < last:
        line = Line(opfunc, x, state, direction)
        found = _search(line, origin, t, max_iter, last - state["func_eval"] - 1, rules)
        if found:
            losses.append(found.loss)
            direction, origin, t = _next(direction, origin, found, ratio)
        else:
            line.go(0.0)
            if failed:
                break
            direction, origin, t = _steepest(origin.loss, origin.gradient)
        failed = found is None
    return x, losses


class _Rules(NamedTuple):
    """The options of the line search."""

    rho: float
    sig: float
    int_: float
    ext: float


def _steepest(loss: float, gradient: Array) -> tuple[Array, Point, float]:
    """Return the direction, the origin of its line and the first guess."""
    slope = -dot(gradient, gradient)
    return -gradient, Point(0.0, loss, slope, gradient), 1 / (1 - slope)


def _next(direction: Array, origin: Point, found: Point, ratio: float) -> tuple[Array, Point, float]:
    """Return the same for the conjugate direction; for the steepest, where that one leads up."""
    old, new = origin.gradient, found.gradient
    direction = dot(new - old, new) / dot(old, old) * direction - new
    slope = dot(new, direction)
    if slope > 0:
        direction, slope = -new, -dot(new, new)
    t = found.t * min(ratio, origin.slope / (slope - sys.float_info.min))
    return direction, Point(0.0, found.loss, slope, new), t


def _search(line: Line, origin: Point, t: float, max_iter: int, left: float, rules: _Rules) -> Point | None:
    """Return a point that satisfies the conditions of Wolfe and Powell, or None if the looks do not suffice."""
    low, here, limit, look = origin, line.look(t), math.inf, 0
    while True:
        promised = here.t * rules.rho * origin.slope
        too_far = here.loss > origin.loss + promised or here.slope > -rules.sig * origin.slope
        if not too_far and here.slope > rules.sig * origin.slope:
            return here
        if look in (max_iter, left) or (too_far and look > left):
            return None
        if too_far:
            limit = here.t
            here = line.look(_interpolated(low, here, origin, rules))
        else:
            low, here = here, line.look(_extrapolated(low, here, limit, rules))
        look += 1


def _interpolated(low: Point, here: Point, origin: Point, rules: _Rules) -> float:
    """Guess a step between two points; a quadratic will do where the loss is above that of the origin."""
    gap = here.t - low.t
    slope = math.nan if here.loss > origin.loss else here.slope
    points = [low[:3], (here.t, here.loss, slope)]
    return polyinterp(points, low.t + rules.int_ * gap, here.t - rules.int_ * gap)


def _extrapolated(low: Point, here: Point, limit: float, rules: _Rules) -> float:
    """Guess a step beyond the point, before the limit if there is one."""
    t, least = cubic_minimum(low, here), here.t + rules.int_ * (here.t - low.t)
    if limit == math.inf:
        furthest = rules.ext * here.t
        return max(t, least) if here.t <= t <= furthest else furthest
    if not here.t <= t <= limit:
        return (here.t + limit) / 2
    return least if t < least else max(t, limit - rules.int_ * (limit - here.t))
