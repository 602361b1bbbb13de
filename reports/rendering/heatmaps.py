"""Heat maps: confusion matrices, and accuracy by class, group or condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .canvas import (
    Svg,
    canvas,
    name_rows,
    name_width,
    report_style,
    set_position,
    short_name,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: With more classes, shares are shown by colour only.
MAX_ANNOTATED = 15
# Colours of correct and wrong predictions, and opacity of a share of 1.
_CORRECT, _WRONG, _MAX_OPACITY = (0, 115, 179), (214, 94, 0), 166


def confusion_figure(counts: NDArray[np.integer], classes: list[str]) -> Svg:
    """Draw a confusion matrix.

    Parameters
    ----------
    counts : ndarray of int, shape (n_classes, n_classes)
        Rows are true, columns predicted classes.
    classes : list of str
        Their names.

    Returns
    -------
    Svg
        The colour is the share of a row, which is also printed in percent for up to 15 classes.
    """
    return confusion_figures({"": counts}, classes)


def confusion_figures(counts: Mapping[str, NDArray[np.integer]], classes: list[str]) -> Svg:
    """Draw the confusion matrices of several attempts side by side, see `confusion_figure`.

    Parameters
    ----------
    counts : mapping of str to ndarray of int, shape (n_classes, n_classes)
        By the name of the attempt, which is the title.
    classes : list of str
        Their names.
    """
    names = [short_name(name) for name in classes]
    cell = 0.42 if len(classes) <= MAX_ANNOTATED else max(0.14, 6.3 / len(classes))
    label, side = 0.075 * max(map(len, names)) + 0.25, cell * len(classes)
    columns = min(len(counts), max(1, int(16 // (label + side))))
    rows = -(-len(counts) // columns)
    head = 0.25 if any(counts) else 0.0
    width, height = label + side + 0.1, label + side + 0.35 + head
    with report_style():
        figure, axes = canvas(width * columns, height * rows)
        figure.delaxes(axes)
        for number, (name, own) in enumerate(counts.items()):
            axes = figure.add_subplot(label=str(number))
            axes.patch.set_visible(False)
            down, across = divmod(number, columns)
            set_position(axes, across * width + label, (rows - 1 - down) * height + 0.35, side, side)
            _confusions(axes, np.asarray(own), names, min(9.0, 50 * cell))
            if name:
                axes.set_title(short_name(name), fontsize=9, pad=4, y=1 + label / side)
        return Svg.of(figure, "Confusion matrix: rows are true classes, columns predicted classes.")


def _confusions(axes: Axes, counts: NDArray[Any], names: list[str], size: float) -> None:
    number = len(names)
    shares = row_shares(counts)
    _fill(axes, _tint(shares))
    _name_cells(axes, names, names, size, size)
    axes.set_xlabel("predicted, %", fontsize=8)
    if number <= MAX_ANNOTATED:
        rows, columns = np.nonzero(shares >= 0.005)
        numbers = [f"{100 * share:.0f}" for share in shares[rows, columns]]
        write(axes, numbers, np.column_stack([columns, rows]), size=8)


def _fill(axes: Axes, colours: NDArray[np.uint8]) -> None:
    from .tiles import Tiles

    tiles = Tiles(axes, colours)
    tiles.set_clip_path(axes.patch)
    axes.add_image(tiles)
    left, right, bottom, top = tiles.get_extent()
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _name_cells(axes: Axes, rows: list[str], columns: list[str], row_size: float, column_size: float) -> None:
    """Write names left of the rows and above the columns of cells."""
    axes.spines[:].set_linewidth(0.5)
    axes.set_xticks([])
    name_rows(axes, rows, row_size)
    places = [(place, 1) for place in range(len(columns))]
    across = axes.get_xaxis_transform()
    write(axes, columns, places, across, (0, 3), size=column_size, align="left", upright=True)


def row_shares(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return counts as shares of their row, 0 where a row has none."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)


def _tint(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour shares of correct and wrong predictions, transparent for 0, for light and dark backgrounds."""
    image = np.empty((*shares.shape, 4), np.uint8)
    image[..., :3] = _WRONG
    image[np.eye(len(shares), dtype=bool), :3] = _CORRECT
    image[..., 3] = np.rint(_MAX_OPACITY * np.sqrt(shares))
    return image


def heat_figure(
    shares: pd.DataFrame, low: pd.DataFrame | None = None, high: pd.DataFrame | None = None
) -> Svg:
    """Draw the accuracy of attempts as a heat map.

    Parameters
    ----------
    shares : DataFrame, shape (n_attempts, n_columns)
        Fractions, NaN where unknown.
    low, high : DataFrame, optional
        Ends of their intervals, printed below.
    """
    names = [short_name(str(name)) for name in shares.index]
    heads = [short_name(str(name), 24) for name in shares.columns]
    label, top = name_width(names), 0.075 * max(map(len, heads)) + 0.15
    values = shares.to_numpy(float)
    ends = None if low is None or high is None else (low.to_numpy(float), high.to_numpy(float))
    wide, tall = (0.5, 0.27) if ends is None else (0.72, 0.4)
    with report_style():
        figure, axes = canvas(label + wide * len(heads) + 0.15, top + tall * len(names) + 0.15)
        set_position(axes, label, 0.1, wide * len(heads), tall * len(names))
        image = np.empty((*values.shape, 4), np.uint8)
        image[..., :3] = _CORRECT
        image[..., 3] = np.rint(_MAX_OPACITY * np.nan_to_num(values))
        _fill(axes, image)
        _name_cells(axes, names, heads, 9, 8)
        rows, columns = np.nonzero(~np.isnan(values))
        numbers = [f"{100 * value:.0f}" for value in values[rows, columns]]
        if ends:
            lows, highs = (100 * end[rows, columns] for end in ends)
            numbers = [
                f"{number}\n{start:.0f}–{stop:.0f}"
                for number, start, stop in zip(numbers, lows, highs, strict=True)
            ]
        write(axes, numbers, np.column_stack([columns, rows]), size=7)
        return Svg.of(figure, "Accuracy in percent of each attempt, by column.")
