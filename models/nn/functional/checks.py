"""Checks of shapes and types that several functions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Triple = tuple[int, int, int]


def check_volume(x: Array, what: str = "input") -> None:
    """Refuse what is not a batch of volumes."""
    if x.ndim != 5 or x.dtype not in (np.float32, np.float64):
        raise ValueError(f"{what} must be (N, T, H, W, C) of float32 or float64, got {x.shape} of {x.dtype}")


def check_shape(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape."""
    if array.shape != shape:
        raise ValueError(f"{what} must have the shape {shape}, got {array.shape}")


def check_same_shape(like: NDArray[Any], **others: NDArray[Any] | None) -> None:
    """Refuse arrays of another shape."""
    for name, array in others.items():
        if array is not None and array.shape != like.shape:
            raise ValueError(f"{name} must have the shape {like.shape}, got {array.shape}")


def check_geometry(padding: tuple[int, ...], **others: tuple[int, ...]) -> None:
    """Refuse padding below 0, and sizes, strides and the like below 1."""
    for name, values in {"padding": padding, **others}.items():
        lowest = 0 if name == "padding" else 1
        if len(values) != 3 or min(values) < lowest:
            raise ValueError(f"{name} must be three integers of {lowest} or more, got {values}")
