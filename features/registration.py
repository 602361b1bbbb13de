"""The shift between two frames, to a fraction of a pixel, whatever moves before the ground."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["agrees", "median", "register", "shifted_back"]

Plane = NDArray[np.float32]
Vector = NDArray[np.float64]

# Steps of the descent at most, and pixels below which one is the last.
_STEPS, _LAST = 5, 0.02
# Parts of a frame, from left to right and from top to bottom, that tell whether it shifts: the change that this makes
# in one must be above this many variances of the noise, and so many at the border must follow.
_PARTS, _CLEAR, _MIN_BORDER = 8, 4.0, 6


def register(first: Plane, second: Plane, guess: NDArray[np.floating]) -> Vector:
    """Find how the ground shifts from one frame to the next, by robust least squares (Odobez and Bouthemy 1995).

    The descent begins at rest and, where it is more than half a pixel, at a guess. Of the parts of the frame in which
    noise does not hide the shift, half must follow it, some at the border and to the left and right; otherwise it is
    that of a person before ground without texture.

    Parameters
    ----------
    first, second : ndarray of float32, shape (H, W)
        Smoothed grey frames.
    guess : ndarray, shape (2,)
        A shift right and down, in pixels, such as the median flow.

    Returns
    -------
    ndarray of float64, shape (2,)
        Right and down; 0 where most of the frame rests.

    Examples
    --------
    >>> frame = cv2.GaussianBlur(np.random.default_rng(0).random((60, 80), np.float32) * 255, (0, 0), 2)
    >>> register(frame[:, :70], frame[:, 3:73], np.array([-2.5, 0.0])).round(1)
    array([-3.,  0.])
    """
    best, least = np.zeros(2), np.inf
    still = _compared(first, second, best)
    if still is None:
        return best
    starts: dict[tuple[float, float], _Compared | None] = {(0.0, 0.0): still}
    if np.abs(guess).max() > 0.5:
        starts[float(guess[0]), float(guess[1])] = _compared(first, second, guess)
    for start, found in starts.items():
        shift, undone = _descend(first, second, np.array(start), found)
        if undone is not None and _explains(still, undone, shift) and (left := _noise(undone.change)) < least:
            best, least = shift, left
    return best


def median(plane: Plane) -> np.float32:
    """Return the median of one pixel in nine, which is quick and differs from that of all by less than noise.

    Examples
    --------
    >>> float(median(np.arange(81, dtype=np.float32).reshape(9, 9)))
    30.0
    """
    return _middle(plane[::3, ::3])


def _noise(change: Plane) -> float:
    """Estimate the standard deviation of a change but for what moves otherwise."""
    return 1.4826 * float(_middle(np.abs(change[::3, ::3])))


def _middle(sample: Plane) -> np.float32:
    values = sample.ravel()
    return np.partition(values, len(values) // 2)[len(values) // 2]


def _descend(
    first: Plane, second: Plane, shift: Vector, found: _Compared | None
) -> tuple[Vector, _Compared | None]:
    """Find the shift that makes two frames most similar, by Gauss-Newton; return it and how they compare then.

    ``found`` is how they compare at the first guess.
    """
    for _ in range(_STEPS):
        if found is None:
            break
        right, down, change = found
        # What moves otherwise counts little (Geman and McClure).
        scale = 2 * (_noise(change) + 0.3)
        weights = 1 / (1 + np.square(change / scale)) ** 2
        slopes = np.stack([right.ravel(), down.ravel()])
        weighted = slopes * weights.ravel()
        matrix = (weighted @ slopes.T).astype(np.float64)
        matrix += (1e-3 * np.trace(matrix) + 1e-6) * np.eye(2)
        step = np.linalg.solve(matrix, -(weighted @ change.ravel()))
        shift = shift + step
        found = _compared(first, second, shift)
        if np.abs(step).max() < _LAST:
            break
    return shift, found


class _Compared(NamedTuple):
    """Slopes to the right and down of two frames, and the change that a shift leaves between them."""

    right: Plane
    down: Plane
    change: Plane


def _compared(first: Plane, second: Plane, shift: NDArray[np.floating]) -> _Compared | None:
    """Compare two frames after a shift is undone; None where no view is shared."""
    edge = int(np.ceil(np.abs(shift).max())) + 2
    if min(first.shape) <= 2 * edge + _PARTS:
        return None
    moved = shifted_back(second, shift) if shift.any() else second
    middle: Plane = (first + moved) / np.float32(2)
    inner = slice(edge, -edge)
    before, after = slice(edge - 1, -edge - 1), slice(edge + 1, -edge + 1 or None)
    change: Plane = moved[inner, inner] - first[inner, inner]
    # The lighting of the whole scene may change.
    change -= median(change)
    right: Plane = (middle[inner, after] - middle[inner, before]) / np.float32(2)
    down: Plane = (middle[after, inner] - middle[before, inner]) / np.float32(2)
    return _Compared(right, down, change)


def shifted_back(frame: Plane, shift: NDArray[np.floating]) -> Plane:
    """Undo a shift of a frame right and down; beyond the border the last pixel goes on.

    Examples
    --------
    >>> shifted_back(np.array([[0, 1, 2, 3]], np.float32), np.array([1.0, 0.0]))
    array([[1., 2., 3., 3.]], dtype=float32)
    """
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(
        cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _explains(still: _Compared, undone: _Compared, shift: Vector) -> bool:
    change, is_small = undone.change, bool(np.abs(shift).max() <= 1)
    right, down, _ = still if is_small else undone
    edge = (len(still.change) - len(change)) // 2
    rows, columns = (slice(edge, edge + length) for length in change.shape)
    expected: Plane = right * np.float32(shift[0]) + down * np.float32(shift[1])
    expected = expected[rows, columns] if is_small else expected
    return agrees(still.change[rows, columns], change, expected, is_small=is_small)


def agrees(still: Plane, change: Plane, expected: Plane, *, is_small: bool) -> bool:
    """Return whether half of the parts of a frame that can tell follow a motion, and some at the border on both sides.

    Parameters
    ----------
    still, change : ndarray of float32, shape (H, W)
        Changes from one frame to the next, and to the next with the motion undone.
    expected : ndarray of float32, shape (H, W)
        The change that the motion makes of the brightness by its gradient, with the sign reversed.
    is_small : bool
        Whether no pixel moves by more than one, so that the gradient tells the change. Noise may then be larger than
        the change, but has another pattern.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    >>> agrees(noise[0] - noise[2], noise[0], noise[2], is_small=True)
    True
    >>> agrees(noise[0], noise[1], noise[2], is_small=True)
    False
    """
    powers = _sums(np.square(expected))
    clear = powers > _CLEAR * (_noise(change) + 0.05) ** 2
    if is_small:
        follow = clear & (_sums(-still * expected) > 0.5 * powers)
    else:
        follow = clear & (_sums(np.square(change)) < 0.5 * _sums(np.square(still)))
    border = follow.sum() - follow[1:-1, 1:-1].sum()
    # Somebody who enters moves at one side.
    is_around = border >= _MIN_BORDER and follow[:, 0].any() and follow[:, -1].any()
    return bool(is_around and follow.sum() >= 0.5 * clear.sum())


def _sums(plane: Plane) -> Vector:
    """Add up a plane over each part of the frame."""
    means = cv2.resize(plane, (_PARTS, _PARTS), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float64) * (plane.size / _PARTS**2)
