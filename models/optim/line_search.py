"""Looking for a good point along a direction."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .contract import Array, OpFunc, State, dot, evaluate


class Point(NamedTuple):
    """A point of a `Line`: how far it lies, the loss, its slope along the line, the gradient."""

    t: float
    loss: float
    slope: float
    gradient: Array


class Line:
    """The points ``x + t * direction`` from where ``x`` is now.

    Parameters
    ----------
    opfunc, x, state
        As of the methods.
    direction : ndarray, shape (n,)
    """

    def __init__(self, opfunc: OpFunc, x: Array, state: State, direction: Array) -> None:
        self.opfunc, self.x, self.state = opfunc, x, state
        self.start, self.direction = x.copy(), direction

    def go(self, t: float) -> None:
        """Set ``x`` to the point at ``t``."""
        np.multiply(self.direction, t, out=self.x)
        self.x += self.start

    def look(self, t: float) -> Point:
        """Go to ``t`` and evaluate; NaN counts as infinite, so that the search turns back."""
        self.go(t)
        loss, gradient = evaluate(self.opfunc, self.x, self.state)
        if not math.isfinite(loss):
            return Point(t, math.inf, math.nan, gradient)
        return Point(t, loss, dot(gradient, self.direction), gradient.copy())


def cubic_minimum(a: Point, b: Point) -> float:
    """Return where the cubic through two points and their slopes is lowest nearby, NaN where it is nowhere.

    Nocedal and Wright 2006, equation 3.59.
    """
    if a.t == b.t or not math.isfinite(a.loss + b.loss + a.slope + b.slope):
        return math.nan
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    d2 = math.copysign(math.sqrt(max(square, 0.0)), b.t - a.t)
    divisor = b.slope - a.slope + 2 * d2
    if square < 0 or divisor == 0:
        return math.nan
    return b.t - (b.t - a.t) * (b.slope + d2 - d1) / divisor


def polyinterp(points: ArrayLike, low: float | None = None, high: float | None = None) -> float:
    """Return where the polynomial through points is lowest between two bounds.

    Two points with losses and slopes take the minimum of the cubic, brought within the bounds, and the middle
    where it has none. Otherwise the polynomial is that of the smallest degree that fits all that is known.

    Parameters
    ----------
    points : array_like, shape (n, 3)
        Rows of position, loss, slope; NaN where a loss or slope is not known.
    low, high : float, optional
        By default the first and the last position.

    Returns
    -------
    float
        The middle of the bounds if no loss is known or something is infinite.

    Raises
    ------
    ValueError
        If ``points`` is not of that shape, or a position is not finite.

    Examples
    --------
    >>> polyinterp([[0, 1, -2], [3, 4, 4]])
    1.0
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points[:, 0]).all():
        raise ValueError(f"points must be rows of finite position, loss and slope, got {points.tolist()}")
    low = float(points[:, 0].min() if low is None else low)
    high = float(points[:, 0].max() if high is None else high)
    if len(points) == 2 and not np.isnan(points).any():
        first, second = (Point(t, loss, slope, np.zeros(0)) for t, loss, slope in points.tolist())
        t = cubic_minimum(first, second)
    else:
        t = _lowest(points, low, high)
    return (low + high) / 2 if math.isnan(t) else min(max(t, low), high)


def _lowest(points: Array, low: float, high: float) -> float:
    """Return the best position, NaN if none is known to be better.

    The fit is in a unit in which the bounds are 0 and 1, by least squares for points that contradict each other.
    """
    size = high - low
    losses, slopes = (points[~np.isnan(points[:, column])] for column in (1, 2))
    powers = np.arange(len(losses) + len(slopes))
    if not len(losses) or not size or np.isinf(points).any():
        return math.nan
    rows = ((losses[:, :1] - low) / size) ** powers
    slope_rows = powers * ((slopes[:, :1] - low) / size) ** np.maximum(powers - 1, 0)
    known = np.concatenate([losses[:, 1], slopes[:, 2] * size])
    fitted = np.polynomial.Polynomial(np.linalg.lstsq(np.concatenate([rows, slope_rows]), known)[0])
    derivative = fitted.deriv()
    roots = derivative.trim(1e-14 * abs(derivative.coef).max()).roots()
    inside = roots.real[(abs(roots.imag) < 1e-8) & (roots.real > 0) & (roots.real < 1)]
    candidates = np.array([0.5, 0.0, 1.0, *inside])
    return float(low + size * candidates[fitted(candidates).argmin()])


def strong_wolfe(
    line: Line,
    origin: Point,
    t: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tol_x: float = 1e-9,
    n_looks: int = 25,
) -> Point:
    """Find a point that satisfies the strong conditions of Wolfe (Nocedal and Wright 2006, algorithms 3.5, 3.6).

    A point that is no lower than the one before it ends the bracketing from the second on, as there; Torch and PyTorch
    ask from the third on.

    Parameters
    ----------
    line : Line
        Points down at ``origin``.
    origin : Point
        Where the line starts.
    t : float
        First guess.
    c1, c2 : float
        The loss must fall by ``c1`` of what the first slope promises; of that slope, ``c2`` may be left.
    tol_x : float
        Ends the search where no coordinate differs as much between the ends of the bracket, as PyTorch does; Torch
        compares with bracket times slope, which may end it far from the minimum where the loss is flat.
    n_looks : int
        Evaluations after the first, at most.

    Returns
    -------
    Point
        The best found, where ``x`` is now.
    """
    previous, here = origin, line.look(t)
    for left in range(n_looks, 0, -1):
        if _too_high(here, origin, c1) or (left < n_looks and here.loss >= previous.loss):
            break
        if abs(here.slope) <= -c2 * origin.slope:
            return here
        if here.slope >= 0:
            break
        t = polyinterp([previous[:3], here[:3]], here.t + 0.01 * (here.t - previous.t), 10 * here.t)
        previous, here = here, line.look(t)
    else:
        left, previous = 0, origin
    found = _zoom(line, origin, previous, here, c1, c2, tol_x, left)
    line.go(found.t)
    return found


def _too_high(point: Point, origin: Point, c1: float) -> bool:
    return point.loss > origin.loss + c1 * point.t * origin.slope


def _zoom(
    line: Line, origin: Point, low: Point, high: Point, c1: float, c2: float, tol_x: float, n_looks: int
) -> Point:
    """Shrink the bracket until its lower end is good; return that end."""
    stuck = False
    longest = float(np.abs(line.direction).max())
    for _ in range(n_looks):
        if abs(high.t - low.t) * longest < tol_x:
            break
        low, high = sorted((low, high), key=lambda point: point.loss)
        t, stuck = _guess(low, high, stuck)
        here = line.look(t)
        if _too_high(here, origin, c1) or here.loss >= low.loss:
            high = here
        elif abs(here.slope) <= -c2 * origin.slope:
            return here
        else:
            low, high = here, low if here.slope * (high.t - low.t) >= 0 else high
    return min(low, high, key=lambda point: point.loss)


def _guess(low: Point, high: Point, stuck: bool) -> tuple[float, bool]:
    """Return a position within the bracket and whether it is near an end; never so twice in a row."""
    t = polyinterp([low[:3], high[:3]])
    left, right = sorted((low.t, high.t))
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if stuck or t >= right or t <= left:
        return (right - margin if right - t < t - left else left + margin), False
    return t, True
