"""Profiles on the page: what attempts use and withstand, as tables and small multiples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from ..analysis.profile import (
    LEGENDS,
    NUISANCES,
    PARTS,
    control_texts,
    curves,
    profile,
    sentences,
    tables_of,
    texts,
)
from ..analysis.results import Result, diagnostics
from .canvas import FAMILIES, INK, OTHER_FAMILY, Svg, canvas, report_style, set_position, short_name
from .drawings import Drawing
from .figures import DASHES
from .sections import markup, shade

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Largest number of attempts in small multiples; profile-curves.csv has all.
_MAX_LINES = 8
# Panels side by side, and the size of each in inches, with the room for what is written below and above.
_ACROSS, _WIDE, _TALL, _BELOW, _ABOVE, _LEFT = 4, 1.75, 1.1, 0.42, 0.22, 0.5
# Curves of tracks: the title of the panel, the condition drawn, the level of its control, and what the levels are.
_PANELS: dict[str, tuple[str, str | None, float | None, str]] = {
    "arrow": ("arrow of time", None, 0.5, "share of the cycle that rises"),
    "order": ("two actions, either order", None, None, "still frames between"),
    "tempo": ("tempo", None, 1, "ratio"),
    "motion-noise": ("warped noise", None, 0, "coherence"),
    "motion-dots": ("random dots", None, 0, "coherence"),
    "point-lights": ("point lights", "intact", None, "noise dots"),
    "path": ("path", None, 0, "body heights"),
    "context": ("background, in conflict", "conflict", None, "correlation with the label"),
}


@dataclass(frozen=True)
class Profile:
    """What a report shows of the data set ``diagnostic``.

    Attributes
    ----------
    results : list of Result
        On its tracks.
    table, points : DataFrame
        From `profile.profile` and `profile.curves`.
    pictures : dict of str to Drawing
        Small multiples by name.
    """

    results: list[Result]
    table: pd.DataFrame
    points: pd.DataFrame
    pictures: dict[str, Drawing]

    @classmethod
    def of(cls, results: list[Result]) -> Self:
        """Measure and draw what gathered results have of it, nothing where that is none."""
        points = curves(results)
        return cls(diagnostics(results), profile(results), points, small_multiples(points))


def profiles(found: Profile) -> dict[str, Any] | None:
    """Return the values for the page's template, None where nothing was measured."""
    if found.table.empty:
        return None
    attempts = list(dict.fromkeys(found.table["attempt"]))
    return {
        "sentences": sentences(found.table),
        "tables": [
            _heat_map(title, measures, known, attempts) for title, measures, known in tables_of(found.table)
        ],
        "figures": [markup(drawn.svg.inline(drawn.svg.label)) for drawn in found.pictures.values()],
    }


def _heat_map(title: str, measures: list[str], known: dict[Any, Any], attempts: list[str]) -> dict[str, Any]:
    is_lived = title == "what it withstands"
    columns: list[tuple[str, list[tuple[str, str, str]]]] = []
    for measure in measures:
        rows = [known.get((attempt, measure)) for attempt in attempts]
        controls = [_control(row) for row in rows]
        if is_lived and not columns:
            columns.append(("whole clips, %", controls))
        head = PARTS[title][measure]
        columns.append((f"{head}, {NUISANCES[head][0]}" if is_lived else head, [_value(row) for row in rows]))
        if not is_lived and any(text for _, text, _ in controls):
            columns.append(("its control", controls))
    return {
        "head": f"{title[0].upper()}{title[1:]}",
        "caption": f"{LEGENDS[title]}. With 95 % intervals over groups"
        + ("" if is_lived else " and, in percent, the control, where all must fail"),
        "corner": "attempt",
        "heads": [head for head, _ in columns],
        "rows": [
            (attempt, "", [cells[number] for _, cells in columns]) for number, attempt in enumerate(attempts)
        ],
    }


def _value(row: Any) -> tuple[str, str, str]:
    if row is None:
        return "", "", ""
    is_share = row.unit in ("%", "% of pairs") and row.measure in PARTS["what it uses"]
    return shade("r", row.value / 100) if is_share else "", *texts(row)


def _control(row: Any) -> tuple[str, str, str]:
    return ("", *control_texts(row)) if row is not None else ("", "", "")


#: Title, rows of `profile.curves`, the level of the must-fail control, and what the levels are.
Panel = tuple[str, pd.DataFrame, float | None, str]


def small_multiples(points: pd.DataFrame) -> dict[str, Drawing]:
    """Return pictures of rows of `profile.curves` by name, without those of which no panel has several levels."""
    panels: list[Panel] = []
    for track, (title, condition, control, unit) in _PANELS.items():
        own = points[(points["track"] == track) & (points["condition"] != "control")]
        panels.append(
            (title, own if condition is None else own[own["condition"] == condition], control, unit)
        )
    nuisances = points[points["track"] == "nuisance"]
    whole = nuisances[nuisances["condition"] == "none"]
    lived: list[Panel] = []
    for nuisance, (unit, clean) in NUISANCES.items():
        own = nuisances[nuisances["condition"] == nuisance]
        # Whole clips come first, where no level is theirs.
        first = whole.assign(level=clean) if len(own) and not (own["level"] == clean).any() else own[:0]
        lived.append((nuisance, pd.concat([first, own]), None, unit))
    found: dict[str, tuple[list[Panel], str]] = {
        "uses": (panels, "Accuracy of each attempt by level, on tracks of one cue each."),
        "withstands": (lived, "Accuracy of each attempt by level of each nuisance."),
    }
    return {
        name: Drawing(multiples, (several, label))
        for name, (all_panels, label) in found.items()
        if (several := [panel for panel in all_panels if panel[1]["level"].nunique() > 1])
    }


def multiples(panels: Sequence[Panel], label: str) -> Svg:
    """Draw small multiples: accuracy by level, a panel for each track and a line for each attempt.

    Parameters
    ----------
    panels : sequence of tuple
        Title, rows of `profile.curves`, the level of the must-fail control, which is shaded, if there is one, and what
        the levels are. Those with fewer than two levels are left out.
    label : str
        Title of the figure.

    Returns
    -------
    Svg
        All have one vertical axis, with a line at chance; levels are equally spaced, those
        of dark and frame rate from the largest.
    """
    attempts = pd.concat([rows for _, rows, _, _ in panels]).drop_duplicates("attempt").head(_MAX_LINES)
    styles = {
        row.attempt: (FAMILIES.get(row.family, OTHER_FAMILY), DASHES[number % len(DASHES)])
        for number, row in enumerate(_rows(attempts))
    }
    across, down = min(_ACROSS, len(panels)), -(-len(panels) // _ACROSS)
    legend = 0.19 * -(-len(styles) // across) + 0.1
    pitch = _WIDE + 0.2, _TALL + _BELOW + _ABOVE
    with report_style():
        height = down * pitch[1] + legend
        figure, axes = canvas(_LEFT + across * pitch[0], height)
        figure.delaxes(axes)
        for number, panel in enumerate(panels):
            row, column = divmod(number, across)
            own = figure.add_subplot()
            own.patch.set_visible(False)
            top = height - legend - row * pitch[1] - _ABOVE
            set_position(own, _LEFT + column * pitch[0], top - _TALL, _WIDE, _TALL)
            _panel(own, panel, styles, named=column == 0)
        for number, (attempt, (colour, dashes)) in enumerate(styles.items()):
            row, column = divmod(number, across)
            left, level = _LEFT + column * pitch[0], 1 - (0.12 + 0.19 * row) / height
            ends = [left / figure.get_figwidth(), (left + 0.28) / figure.get_figwidth()]
            figure.add_artist(_line(ends, [level] * 2, colour, dashes))
            figure.text(ends[1] + 0.008, level, short_name(attempt, 24), va="center", fontsize=8)
        return Svg.of(figure, label)


def _rows(table: pd.DataFrame) -> Any:
    return table.itertuples()


def _line(x: list[float], y: list[float], colour: str, dashes: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(x, y, color=colour, linestyle=dashes, linewidth=1.4)


def _panel(axes: Axes, panel: Panel, styles: Any, *, named: bool) -> None:
    title, rows, control, unit = panel
    levels = sorted(set(rows["level"].dropna()), reverse=title in ("dark", "frame rate"))
    places = {level: place for place, level in enumerate(levels)}
    if control in places:
        axes.axvspan(places[control] - 0.3, places[control] + 0.3, color=INK, alpha=0.1, linewidth=0)
    axes.axhline(100 * rows["chance"].iloc[0], color=INK, linewidth=0.7, linestyle=(0, (3, 3)), alpha=0.6)
    for attempt, (colour, dashes) in styles.items():
        own = rows[(rows["attempt"] == attempt) & rows["level"].notna()]
        own = own.assign(place=own["level"].map(places)).sort_values("place")
        if len(own):
            low, share, high = (100 * own[name].to_numpy(float) for name in ("low", "accuracy", "high"))
            axes.fill_between(own["place"], low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(own["place"], share, color=colour, linestyle=dashes, linewidth=1.4)
    axes.set_title(title, fontsize=8, pad=3, y=1)
    axes.set_xlabel(unit, fontsize=7, labelpad=1)
    axes.set_xticks(range(len(levels)), [f"{level:g}".removeprefix("0") or "0" for level in levels])
    axes.set_yticks([0, 50, 100], ["0", "50", "100 %"] if named else [""] * 3)
    axes.tick_params(labelsize=6.5, length=2, pad=1.5)
    axes.set_xlim(-0.4, len(levels) - 0.6)
    axes.set_ylim(0, 103)
    axes.spines[["top", "right"]].set_visible(False)
