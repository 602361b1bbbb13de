"""Steps of optimisers in one pass over memory."""

from __future__ import annotations

from ... import kernels
from .arrays import flattened, no_array
from .checks import Array, check_same_shape, check_shape
from .threads import team_size


def clear(a: Array, threads: int | None = None) -> None:
    """Write zeros into an array."""
    if a.flags.c_contiguous and a.size:
        kernels.of(a.dtype).clear(a.reshape(-1), team_size(threads, a.size))
    else:
        a.fill(0)


def descend(x: Array, gradient: Array, rate: float, threads: int | None = None) -> None:
    """Subtract ``rate * gradient`` from ``x``."""
    check_same_shape(x, gradient=gradient)
    if not x.flags.c_contiguous:
        x -= x.dtype.type(rate) * gradient
    elif x.size:
        kernels.of(x.dtype).descend(x.reshape(-1), flattened(gradient), rate, team_size(threads, x.size))


def adam(
    x: Array,
    gradient: Array,
    first: Array,
    second: Array,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: Array | None = None,
    shrink: float = 0.0,
    threads: int | None = None,
) -> None:
    """Take a step of Adam in place.

    First the moments, then ``x *= 1 - shrink * decay``, then ``x -= rate * first / (√second + epsilon)``. All
    arrays are flat, and of one type and length.
    """
    check_shape("x", x, (x.size,))
    check_same_shape(x, gradient=gradient, first=first, second=second, decay=decay)
    if x.size:
        shares = no_array(1, x.dtype) if decay is None else decay
        rates = (shrink, beta1, beta2, epsilon, rate)
        kernels.of(x.dtype).adam(x, gradient, first, second, shares, *rates, team_size(threads, x.size))
