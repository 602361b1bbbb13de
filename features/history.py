"""Motion history and motion energy images: where, and how recently, pixels moved; and their Hu moments."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .motion import Motion, MotionFeature
from .person import crop_along, person_size

__all__ = ["MotionHistory", "hu_moments", "motion_energy", "motion_history"]

# Moments span ten orders of magnitude; those below this are rounding errors.
_MIN_MOMENT = 1e-10


def motion_history(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how recently each pixel moved (Bobick and Davis, PAMI 2001).

    Parameters
    ----------
    mask : ndarray of bool, shape (T, H, W)
        Pixels that move.

    Returns
    -------
    ndarray of float64, shape (H, W)
        1 where the last frame moves, decreasing linearly with each frame since, 0 where none does.

    Examples
    --------
    >>> motion_history(np.eye(4, dtype=bool)[:, None])
    array([[0.25, 0.5 , 0.75, 1.  ]])
    """
    order = np.arange(1, len(mask) + 1) / max(len(mask), 1)
    return (mask * order[:, None, None]).max(axis=0, initial=0.0)


def motion_energy(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 1 where any frame of a mask (T, H, W) moves, else 0, shape (H, W).

    Examples
    --------
    >>> motion_energy(np.eye(4, dtype=bool)[:2, None])
    array([[1., 1., 0., 0.]])
    """
    return np.asarray(mask.any(axis=0), np.float64)


def hu_moments(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the seven moments of Hu (1962), invariant to position, size and rotation, on a log scale.

    Parameters
    ----------
    picture : ndarray, shape (H, W)
        Weights of the pixels.

    Returns
    -------
    ndarray of float64, shape (7,)
        0 for an empty picture; only the sign of the last one differs between a picture and its mirror image.

    Examples
    --------
    >>> hu_moments(np.zeros((8, 8)))
    array([0., 0., 0., 0., 0., 0., 0.])
    """
    moments = cv2.HuMoments(cv2.moments(np.ascontiguousarray(picture, np.float32))).ravel()
    return np.sign(moments) * np.log10(1 + np.abs(moments) / _MIN_MOMENT)


@dataclass(frozen=True)
class MotionHistory(MotionFeature):
    """Describe the person by pictures of where and how recently pixels moved, in a window along the track.

    Attributes
    ----------
    seconds : float
        Duration that a picture covers; the whole clip if it is shorter.
    side : int
        Pixels of the pictures' sides.
    margin : float
        What is added to the person's box on each side, as a share of its size.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> found = MotionHistory(side=16).extract(examples()[0][0])
    >>> {name: array.shape for name, array in found.items()}
    {'moments': (14,), 'history': (16, 16), 'energy': (16, 16)}
    """

    seconds: float = 1.0
    side: int = 64
    margin: float = 0.1

    def describe(self, motion: Motion) -> dict[str, NDArray[np.float64]]:
        """Describe an observed clip; all is 0 where nothing moves.

        Parameters
        ----------
        motion : Motion
            The clip.

        Returns
        -------
        dict
            ``"moments"`` (14,), those of the history before those of the energy; ``"history"`` and ``"energy"``
            (side, side). All are averaged over the clip: one window of it would be another at another frame rate.
        """
        empty = np.zeros((self.side, self.side))
        if not motion.track.found:
            return {"moments": np.zeros(14), "history": empty, "energy": empty}
        masks = self._windows(motion)
        histories, energies = [motion_history(m) for m in masks], [motion_energy(m) for m in masks]
        moments = [
            np.concatenate([hu_moments(a), hu_moments(b)]) for a, b in zip(histories, energies, strict=True)
        ]
        return {
            "moments": np.mean(moments, axis=0),
            "history": np.mean(histories, axis=0),
            "energy": np.mean(energies, axis=0),
        }

    def _windows(self, motion: Motion) -> list[NDArray[np.bool_]]:
        """Return the moving pixels about the person, in windows of time that overlap by half."""
        # A square keeps the proportions, which moments depend on.
        length = max(person_size(motion, self.margin))
        size = (self.side, self.side)
        pictures = crop_along(motion.track.mask, motion.track.centres, (length, length), size) >= 0.5
        span = min(len(pictures), max(2, round(self.seconds * motion.fps)))
        starts = range(0, len(pictures) - span + 1, max(1, span // 2))
        return [pictures[start : start + span] for start in starts]

    def mirror(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the arrays of the mirrored clips, left and right exchanged.

        Parameters
        ----------
        array : ndarray, shape (n, 14) or (n, side, side)
            Moments, or histories or energies, of n clips.

        Returns
        -------
        ndarray of float64
            Of the same shape.
        """
        if array.ndim == 3:
            return array[:, :, ::-1].copy()
        signs = np.ones(14)
        signs[[6, 13]] = -1
        return array * signs
