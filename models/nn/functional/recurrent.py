"""An LSTM through all its steps, and its gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ... import kernels
from ..replay import empty, run
from .arrays import contiguous, no_array
from .checks import Array, check_same_shape, check_shape
from .threads import team_size


class Scan(NamedTuple):
    """What an LSTM did: gates i, f, g and o (L, N, 4 H), cells, their hyperbolic tangents, and states (L, N, H)."""

    gates: Array
    cells: Array
    curved: Array
    states: Array


def lstm(driven: Array, weight: Array, peephole: Array | None = None, threads: int | None = None) -> Scan:
    """Take sequences through time; the states begin with zero.

    Parameters
    ----------
    driven : ndarray, shape (L, N, 4 H)
        What the input adds to the gates i, f, g and o; becomes the gates themselves.
    weight : ndarray, shape (4 H, H)
        Leads from the state to the gates.
    peephole : ndarray, shape (3, H), optional
        Leads from the cell to i, f and o.
    threads : int, optional
        How many threads share the work.
    """
    _check_gates(driven, weight, peephole)
    gates, shape = contiguous(driven), (*driven.shape[:2], weight.shape[1])
    cells, curved, states = (empty(shape, gates.dtype) for _ in range(3))
    if gates.size:
        holes = no_array(2, gates.dtype) if peephole is None else contiguous(peephole)
        team = team_size(threads, gates.size * shape[2] // 16)
        arguments = (gates, contiguous(weight), holes, cells, curved, states, team)
        run(kernels.of(gates.dtype).lstm, *arguments, writes=(cells, curved, states), changes=(gates,))
    return Scan(gates, cells, curved, states)


def _check_gates(gates: Array, weight: Array, peephole: Array | None) -> None:
    hidden = weight.shape[-1]
    check_shape("weight", weight, (4 * hidden, hidden))
    check_shape("driven", gates, (*gates.shape[:2], 4 * hidden))
    if peephole is not None:
        check_shape("peephole", peephole, (3, hidden))


def lstm_gradient(
    scan: Scan, weight: Array, grads: Array, peephole: Array | None = None, threads: int | None = None
) -> Array:
    """Return the gradient of `lstm` with respect to ``driven`` from those of the states (L, N, H)."""
    _check_gates(scan.gates, weight, peephole)
    check_shape("grads", grads, (*scan.gates.shape[:2], weight.shape[1]))
    check_same_shape(grads, cells=scan.cells, curved=scan.curved, states=scan.states)
    driven = empty(scan.gates.shape, scan.gates.dtype)
    if driven.size:
        holes = no_array(2, driven.dtype) if peephole is None else np.ascontiguousarray(peephole)
        arrays = (scan.gates, np.ascontiguousarray(weight), holes, scan.cells, scan.curved)
        team = team_size(threads, driven.size * weight.shape[1] // 16)
        kernels.of(driven.dtype).lstm_gradient(*arrays, np.ascontiguousarray(grads), driven, team)
    return driven
