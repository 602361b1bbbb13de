"""Words of a picture that are drawn all together: one by one, those of a heat map take most of its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Transform
from numpy.typing import ArrayLike, NDArray

# In heights of the font: from the middle of capitals down to the line they stand on, and from line to line.
_MIDDLE, _LINE = 0.38, 1.2
# Which share of a word stands before its place.
_BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0}
# Pixels around a word, for what of its letters reaches beyond it.
_MARGIN = 2


class Words(Artist):
    """Words of one size and colour: text in an SVG file, and the same pixels wherever a word stands in a PNG file.

    Parameters
    ----------
    words : sequence of str
        Their lines.
    places : array_like, shape (n_words, 2)
        To the right and up, where their middle, left or right end is.
    transform : Transform
        From there to pixels.
    size : float
        Of the font, in points.
    colour : str
        Of the letters.
    align : str
        ``"center"``, ``"left"`` or ``"right"``: which part of a word is at its place.
    upright : bool
        Whether they are read from bottom to top.

    Notes
    -----
    They have no extent in the layout of a figure.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> words = Words(["low", "high"], [(0, 0), (0, 1)], axes.transData, size=8, colour="black")
    >>> axes.add_artist(words) is words
    True
    """

    zorder = 3

    def __init__(
        self,
        words: Sequence[str],
        places: ArrayLike,
        transform: Transform,
        *,
        size: float,
        colour: str,
        align: str = "center",
        upright: bool = False,
    ) -> None:
        super().__init__()
        self._words, self._places = words, np.reshape(np.asarray(places, float), (-1, 2))
        self._size, self._colour, self._align, self._upright = size, colour, align, upright
        self._font, self._anchor = FontProperties(size=size), Text(ha=align, rotation_mode="anchor")
        self.set_transform(transform)
        self.set_in_layout(False)

    def draw(self, renderer: Any) -> None:
        """Draw them."""
        renderer.open_group("text", self.get_gid())
        pen = renderer.new_gc()
        pen.set_foreground(self._colour)
        write = self._stamp if isinstance(renderer, RendererAgg) else self._write
        height = renderer.points_to_pixels(self._size)
        places = self.get_transform().transform(self._places)
        for word, (x, y) in zip(self._words, places.tolist(), strict=True):
            lines = word.split("\n")
            for number, line in enumerate(lines):
                down = height * (_MIDDLE + _LINE * (number - (len(lines) - 1) / 2))
                write(renderer, pen, line, *((x + down, y) if self._upright else (x, y - down)))
        pen.restore()
        renderer.close_group("text")
        self.stale = False

    def _stamp(self, renderer: Any, pen: Any, word: str, x: float, y: float) -> None:
        pixels, left, below = _pixels(
            word, self._size, self._colour, renderer.dpi, self._align, self._upright
        )
        renderer.draw_image(pen, round(x + left), round(y + below), pixels)

    def _write(self, renderer: Any, pen: Any, word: str, x: float, y: float) -> None:
        before = renderer.points_to_pixels(_BEFORE[self._align] * word_width(word, self._size))
        # An SVG file has the place itself, so that another font is as well aligned.
        self._anchor.set_position((x, y))
        x, y = (x, y - before) if self._upright else (x - before, y)
        _, whole = renderer.get_canvas_width_height()
        angle = 90 if self._upright else 0
        renderer.draw_text(pen, x, whole - y, word, self._font, angle, mtext=self._anchor)


@lru_cache(4096)
def word_width(word: str, size: float) -> float:
    """Return the width of a word in points."""
    width, _, _ = text_to_path.get_text_width_height_descent(word, FontProperties(size=size), False)
    return float(width)


@lru_cache(2048)
def _pixels(
    word: str, size: float, colour: str, dpi: float, align: str, upright: bool
) -> tuple[NDArray[np.uint8], float, float]:
    """Return a word from the lowest row of pixels up, and where its lower left corner is from its place."""
    font = FontProperties(size=size)
    measure = RendererAgg(1, 1, dpi)
    width, height, descent = measure.get_text_width_height_descent(word, font, False)
    across, below = math.ceil(width) + 2 * _MARGIN, math.ceil(descent) + _MARGIN
    sheet = RendererAgg(across, math.ceil(height) + _MARGIN + below, dpi)
    pen = sheet.new_gc()
    pen.set_foreground(colour)
    sheet.draw_text(pen, _MARGIN, sheet.height - below, word, font, 0)
    pixels = np.array(sheet.buffer_rgba())
    before = _MARGIN + _BEFORE[align] * width
    if upright:
        turned = np.rot90(pixels)
        return turned[::-1].copy(), below - turned.shape[1], -before
    return pixels[::-1].copy(), -before, -below
