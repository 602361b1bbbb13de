"""Learning rates over the steps of a training."""

from __future__ import annotations

import math


def _between(start: float, end: float, share: float) -> float:
    """Go from ``start`` to ``end`` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2


def one_cycle(
    step: int,
    n_steps: int,
    peak: float,
    warm_up: float = 0.3,
    start_divisor: float = 25.0,
    end_divisor: float = 1e4,
) -> float:
    """Return the rate of step ``step`` of ``n_steps``: up to ``peak``, then down, each along half a cosine.

    Smith and Topin 2018, with the defaults of PyTorch's ``OneCycleLR``.

    Examples
    --------
    >>> [round(one_cycle(step, 10, 1.0), 4) for step in (0, 2, 9)]
    [0.04, 1.0, 0.0]
    """
    start, top = peak / start_divisor, warm_up * n_steps - 1
    if step <= top:
        return _between(start, peak, step / top if top > 0 else 1.0)
    return _between(peak, start / end_divisor, (step - top) / max(n_steps - 1 - top, 1))


def cosine(step: int, n_steps: int, peak: float, warm_up: int = 0) -> float:
    """Return the rate of step ``step``: linear over ``warm_up`` steps, then half a cosine to zero at ``n_steps``.

    Loshchilov and Hutter 2017.
    """
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return _between(peak, 0.0, (step - warm_up) / max(n_steps - warm_up, 1))
