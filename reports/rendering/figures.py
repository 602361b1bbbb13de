"""Figures of a comparison: accuracy, costs, learning curves, and ranks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ..analysis.columns import percent, with_unit
from .canvas import (
    FAMILIES,
    INK,
    OTHER_FAMILY,
    POINTS,
    Svg,
    canvas,
    minimal_frame,
    name_rows,
    name_width,
    report_style,
    set_position,
    short_name,
    write,
)
from .labels import Box, Point, lead, place_labels
from .prose import join_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Price(NamedTuple):
    """A cost of an attempt: column of the comparison table, label of the axis, and unit of `with_unit`."""

    column: str
    label: str
    unit: str = ""


#: Costs of an attempt.
COSTS = {
    "latency": Price("latency_p50_ms", "median time for one clip", "ms"),
    "energy": Price("predict_joules_per_clip", "energy of the processor for one clip", "J"),
    "CPU time": Price("predict_cpu_ms_per_clip", "CPU time for one clip", "ms"),
    "fit time": Price("fit_seconds", "time to fit", "s"),
    "memory": Price("peak_memory_mib", "peak memory", "MiB"),
    "parameters": Price("n_parameters", "parameters"),
    "operations": Price("operations", "operations of the net for one clip, features not counted"),
}

#: Identifier of the names of points.
NAME = "name"
# Size of the axes of accuracy against a cost in inches, of the names in it in points, and the distance from a point
# from which on a line leads to its name.
_WIDTH, _HEIGHT, _NAME_SIZE, _NEAR = 4.75, 3.05, 7.5, 0.14
# Labelled parts of a decade, by the ratio of the ends of the axis.
_PARTS = {12: (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), 50: (1.0, 2.0, 5.0), 1000: (1.0, 3.0)}
# A point by itself is no comparison.
_MIN_PRICED = 2


def accuracy_figure(rows: pd.DataFrame, n_classes: int, cliques: list[list[str]] | None = None) -> Svg:
    """Draw the accuracy of attempts on one data set with their intervals.

    Parameters
    ----------
    rows : DataFrame
        Rows of `tables.comparison_table`.
    n_classes : int
        Number of classes, for the accuracy by chance.
    cliques : list of list of str, optional
        From `rank_intervals.cliques`: one bar for each of the first twelve, with a dot beside each of its attempts.

    Returns
    -------
    Svg
        The rows from top to bottom.
    """
    names = [short_name(name) for name in rows["attempt"]]
    label, height = name_width(names), 0.27 * len(rows) + 0.1
    bars = (cliques or [])[:_MAX_BARS]
    with report_style():
        figure, axes = canvas(label + 4.7 + 0.16 * len(bars), height + 0.75)
        set_position(axes, label, 0.48, 4.5, height)
        minimal_frame(axes)
        _chance_line(axes, n_classes)
        _intervals(axes, rows)
        order = list(rows["attempt"])
        for number, clique in enumerate(bars):
            _bar(axes, 1.03 + 0.035 * number, [order.index(name) for name in clique])
        name_rows(axes, names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        joined = "; bars: no significant difference" if bars else ""
        if cliques and len(cliques) > len(bars):
            joined += f", the first {len(bars)} of {len(cliques)} sets"
        axes.set_xlabel(f"accuracy in percent, 95 % interval over groups{joined}", fontsize=8)
        return Svg.of(figure, "Accuracy of each attempt with its interval.")


# Largest number of bars.
_MAX_BARS = 12


def costs_to_draw(rows: pd.DataFrame) -> list[str]:
    """Return the keys of `COSTS` that at least two attempts have with their accuracy.

    CPU time stands for energy where no counter of it can be read.
    """
    priced = [cost for cost in COSTS if len(_priced_rows(rows, cost)) >= _MIN_PRICED]
    return [cost for cost in priced if cost != "CPU time" or "energy" not in priced]


def _priced_rows(rows: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Return the rows that have both accuracy and a cost."""
    column = COSTS[cost].column
    if column not in rows:
        return rows[:0]
    return rows[rows["accuracy"].notna() & np.isfinite(rows[column].astype(float))].reset_index(drop=True)


def pareto_figure(rows: pd.DataFrame, cost: str) -> Svg:
    """Draw accuracy against a cost, with the Pareto front.

    Parameters
    ----------
    rows : DataFrame
        Rows of `tables.comparison_table` on one data set.
    cost : str
        One of `costs_to_draw`.

    Returns
    -------
    Svg
        Costs are on a logarithmic axis, with zero costs at the left edge. The axes hold all attempts but the trivial
        ones, which are arrows where they are beyond. Those on the front, and the first of the rows, are named; arrows,
        attempts of unknown cost and those without room for a name are listed below.
    """
    price = COSTS[cost]
    known = _priced_rows(rows, cost)
    prices = known[price.column].astype(float).to_numpy()
    scores = 100 * known["accuracy"].to_numpy(float)
    low, high = (100 * known[end].to_numpy(float) for end in ("accuracy_low", "accuracy_high"))
    positive = prices[prices > 0]
    free = positive.min() / 10 if len(positive) else 1.0
    spots = np.where(prices > 0, prices, free)
    kept = (known["family"] != "trivial").to_numpy()
    kept = kept if kept.any() else ~kept
    left, right = spots[kept].min() / 1.6, spots[kept].max() * 1.6
    floor = max(0.0, 10 * np.floor((low[kept].min() - 1) / 10))
    inside = (spots >= left) & (spots <= right) & (scores >= floor)
    spots, heights = spots.clip(left, right), scores.clip(floor)
    front = pareto_front(prices, scores)
    filled = np.isin(np.arange(len(known)), front)
    colours = np.array([FAMILIES.get(family, OTHER_FAMILY) for family in known["family"]])
    with report_style():
        figure, axes = canvas(6.6, 3.7)
        set_position(axes, 0.55, 0.5, _WIDTH, _HEIGHT)
        axes.set_ylim(floor, 100 + 0.06 * (100 - floor))
        _by_logarithm(axes, left, right, price.unit)
        axes.grid(color=INK, alpha=0.12, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.step(spots[front], heights[front], where="post", color=INK, linewidth=1)
        bars = spots[inside], low[inside].clip(floor), high[inside]
        axes.vlines(*bars, colours[inside], linewidth=3, alpha=0.3)
        faces = np.where(filled, colours, "none")[inside]
        rims = {"edgecolors": colours[inside], "zorder": 3, "gid": POINTS}
        axes.scatter(spots[inside], heights[inside], 36, faces, **rims)
        for number in np.flatnonzero(~inside):
            beyond = "v" if scores[number] < floor else "<" if prices[number] < left else ">"
            axes.plot(spots[number], heights[number], beyond, color=colours[number], clip_on=False, zorder=3)
        # The most accurate is named first, where there is most room.
        named = [0, *[number for number in front[::-1].tolist() if number]]
        lines = list(zip(*bars, strict=True))
        unnamed = _name(axes, [n for n in named if inside[n]], spots, heights, known["attempt"], lines, front)
        _families(axes, known)
        if (prices[inside] == 0).any():
            axes.axvspan(axes.get_xlim()[0], 2.5 * free, color=INK, alpha=0.06, linewidth=0)
            axes.text(free, floor + 1, "none", ha="center", va="bottom", fontsize=7, style="italic")
        axes.set_xlabel(price.label, fontsize=8)
        axes.set_ylabel("accuracy in percent", fontsize=8)
        titles = [_priced(row, price) for row in known[inside].itertuples()]
        caption = _outside(rows, known, inside, unnamed, price)
        return Svg.of(figure, f"Accuracy against {price.label}.", titles, caption)


def _outside(
    rows: pd.DataFrame, known: pd.DataFrame, inside: np.ndarray, unnamed: list[str], price: Price
) -> str:
    """List what a figure of costs does not show or name."""
    unknown = rows["accuracy"].notna() & ~rows["attempt"].isin(known["attempt"])
    lists = {
        "Arrows, beyond the axes: ": [_beyond(row, price) for row in known[~inside].itertuples()],
        "On the front, too: ": [short_name(name) for name in unnamed],
        "Unknown for ": [short_name(name) for name in rows.loc[unknown, "attempt"]],
    }
    return " ".join(f"{head}{join_names(items)}." for head, items in lists.items() if items)


def pareto_front(costs: Any, scores: Any) -> np.ndarray:
    """Return the indices of the Pareto front: those without another that is better in one and no worse in the other.

    Parameters
    ----------
    costs, scores : array_like, shape (n,)
        Lower costs and higher scores are better. Equals in both are on the front together.

    Returns
    -------
    ndarray of int
        Cheapest first.

    Examples
    --------
    >>> pareto_front([1, 2, 3, 2], [0.5, 0.9, 0.8, 0.9]).tolist()
    [0, 1, 3]
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    no_worse = (costs[:, None] <= costs) & (scores[:, None] >= scores)
    better = (costs[:, None] < costs) | (scores[:, None] > scores)
    front = np.flatnonzero(~(no_worse & better).any(axis=0))
    return front[np.lexsort([scores[front], costs[front]])]


def _priced(row: Any, price: Price) -> str:
    low, high = 100 * row.accuracy_low, 100 * row.accuracy_high
    value = with_unit(float(getattr(row, price.column)), price.unit)
    return f"{row.attempt}: {100 * row.accuracy:.1f} % [{low:.1f}, {high:.1f}], {price.label} {value}"


def _beyond(row: Any, price: Price) -> str:
    value = with_unit(float(getattr(row, price.column)), price.unit)
    return f"{short_name(row.attempt)} ({100 * row.accuracy:.1f} %, {value})"


def _by_logarithm(axes: Axes, low: float, high: float, unit: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    # Three or more values that are easily read, whatever the range.
    if high / low < 5:
        axes.xaxis.set_major_locator(FixedLocator(MaxNLocator(5).tick_values(low, high)))
    else:
        parts = next((found for limit, found in _PARTS.items() if high / low < limit), (1.0,))
        axes.xaxis.set_major_locator(LogLocator(subs=parts, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: with_unit(value, unit)))


def _name(
    axes: Axes,
    named: list[int],
    spots: np.ndarray,
    heights: np.ndarray,
    names: pd.Series,
    bars: list[tuple[float, float, float]],
    front: np.ndarray,
) -> list[str]:
    """Write names beside their points; return those for which there is no room."""
    from .lettering import word_width

    (left, right), (bottom, top) = np.log(axes.get_xlim()), axes.get_ylim()

    def inches(spot: float, height: float) -> tuple[float, float]:
        return _WIDTH * (np.log(spot) - left) / (right - left), _HEIGHT * (height - bottom) / (top - bottom)

    places = [inches(*pair) for pair in zip(spots, heights, strict=True)]
    lines = [Box(*inches(spot, low), *inches(spot, high)).around(0.02) for spot, low, high in bars]
    for one, other in pairwise(front.tolist()):
        (x, y), (end, level) = places[one], places[other]
        lines += [Box(x, y, end, y).around(0.01), Box(end, min(y, level), end, max(y, level)).around(0.01)]
    words = [short_name(name) for name in names]
    sizes = [(word_width(words[number], _NAME_SIZE) / 72 + 0.03, 1.2 * _NAME_SIZE / 72) for number in named]
    others = [place for number, place in enumerate(places) if number not in named]
    found = place_labels(
        [places[number] for number in named], sizes, Box(0, 0, _WIDTH, _HEIGHT), others, lines
    )
    for number, box in zip(named, found, strict=True):
        if box is None:
            continue
        middle, level = (box.left + box.right) / 2, (box.bottom + box.top) / 2
        way = np.array([places[number], lead(places[number], box)])
        if np.hypot(*(way[1] - way[0])) > _NEAR:
            axes.plot(
                way[:, 0] / _WIDTH,
                way[:, 1] / _HEIGHT,
                color=INK,
                linewidth=0.5,
                alpha=0.7,
                transform=axes.transAxes,
            )
        axes.text(
            middle / _WIDTH,
            level / _HEIGHT,
            words[number],
            fontsize=_NAME_SIZE,
            ha="center",
            va="center",
            transform=axes.transAxes,
            gid=NAME,
        )
    return [names[number] for number, box in zip(named, found, strict=True) if box is None]


def _families(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the legend of the families beside the axes."""
    for number, family in enumerate(dict.fromkeys(rows["family"])):
        colour = FAMILIES.get(family, OTHER_FAMILY)
        height = 0.97 - 0.075 * number
        axes.plot([1.04], [height], "o", color=colour, transform=axes.transAxes, clip_on=False, markersize=6)
        axes.text(
            1.07, height, short_name(str(family), 16), transform=axes.transAxes, va="center", fontsize=8
        )


def learning_figure(curves: pd.DataFrame) -> Svg:
    """Draw accuracy over the number of training groups, with intervals.

    Parameters
    ----------
    curves : DataFrame
        Rows of `learning.learning_curves` on one data set.
    """
    from matplotlib.ticker import NullLocator

    with report_style():
        lines = [(str(name), rows) for name, rows in curves.groupby("attempt", sort=False)]
        lines.sort(key=lambda line: -line[1]["accuracy"].iloc[-1])
        # A name takes 0.19 inches.
        tall = max(3.05, 0.19 * len(lines))
        figure, axes = canvas(7.4, tall + 0.65)
        set_position(axes, 0.55, 0.5, 4.75, tall)
        axes.set_xscale("log")
        axes.grid(color=INK, alpha=0.12, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        for number, (name, rows) in enumerate(lines):
            _curve(axes, name, rows, number, 1 - (0.095 + 0.19 * number) / tall)
        ticks = sorted(set(curves["train_groups"]))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0, 103)
        axes.set_xlabel("training groups", fontsize=8)
        axes.set_ylabel("accuracy in percent, 95 % interval over test groups", fontsize=8)
        return Svg.of(figure, "Accuracy of each attempt over the number of training groups.")


# Largest number of attempts in the figure of reliability; reliability.csv has all.
_MAX_PANELS = 12
# Panels side by side, and the side of each in inches, with the room on its left and what is above and below.
_ACROSS, _SIDE, _LEFT, _AROUND = 4, 1.4, 0.48, 0.82


def reliability_figure(points: pd.DataFrame, rows: pd.DataFrame) -> Svg:
    """Draw reliability diagrams: accuracy by the probability of the predicted class, a panel for each attempt.

    Parameters
    ----------
    points : DataFrame
        Rows of `calibration.reliability` with the ``attempt``, at least one.
    rows : DataFrame
        Rows of `tables.comparison_table` on the same data set, in the order of the panels; the first twelve are drawn.

    Returns
    -------
    Svg
        The area of a point is that of its share of the clips.
    """
    from matplotlib.collections import LineCollection

    drawn = rows[rows["attempt"].isin(points["attempt"])].head(_MAX_PANELS)
    across, down = min(_ACROSS, len(drawn)), -(-len(drawn) // _ACROSS)
    width, height = across * (_SIDE + _LEFT) + 0.25, down * (_SIDE + _AROUND)
    corners = [
        (
            _LEFT + number % across * (_SIDE + _LEFT),
            (down - 1 - number // across) * (_SIDE + _AROUND) + 0.4,
        )
        for number in range(len(drawn))
    ]
    shown = points.set_index("attempt").loc[drawn["attempt"]].reset_index()
    panel = pd.Index(drawn["attempt"]).get_indexer(pd.Index(shown["attempt"]))
    colours = np.array([FAMILIES.get(family, OTHER_FAMILY) for family in drawn["family"]])
    x, y, low, high = (
        np.array(corners)[panel, upright] + _inches(100 * shown[name].to_numpy(float))
        for name, upright in (("confidence", 0), ("accuracy", 1), ("accuracy_low", 1), ("accuracy_high", 1))
    )
    clips = shown.groupby("attempt")["n_clips"]
    with report_style():
        # All panels in the same axes, as axes of their own take most of the time.
        figure, axes = canvas(width, height)
        set_position(axes, 0, 0, width, height)
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.set_axis_off()
        _panels(axes, corners)
        ends = zip(x, low, high, strict=True)
        bars = [[(place, begin), (place, end)] for place, begin, end in ends]
        axes.add_collection(LineCollection(bars, colors=colours[panel], linewidths=3, alpha=0.3))
        lines = [np.column_stack([x, y])[panel == number] for number in range(len(drawn))]
        axes.add_collection(LineCollection(lines, colors=colours, linewidths=1))
        axes.scatter(x, y, 4 + 60 * shown["n_clips"] / clips.transform("sum"), colours[panel], zorder=3)
        titles = [
            f"{short_name(name, 26)}\nerror {percent(error)}"
            for name, error in zip(drawn["attempt"], drawn["calibration_error"], strict=True)
        ]
        write(axes, titles, np.add(corners, (_SIDE / 2, _SIDE + 9.9 / 72)), size=7)
        return Svg.of(figure, "Accuracy of each attempt by the probability of the predicted class.")


def _inches(share: Any) -> Any:
    """Return where on an axis of a panel some percent are."""
    return _SIDE * (np.asarray(share) + 2) / 104


def _panels(axes: Axes, corners: list[Point]) -> None:
    """Draw the axes and diagonals of panels with these lower left corners, in inches."""
    from matplotlib.collections import LineCollection

    marks, long = [(0, "0"), (50, "50"), (100, "100 %")], 2 / 72
    places = [_inches(mark) for mark, _ in marks]
    frame = [[(0, _SIDE), (0, 0), (_SIDE, 0)]]
    frame += [[(place, 0), (place, -long)] for place in places]
    frame += [[(0, place), (-long, place)] for place in places]

    def everywhere(lines: Any) -> list[Any]:
        return [np.add(line, corner) for corner in corners for line in lines]

    axes.add_collection(LineCollection(everywhere(frame), colors=INK, linewidths=0.8, capstyle="projecting"))
    dashes: Any = {"linewidths": 0.7, "linestyles": [(0, (3, 3))], "alpha": 0.6}
    ends = _inches([0, 100])
    axes.add_collection(LineCollection(everywhere([np.column_stack([ends, ends])]), colors=INK, **dashes))
    # Distances from the axes in points.
    below = [(place, -6.4 / 72) for place in places]
    write(axes, [word for _, word in marks] * len(corners), everywhere(below), size=6.5)
    left = [(-3.5 / 72, place) for place in places]
    write(axes, [str(mark) for mark, _ in marks] * len(corners), everywhere(left), size=6.5, align="right")
    write(axes, ["probability"] * len(corners), everywhere([(_SIDE / 2, -14 / 72)]), size=7)
    first = [np.add(corner, (-21.1 / 72, _SIDE / 2)) for corner in corners if corner[0] == _LEFT]
    write(axes, ["accuracy"] * len(first), first, size=7, upright=True)


#: Dashes that distinguish attempts of a family.
DASHES: list[Any] = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1))]


def _curve(axes: Axes, name: str, rows: pd.DataFrame, number: int, height: float) -> None:
    """Draw a line, with its name at a share of the height; dashes distinguish attempts of a family."""
    colour = FAMILIES.get(rows["family"].iloc[0], OTHER_FAMILY)
    dashes = DASHES[number % len(DASHES)]
    steps, share = rows["train_groups"], 100 * rows["accuracy"]
    axes.fill_between(steps, 100 * rows["accuracy_low"], 100 * rows["accuracy_high"], color=colour, alpha=0.1)
    axes.plot(steps, share, color=colour, linestyle=dashes, linewidth=1.6, marker="o", markersize=3.5)
    across = axes.transAxes
    axes.plot(
        [1.03, 1.1],
        [height] * 2,
        color=colour,
        linestyle=dashes,
        linewidth=1.6,
        transform=across,
        clip_on=False,
    )
    axes.text(1.12, height, short_name(name, 22), transform=across, va="center", fontsize=7.5)


def rank_figure(table: pd.DataFrame, cliques: list[list[str]], critical_difference: float) -> Svg:
    """Draw mean ranks over several data sets, and sets of attempts without significant differences.

    Parameters
    ----------
    table : DataFrame
        From `rank_intervals.rank_table`.
    cliques : list of list of str
        From `rank_intervals.cliques`: one bar each, with a dot beside every member.
    critical_difference : float
        Critical difference of mean ranks, shown as a bar of that length.

    Returns
    -------
    Svg
        The best from top to bottom.

    Notes
    -----
    After Demšar, JMLR 7, 2006, rotated so that names of any length fit and bars need not join neighbours.
    """
    names = [short_name(str(name)) for name in table.index]
    label, height = name_width(names), 0.27 * len(table) + 0.1
    with report_style():
        figure, axes = canvas(label + 3.3 + 0.16 * len(cliques), height + 0.85)
        set_position(axes, label, 0.45, 3.1, height)
        minimal_frame(axes)
        axes.plot(table["mean_rank"], range(len(table)), "o", color=INK, markersize=5.5, clip_on=False)
        axes.plot([1, 1 + critical_difference], [-0.85, -0.85], color=INK, linewidth=2, clip_on=False)
        axes.text(1, -1.0, f"critical difference {critical_difference:.3g}", fontsize=7, va="bottom")
        for number, clique in enumerate(cliques):
            _bar(axes, 1.03 + 0.05 * number, [list(table.index).index(name) for name in clique])
        name_rows(axes, names)
        axes.set_ylim(len(table) - 0.4, -0.6)
        # A dot at rank 1 keeps its distance from the name.
        axes.set_xlim(1 - 0.03 * len(table), len(table))
        axes.set_xlabel("mean rank, 1 is best; bars: no significant difference", fontsize=8)
        return Svg.of(
            figure, "Mean ranks of attempts, with bars beside those without significant difference."
        )


def _bar(axes: Axes, where: float, rows: list[int]) -> None:
    """Draw an upright bar at a share of the width, with a dot at each of its rows."""
    across = axes.get_yaxis_transform()
    ends = [min(rows), max(rows)]
    axes.plot([where, where], ends, color=INK, linewidth=1.2, transform=across, clip_on=False)
    axes.plot([where] * len(rows), rows, "o", color=INK, markersize=4, transform=across, clip_on=False)


def _chance_line(axes: Axes, n_classes: int) -> None:
    axes.axvline(100 / n_classes, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
    axes.text(100 / n_classes, -0.68, "chance", ha="center", va="bottom", fontsize=7, alpha=0.8)


def _intervals(axes: Axes, rows: pd.DataFrame) -> None:
    known = rows["accuracy"].notna().to_numpy()
    row_places, scored = np.arange(len(rows)), rows[known]
    colours = [FAMILIES.get(family, OTHER_FAMILY) for family in scored["family"]]
    low, share, high = (
        100 * scored[column].to_numpy(float) for column in ("accuracy_low", "accuracy", "accuracy_high")
    )
    axes.hlines(row_places[known], low, high, colours, linewidth=5, alpha=0.45)
    axes.scatter(share, row_places[known], 30, colours, zorder=3, clip_on=False)
    for row_place in row_places[~known]:
        axes.text(1, row_place, "no score", va="center", fontsize=8, style="italic", alpha=0.7)
