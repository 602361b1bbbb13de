"""Scales, shifts and rectifiers: one pass over memory."""

from __future__ import annotations

from ... import kernels
from ..replay import empty, run
from .arrays import flattened, no_array, per_channel
from .checks import Array, check_same_shape
from .threads import team_size


def channel_affine(
    a: Array,
    scale: Array | None = None,
    shift: Array | None = None,
    b: Array | None = None,
    scale_b: Array | None = None,
    mask: Array | None = None,
    rectify: bool = False,
    threads: int | None = None,
) -> Array:
    """Return ``a * scale + shift``, plus ``b * scale_b``, where each factor and ``shift`` has one value per channel.

    With ``mask``, ``a`` counts where that is positive; with ``rectify``, what is below 0 becomes 0.
    """
    check_same_shape(a, b=b, mask=mask)
    if b is not None and scale_b is None:
        raise ValueError("b needs scale_b, a factor for each channel")
    out, channels = empty(a.shape, a.dtype), a.shape[-1] if a.ndim else 1
    if a.size:
        arrays = (no_array(1, a.dtype) if array is None else flattened(array) for array in (mask, b))
        rows = (per_channel(factor, channels, a.dtype) for factor in (scale, scale_b, shift))
        flat = out.reshape(-1)
        arguments = (flattened(a), *arrays, *rows, rectify, flat, team_size(threads, a.size))
        run(kernels.of(a.dtype).affine, *arguments, writes=(flat,))
    return out


def rectifier(a: Array, threads: int | None = None) -> Array:
    """Return ``a`` where it is positive, else 0."""
    return channel_affine(a, rectify=True, threads=threads)


def rectifier_gradient(output: Array, grad_output: Array, threads: int | None = None) -> Array:
    """Return ``grad_output`` where ``output`` is positive, else 0."""
    check_same_shape(output, grad_output=grad_output)
    return channel_affine(grad_output, mask=output, threads=threads)
