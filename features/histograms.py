"""Histograms of oriented gradients, of flow, and of motion boundaries, over a grid of cells in each frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._ext.histograms import cell_histograms
from .registration import shifted_back

__all__ = [
    "Grid",
    "check_field",
    "frame_grid",
    "hmg",
    "hof",
    "hog",
    "mbh",
    "normalise",
    "orientation_histograms",
    "time_cells",
]

#: Row edges (T, R + 1) and column edges (T, C + 1) of the cells in each frame, in pixels.
Grid = tuple[NDArray[np.intc], NDArray[np.intc]]

# What `cell_histograms` takes for a field of its own instead of a gradient.
_FIELD = -1
_LARGEST = float(np.finfo(np.float32).max)


def frame_grid(boxes: NDArray[np.floating], shape: tuple[int, int], cells: tuple[int, int]) -> Grid:
    """Divide a box of each frame into cells.

    Parameters
    ----------
    boxes : ndarray, shape (T, 4)
        Top, left, bottom, right in pixels; clipped to the frame.
    shape : tuple of int
        Height and width of the frames.
    cells : tuple of int
        Rows and columns of cells.

    Returns
    -------
    Grid
        Row edges and column edges.

    Examples
    --------
    >>> rows, columns = frame_grid(np.array([[0, 0, 8, 8]]), (10, 10), (2, 2))
    >>> rows, columns
    (array([[0, 4, 8]], dtype=int32), array([[0, 4, 8]], dtype=int32))
    """
    boxes = np.asarray(boxes, np.float64)
    edges = []
    for axis in (0, 1):
        fractions = np.linspace(0, 1, cells[axis] + 1)
        lines = boxes[:, axis, None] * (1 - fractions) + boxes[:, axis + 2, None] * fractions
        edges.append(np.rint(np.clip(lines, 0, shape[axis])).astype(np.intc))
    return edges[0], edges[1]


def orientation_histograms(
    dx: NDArray[np.floating],
    dy: NDArray[np.floating],
    grid: Grid,
    *,
    bins: int = 8,
    threshold: float = 0.0,
    zero_bin: bool = False,
    weights: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Histogram the directions of a vector field in each cell of each frame.

    Directions are signed (a full turn); each vector is split linearly between the two nearest bins and weighted by its
    length.

    Parameters
    ----------
    dx, dy : ndarray of float32, shape (T, H, W)
        The field, right and down. Bin 0 is centred on "right", bin ``bins / 4`` on "down".
    grid : Grid
        Cells of each frame, as of `frame_grid`.
    bins : int
        Number of directions.
    threshold : float
        Longest vector that counts as zero, in the unit of the field.
    zero_bin : bool
        Whether a last bin counts the zero vectors, each as 1.
    weights : ndarray of float32, shape (T, H, W), optional
        Weight of each pixel.

    Returns
    -------
    ndarray of float64, shape (T, R, C, bins + zero_bin)
        Sums over each cell.

    Raises
    ------
    ValueError
        If the shapes of the arrays differ, a vector is infinite or NaN, a cell lies outside the frames, or ``bins`` is
        less than 1.

    Examples
    --------
    >>> grid = frame_grid(np.array([[0, 0, 4, 4]]), (4, 4), (1, 1))
    >>> right, none = np.ones((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32)
    >>> orientation_histograms(right, none, grid)
    array([[[[16.,  0.,  0.,  0.,  0.,  0.,  0.,  0.]]]])
    """
    dx, dy = np.asarray(dx), np.asarray(dy)
    if dx.ndim != 3 or dx.shape != dy.shape:
        raise ValueError(f"a field needs two arrays (T, H, W) of one shape, got {dx.shape} and {dy.shape}")
    field = np.stack([dx, dy], axis=-1)
    return _histograms(
        field, _FIELD, grid, bins=bins, threshold=threshold, zero_bin=zero_bin, weights=weights
    )


def _histograms(
    values: NDArray[np.floating] | NDArray[np.uint8],
    part: int,
    grid: Grid,
    *,
    bins: int = 8,
    threshold: float = 0.0,
    zero_bin: bool = False,
    weights: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Histogram a field (T, H, W, 2), or the gradient of one part of values (T, H, W, C)."""
    field = np.require(values, np.float32, ["C", "A"])
    weights = np.empty((0, *field.shape[1:3])) if weights is None else weights
    weights = np.require(weights, np.float32, ["C", "A"])
    _check(field, grid, weights, bins)
    rows, columns = (np.require(edges, np.intc, ["C", "A"]) for edges in grid)
    out = np.zeros((len(field), rows.shape[1] - 1, columns.shape[1] - 1, bins + zero_bin))
    cell_histograms(field, part, weights, rows, columns, threshold, zero_bin, out)
    return out


def check_field(*parts: NDArray[np.float32]) -> None:
    """Check that vectors are finite, and the differences between them.

    Raises
    ------
    ValueError
        If a component, or the difference of two, is infinite or NaN.

    Examples
    --------
    >>> check_field(np.zeros((2, 3)), np.ones((2, 3)))
    """
    ranges = [float(part.max(initial=0)) - float(part.min(initial=0)) for part in parts]
    # Not a number compares as false.
    if not all(length <= _LARGEST for length in ranges):
        raise ValueError("the vectors of a field must be finite, got infinity or NaN")


def _check(values: NDArray[np.float32], grid: Grid, weights: NDArray, bins: int) -> None:
    shape = values.shape[:3]
    if weights.shape[1:] != shape[1:] or len(weights) not in (0, len(values)):
        raise ValueError(f"the weights must have the shape {shape} of the field, got {weights.shape}")
    check_field(values)
    if bins < 1:
        raise ValueError(f"a histogram needs at least 1 bin, got {bins}")
    for edges, length in zip(grid, shape[1:], strict=True):
        if edges.ndim != 2 or len(edges) != len(values) or edges.shape[1] < 2:
            raise ValueError(f"the grid must have edges for {len(values)} frames, got {edges.shape}")
        if edges.size and (edges.min() < 0 or edges.max() > length or (np.diff(edges) < 0).any()):
            raise ValueError("the edges of the cells must ascend within the frame")


def hog(
    frames: NDArray[np.uint8], grid: Grid, *, weights: NDArray[np.float32] | None = None
) -> NDArray[np.float64]:
    """Histogram the brightness gradients (Dalal and Triggs, CVPR 2005), signed, in 8 directions.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    grid : Grid
        Cells of each frame.
    weights : ndarray of float32, shape (T, H, W), optional
        Weight of each pixel.

    Returns
    -------
    ndarray of float64, shape (T, R, C, 8)

    Examples
    --------
    >>> frames = np.tile(np.arange(0, 80, 10, dtype=np.uint8), (1, 8, 1))
    >>> hog(frames, frame_grid(np.array([[0, 0, 8, 8]]), (8, 8), (1, 1)))[0, 0, 0]
    array([960.,   0.,   0.,   0.,   0.,   0.,   0.,   0.])
    """
    return _histograms(np.asarray(frames)[..., np.newaxis], 0, grid, weights=weights)


def hof(flow: NDArray[np.float32], grid: Grid, *, threshold: float = 0.4) -> NDArray[np.float64]:
    """Histogram the flow (Laptev et al., CVPR 2008) in 8 directions and a bin for no motion.

    Parameters
    ----------
    flow : ndarray of float32, shape (T, H, W, 2)
        Flow, right and down.
    grid : Grid
        Cells of each frame.
    threshold : float
        Longest vector that counts as no motion, in the unit of the flow.

    Returns
    -------
    ndarray of float64, shape (T, R, C, 9)

    Examples
    --------
    >>> flow = np.zeros((1, 8, 8, 2), np.float32)
    >>> flow[..., 1] = 1
    >>> hof(flow, frame_grid(np.array([[0, 0, 8, 8]]), (8, 8), (1, 1)))[0, 0, 0]
    array([ 0.,  0., 64.,  0.,  0.,  0.,  0.,  0.,  0.])
    """
    return _histograms(flow, _FIELD, grid, threshold=threshold, zero_bin=True)


def mbh(flow: NDArray[np.float32], grid: Grid) -> NDArray[np.float64]:
    """Histogram the motion boundaries, gradients of the flow (Dalal, Triggs and Schmid, ECCV 2006).

    Parameters
    ----------
    flow : ndarray of float32, shape (T, H, W, 2)
        Flow, right and down.
    grid : Grid
        Cells of each frame.

    Returns
    -------
    ndarray of float64, shape (2, T, R, C, 8)
        Of the component to the right, and of the component down.

    Examples
    --------
    >>> flow = np.ones((1, 8, 8, 2), np.float32)
    >>> mbh(flow, frame_grid(np.array([[0, 0, 8, 8]]), (8, 8), (1, 1))).any()
    np.False_
    """
    return np.stack([_histograms(flow, part, grid) for part in (0, 1)])


def hmg(
    frames: NDArray[np.uint8], grid: Grid, *, shifts: NDArray[np.float32] | None = None
) -> NDArray[np.float64]:
    """Histogram the gradients of the change from each frame to the next (Duta et al., MMM 2016), in 8 directions.

    They need no flow, which takes most of the time of the other descriptors of motion.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    grid : Grid
        Cells of each frame but the last.
    shifts : ndarray of float32, shape (T - 1, 2), optional
        How the camera shifts the ground from a frame to the next, right and down, in pixels, which is undone.

    Returns
    -------
    ndarray of float64, shape (T - 1, R, C, 8)

    Examples
    --------
    >>> frames = np.zeros((2, 8, 8), np.uint8)
    >>> frames[1] = np.arange(0, 80, 10)
    >>> hmg(frames, frame_grid(np.array([[0, 0, 8, 8]]), (8, 8), (1, 1)))[0, 0, 0]
    array([960.,   0.,   0.,   0.,   0.,   0.,   0.,   0.])
    """
    values = np.asarray(frames, np.float32)
    changes = values[1:] - values[:-1]
    if shifts is not None:
        for index in np.flatnonzero(np.any(shifts, axis=1)):
            changes[index] = shifted_back(values[index + 1], shifts[index]) - values[index]
    return _histograms(changes[..., np.newaxis], 0, grid)


def normalise(histograms: NDArray[np.float64], floor: float = 0.05) -> NDArray[np.float64]:
    """Scale each frame's block of cells to sum 1 and take square roots, so that its Euclidean norm is 1.

    Parameters
    ----------
    histograms : ndarray, shape (..., R, C, B)
        Non-negative histograms of the cells of one block.
    floor : float
        Added to every bin, as in the dense trajectories, so that a block without content becomes uniform, not noise.

    Returns
    -------
    ndarray of float64, shape (..., R, C, B)

    Examples
    --------
    >>> normalise(np.array([[[9.0, 7.0]]]), floor=0.0)
    array([[[0.75      , 0.66143783]]])
    """
    raised = histograms + floor
    return np.sqrt(raised / raised.sum(axis=(-3, -2, -1), keepdims=True))


def time_cells(histograms: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Average over equal intervals of time.

    Parameters
    ----------
    histograms : ndarray, shape (T, ...)
        One histogram per frame. Where there are fewer frames than cells, cells share a frame; no frame gives
        zeros.
    cells : int
        Number of intervals.

    Returns
    -------
    ndarray of float64, shape (cells, ...)

    Examples
    --------
    >>> time_cells(np.array([[1.0], [3.0], [5.0], [7.0]]), 2)
    array([[2.],
           [6.]])
    """
    n_frames = len(histograms)
    if not n_frames:
        return np.zeros((cells, *histograms.shape[1:]))
    starts = np.arange(cells) * n_frames // cells
    ends = np.maximum(np.arange(1, cells + 1) * n_frames // cells, starts + 1)
    return np.stack([histograms[start:end].mean(axis=0) for start, end in zip(starts, ends, strict=True)])
