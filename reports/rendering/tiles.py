"""Cells of a heat map as an image that is enlarged without interpolation, and without the time that takes otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray


class Tiles(AxesImage):
    """Cells of axes, each of one colour: a small image in an SVG file, and in a PNG file rectangles.

    Parameters
    ----------
    axes : Axes
        Whose data they are: the middle of a cell is at its column and row, the first row on top.
    colours : ndarray of uint8, shape (n_rows, n_columns, 4)
        Of the cells, with opacity.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> tiles = Tiles(axes, np.zeros((2, 3, 4), np.uint8))
    >>> axes.add_image(tiles) is tiles, tiles.get_extent()
    (True, (-0.5, 2.5, 1.5, -0.5))
    """

    def __init__(self, axes: Axes, colours: NDArray[np.uint8]) -> None:
        rows, columns = colours.shape[:2]
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        super().__init__(axes, interpolation="none", origin="upper", extent=extent)
        self.set_data(colours)

    def make_image(self, renderer: Any, magnification: float = 1.0, unsampled: bool = False) -> Any:
        """Return the image, its lower left corner and its transform, as `AxesImage.make_image` does."""
        if unsampled:
            return super().make_image(renderer, magnification, unsampled)
        colours = np.asarray(self.get_array())[::-1]
        box = self.get_window_extent()
        rows, bottom = _cells(box.y0, box.y1, colours.shape[0])
        columns, left = _cells(box.x0, box.x1, colours.shape[1])
        return colours[:, columns][rows], left, bottom, IdentityTransform()


def _cells(begin: float, end: float, number: int) -> tuple[NDArray[np.intp], int]:
    """Return in which cell the middle of each pixel between two ends is, and the first pixel."""
    first, last = round(begin), round(end)
    places = (np.arange(first, last) + 0.5 - begin) * (number / (end - begin))
    return places.astype(np.intp).clip(0, number - 1), first
