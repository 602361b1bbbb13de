"""Pictures of results, as SVG that is the same for the same results."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1f24"
#: One colour for each family, that also colour-blind people tell apart, seen on light and on dark paper.
FAMILIES = {
    "rules": "#d55e00",
    "features": "#1f86c7",
    "dense": "#009e73",
    "convnet": "#bf5fb5",
    "floor": "#868c93",
}
OTHER_FAMILY = "#b8860b"
_STYLE: Any = {
    "svg.hashsalt": "actionbench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,
}


class Svg(str):
    """An SVG document, which notebooks show as the picture that it is."""

    def _repr_svg_(self) -> str:
        return self


def confusion_figure(counts: NDArray[np.integer], classes: list[str]) -> Svg:
    """Draw which class is taken for which.

    Parameters
    ----------
    counts : ndarray of int, shape (n_classes, n_classes)
        Rows are true, columns predicted classes.
    classes : list of str
        Their names.

    Returns
    -------
    Svg
        Colour is the share of a row; up to 15 classes have it written, in percent.
    """
    import matplotlib

    counts = np.asarray(counts)
    number = len(classes)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [_clip(name) for name in classes]
    cell = 0.42 if number <= 15 else max(0.14, 6.3 / number)
    label = 0.075 * max(map(len, names)) + 0.25
    with matplotlib.rc_context(_STYLE):
        side = cell * number
        figure, axes = _canvas(label + side + 0.1, label + side + 0.35)
        _place(figure, label, 0.35, side, side)
        axes.imshow(_tint(shares), interpolation="none", extent=(-0.5, number - 0.5, number - 0.5, -0.5))
        size = min(9.0, 50 * cell)
        axes.set_xticks(range(number), names, rotation=90, fontsize=size)
        axes.set_yticks(range(number), names, fontsize=size)
        axes.xaxis.tick_top()
        axes.tick_params(length=0, pad=3)
        axes.spines[:].set_linewidth(0.5)
        axes.set_xlabel("taken for, %", fontsize=8)
        if number <= 15:
            _write_shares(axes, shares)
        return _svg(figure, "Confusion matrix: rows are true classes, columns what they are taken for.")


def _tint(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colour right and wrong shares, transparent where there are none: good on light and on dark paper."""
    image = np.zeros((*shares.shape, 4))
    image[..., :3] = [0.84, 0.37, 0.0]
    image[np.eye(len(shares), dtype=bool), :3] = [0.0, 0.45, 0.7]
    image[..., 3] = 0.65 * np.sqrt(shares)
    return image


def _write_shares(axes: Axes, shares: NDArray[np.float64]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)


def accuracy_figure(rows: pd.DataFrame, n_classes: int) -> Svg:
    """Draw the accuracy of attempts on one data set with their intervals.

    Parameters
    ----------
    rows : DataFrame
        Rows of `tables.comparison_table`.
    n_classes : int
        Number of classes; guessing is right once in so many times.

    Returns
    -------
    Svg
        The rows from top to bottom.
    """
    import matplotlib

    names = [_clip(name) for name in rows["attempt"]]
    label, height = 0.075 * max(map(len, names)) + 0.2, 0.27 * len(rows) + 0.1
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(label + 4.7, height + 0.75)
        _place(figure, label, 0.48, 4.5, height)
        _guides(axes, n_classes, len(rows))
        for place, row in enumerate(rows.itertuples()):
            _interval(axes, place, row)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("accuracy in percent, 95 % interval over groups", fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        return _svg(figure, "Accuracy of each attempt with its interval.")


def rank_figure(table: pd.DataFrame, cliques: list[list[str]], critical_difference: float) -> Svg:
    """Draw mean ranks over several data sets, and which attempts cannot be told apart.

    Parameters
    ----------
    table : DataFrame
        From `places.rank_table`.
    cliques : list of list of str
        From `places.cliques`: one bar each, with a dot beside every member.
    critical_difference : float
        How far apart mean ranks must be, shown as a bar of that length.

    Returns
    -------
    Svg
        The best from top to bottom.

    Notes
    -----
    After Demšar, JMLR 7, 2006, turned so that names of any length have room and bars need not join neighbours.
    """
    import matplotlib

    names = [_clip(str(name)) for name in table.index]
    label, height = 0.075 * max(map(len, names)) + 0.2, 0.27 * len(table) + 0.1
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(label + 3.3 + 0.16 * len(cliques), height + 0.85)
        _place(figure, label, 0.45, 3.1, height)
        axes.plot(table["mean_rank"], range(len(table)), "o", color=INK, markersize=5.5, clip_on=False)
        axes.plot([1, 1 + critical_difference], [-0.85, -0.85], color=INK, linewidth=2, clip_on=False)
        axes.text(1, -1.0, f"critical difference {critical_difference:.3g}", fontsize=7, va="bottom")
        for number, clique in enumerate(cliques):
            _bar(axes, 1.03 + 0.05 * number, [list(table.index).index(name) for name in clique])
        axes.set_yticks(range(len(table)), names)
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.set_xlim(1, len(table))
        axes.set_xlabel("mean rank, 1 is best; bars join what cannot be told apart", fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        return _svg(figure, "Mean ranks of attempts, with bars beside those that cannot be told apart.")


def _bar(axes: Axes, place: float, rows: list[int]) -> None:
    """Draw an upright bar at a share of the width, with a dot at each of its rows."""
    across = axes.get_yaxis_transform()
    ends = [min(rows), max(rows)]
    axes.plot([place, place], ends, color=INK, linewidth=1.2, transform=across, clip_on=False)
    axes.plot([place] * len(rows), rows, "o", color=INK, markersize=4, transform=across, clip_on=False)


def _guides(axes: Axes, n_classes: int, n_rows: int) -> None:
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
    axes.axvline(100 / n_classes, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
    axes.text(100 / n_classes, -0.68, "guessing", ha="center", va="bottom", fontsize=7, alpha=0.8)


def _interval(axes: Axes, place: int, row: Any) -> None:
    colour = FAMILIES.get(row.family, OTHER_FAMILY)
    if np.isnan(row.accuracy):
        axes.text(1, place, "no score", va="center", fontsize=8, style="italic", alpha=0.7)
        return
    ends = [100 * row.accuracy_low, 100 * row.accuracy_high]
    axes.plot(ends, [place, place], color=colour, linewidth=5, alpha=0.45, solid_capstyle="butt")
    axes.plot([100 * row.accuracy], [place], "o", color=colour, markersize=5.5, clip_on=False)


def _clip(name: str, longest: int = 32) -> str:
    """Keep a label short, on one line, and free of what SVG cannot hold."""
    flat = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _place(figure: Figure, left: float, bottom: float, width: float, height: float) -> None:
    """Set the frame of the only axes, in inches from the lower left corner."""
    whole = figure.get_size_inches()
    figure.axes[0].set_position((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))


def _svg(figure: Figure, title: str) -> Svg:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return Svg(text.getvalue())


def inline(svg: str) -> str:
    """Make an SVG document a part of a page: its ink the page's, its element names out of the page's way."""
    body = svg[svg.index("<svg ") :]
    for part in ("<metadata>.*?</metadata>", "<defs>\\s*<style.*?</style>\\s*</defs>"):
        body = re.sub(part, "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'width="([\d.]+)pt" height="[\d.]+pt"', r'role="img" width="\1pt"', body, count=1)
    return body.replace(INK, "currentColor")
