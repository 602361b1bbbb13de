"""Learning rates over the steps of a training, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Sequence


def _check(step: int, **counts: int) -> None:
    if step < 0:
        raise ValueError(f"step must be 0 or more, got {step}")
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be 1 or more, got {count}")


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

    Raises
    ------
    ValueError
        If ``step`` is negative or ``n_steps`` less than 1; likewise for all schedules.

    Examples
    --------
    >>> [round(one_cycle(step, 10, 1.0), 4) for step in (0, 2, 9)]
    [0.04, 1.0, 0.0]
    """
    _check(step, n_steps=n_steps)
    start, top = peak / start_divisor, warm_up * n_steps - 1
    if step <= top:
        return _between(start, peak, step / top if top > 0 else 1.0)
    return _between(peak, start / end_divisor, (step - top) / max(n_steps - 1 - top, 1))


def cosine(step: int, n_steps: int, peak: float, warm_up: int = 0) -> float:
    """Return the rate of step ``step``: linear over ``warm_up`` steps, then half a cosine to zero at ``n_steps``.

    Loshchilov and Hutter 2017.

    Examples
    --------
    >>> [round(cosine(step, 10, 1.0), 4) for step in (0, 5, 9)]
    [1.0, 0.5, 0.0245]
    """
    _check(step, n_steps=n_steps)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return _between(peak, 0.0, (step - warm_up) / max(n_steps - warm_up, 1))


def linear_warm_up(step: int, n_steps: int, peak: float, start: float = 1 / 3) -> float:
    """Return the rate that goes in a straight line from ``start * peak`` to ``peak`` at ``n_steps``, and stays.

    Examples
    --------
    >>> [linear_warm_up(step, 2, 1.0, 0.5) for step in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    _check(step, n_steps=n_steps)
    return peak * (start + (1 - start) * min(step / n_steps, 1.0))


def polynomial(step: int, n_steps: int, peak: float, power: float = 1.0) -> float:
    """Return the rate that falls from ``peak`` to zero at ``n_steps`` as ``(1 - step / n_steps) ** power``.

    Examples
    --------
    >>> [polynomial(step, 4, 1.0) for step in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    _check(step, n_steps=n_steps)
    return peak * max(1 - step / n_steps, 0.0) ** power


def exponential(step: int, peak: float, gamma: float) -> float:
    """Return ``peak``, multiplied by ``gamma`` at each step.

    Examples
    --------
    >>> [exponential(step, 1.0, 0.5) for step in range(3)]
    [1.0, 0.5, 0.25]
    """
    _check(step)
    return peak * gamma**step


def step_decay(step: int, step_size: int, peak: float, gamma: float = 0.1) -> float:
    """Return ``peak``, multiplied by ``gamma`` at every ``step_size``-th step.

    Examples
    --------
    >>> [step_decay(step, 2, 1.0) for step in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """
    _check(step, step_size=step_size)
    return peak * gamma ** (step // step_size)


def multi_step(step: int, milestones: Sequence[int], peak: float, gamma: float = 0.1) -> float:
    """Return ``peak``, multiplied by ``gamma`` at each of the steps ``milestones``.

    Examples
    --------
    >>> [multi_step(step, [2, 4], 1.0, 0.5) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _check(step)
    return peak * gamma ** sum(milestone <= step for milestone in milestones)
