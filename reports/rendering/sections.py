"""What the page says of one data set under one split: values for its template."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..analysis import tables
from ..analysis.columns import COLUMNS, Column
from ..analysis.hard_clips import MISSED, SOLVED
from ..analysis.results import Reader, Result
from ..statistics.intervals import confusion_matrix
from .figures import COSTS
from .heatmaps import row_shares
from .parts import Part
from .prose import listed
from .verdict import settling

# With more classes than these, a list of confusions says more than a matrix.
_MOST_CLASSES = 20
# Columns of a heat map; a table of more is for a file.
_MOST_COLUMNS = 40
_MOST_CONFUSIONS = 20
# Of each kind of hard clips; clips.csv has all.
_MOST_CLIPS = 30
_LONGEST_TEXT = 10_000


class Allowance:
    """How many bytes of pictures a page may still hold."""

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes

    def take(self, content: bytes) -> bool:
        """Return whether there is room for a picture, and take it."""
        fits = len(content) <= self._left
        self._left -= len(content) * fits
        return fits


def section(store: Reader, part: Part, crossings: pd.DataFrame, allowance: Allowance) -> dict[str, Any]:
    """Return the values of a section.

    Parameters
    ----------
    store : Reader
        For what attempts say of themselves.
    part : Part
        With its pictures.
    crossings : DataFrame
        From `learning.crossings` of all results.
    allowance : Allowance
        Of the whole page.
    """
    first, explained = part.results[0], store.with_artifacts()
    columns = _columns(part.rows)
    prices = [(cost, _inline(part, f"pareto-{cost}")) for cost in COSTS if f"pareto-{cost}" in part.pictures]
    return {
        "dataset": first.dataset,
        "split": first.split,
        "notes": tables.notes(part.rows),
        "sizes": tables.sizes(part.rows),
        "extent": tables.extent(part.rows),
        "columns": columns,
        "rows": [_row(row, number, columns) for number, row in enumerate(part.rows.itertuples(), 1)],
        "accuracy": _inline(part, "accuracy"),
        "prices": prices,
        "pairs": _against_the_best(part),
        "heats": list(_heats(part)),
        "learning": _learning(part, crossings),
        "clips": _clips(store, part, allowance),
        "cards": [_card(store, result, explained, allowance) for result in part.results],
    }


def markup(text: str) -> Any:
    """Return text that is markup of ours, and no text of others."""
    from markupsafe import Markup

    return Markup(text)


def _inline(part: Part, picture: str) -> Any:
    what = picture.replace("pareto-", "accuracy against ")
    return markup(part.pictures[picture].inline(f"{what.capitalize()} on {part.name}"))


def _columns(rows: pd.DataFrame) -> list[Column]:
    """Return the columns of the table, those that can be chosen last; what nobody knows is left out."""
    more = [
        column
        for column in COLUMNS
        if column.heading
        and not column.is_default
        and column.name in rows
        and rows[column.name].notna().any()
    ]
    return tables.shown(rows) + more


def _row(row: Any, number: int, columns: list[Column]) -> dict[str, Any]:
    cells = [
        {
            "text": column.text(row),
            "value": _sorted_by(getattr(row, column.name)) if column.is_number else "",
        }
        for column in columns
    ]
    return {"cells": cells, "number": number, "words": _words(row.attempt, row.family)}


def _against_the_best(part: Part) -> dict[str, Any] | None:
    pairs = part.pairs
    if pairs.empty:
        return None
    best = pairs["second"].iloc[0]
    heads = ["attempt", "less accurate by", "p", "p adjusted", "p Holm", "can be told apart"]
    rows = [_behind(row) for row in pairs[pairs["second"] == best].itertuples()]
    known = ", with their 95 % intervals" if pairs["difference_low"].notna().any() else ""
    return {
        "best": best,
        "caption": f"Differences to {best}, in points{known}; pairs.csv has all pairs",
        "heads": heads,
        "rows": rows,
        "settling": settling(part.results, pairs),
    }


def _behind(row: Any) -> tuple[str, ...]:
    points = f"{100 * row.difference:.1f}"
    if not math.isnan(row.difference_low):
        points += f" [{100 * row.difference_low:+.1f}, {100 * row.difference_high:+.1f}]"
    p_values = (f"{p_value:.2g}" for p_value in (row.p_value, row.p_adjusted, row.p_holm))
    return row.first, points, *p_values, "yes" if row.apart else "no"


def _sorted_by(value: Any) -> str:
    return "" if pd.isna(value) else f"{float(value):.6g}".replace("inf", "Infinity")


def _words(attempt: str, family: str) -> str:
    """Return what a row is found by."""
    return f"{attempt} {family}".lower()


def _heats(part: Part) -> Iterator[dict[str, Any]]:
    yield _hardest(part, part.by_class, "class", "classes")
    if part.by_group.shape[1]:
        yield _hardest(part, part.by_group, "group", "groups")
    if len(part.nuisances):
        yield conditions(part.nuisances, [result.attempt for result in part.results])


def _learning(part: Part, crossings: pd.DataFrame) -> dict[str, Any] | None:
    if "learning" not in part.pictures:
        return None
    heads = ["attempt", "beats", "from groups on", "95 % interval", "points better in the end"]
    first = part.results[0]
    rows = [
        _crossed(row)
        for row in crossings.itertuples()
        if (row.dataset, row.split) == (first.dataset, first.split)
    ]
    return {"figure": _inline(part, "learning"), "heads": heads, "rows": rows}


def _crossed(row: Any) -> tuple[str, ...]:
    gained = (
        f"{100 * row.difference:+.1f} [{100 * row.difference_low:+.1f}, {100 * row.difference_high:+.1f}]"
    )
    return row.attempt, row.against, f"{row.train_groups:g}", f"{row.low:g} to {row.high:g}", gained


def conditions(rows: pd.DataFrame, order: list[str] | None = None) -> dict[str, Any]:
    """Return a heat map of accuracy by condition.

    Parameters
    ----------
    rows : DataFrame
        From `conditions.clip_conditions` or `option_conditions`, of one data set and split.
    order : list of str, optional
        Attempts from top to bottom; by default as the rows have them.
    """
    heads = list(dict.fromkeys(rows[["condition", "value"]].itertuples(index=False, name=None)))
    known = {(row.attempt, row.condition, row.value): row for row in rows.itertuples()}
    families = dict(rows[["attempt", "family"]].itertuples(index=False, name=None))
    attempts = [(name, families[name]) for name in order or families if name in families]
    return {
        "head": "By condition",
        "caption": "Percent of the clips of each condition that were recognised right, with 95 % intervals over groups",
        "corner": "attempt",
        "heads": [f"{condition}: {value}" for condition, value in heads],
        "rows": [
            (name, _words(name, family), [_with_interval(known.get((name, *head))) for head in heads])
            for name, family in attempts
        ],
        "notes": [],
    }


def _with_interval(row: Any) -> tuple[str, str, str]:
    if row is None:
        return "", "–", ""
    shade, text, _ = _heat(row.accuracy)
    return shade, text, f"{100 * row.accuracy_low:.0f}–{100 * row.accuracy_high:.0f}"


def _clips(store: Reader, part: Part, allowance: Allowance) -> list[dict[str, Any]]:
    """Return the clips that nobody or only one gets right, with their thumbnails as far as there is room."""
    found = part.hard_clips
    if found.empty:
        return []
    several = any(len(np.unique(result.seeds)) > 1 for result in part.results)
    solved = " under more than half of the seeds" if several else ""
    thumbnails = store.thumbnails(int(part.results[0].columns["dataset_id"][0]))
    groups = []
    for kind, rows in found.groupby("kind", sort=False):
        shown = rows.head(_MOST_CLIPS)
        more = f" {len(shown)} of them:" if len(shown) < len(rows) else ""
        n_attempts = rows["n_attempts"].iloc[0]
        words = (
            f"Of {n_attempts} attempts that look at clips, {_KINDS[str(kind)]}{solved}: {len(rows)}.{more}"
        )
        chosen: Iterator[Any] = shown.itertuples()
        clips = [_clip(row, thumbnails.get(row.position), allowance) for row in chosen]
        groups.append({"words": words, "clips": clips})
    return groups


#: What is said of each kind of `hard_clips`.
_KINDS = {MISSED: "none gets these right", SOLVED: "only one gets each of these right"}


def _clip(row: Any, strip: bytes | None, allowance: Allowance) -> dict[str, Any]:
    solver = f"{row.attempt} only; " if row.attempt else ""
    take = "takes" if row.n_taken_for == 1 else "take"
    words = f"{row.clip} ({row.label}): {solver}{row.n_taken_for} {take} it for {row.taken_for}"
    fits = strip is not None and allowance.take(strip)
    why = "Left out to keep the page small." if strip else "The store holds no frames of it."
    return {
        "name": row.clip,
        "words": words,
        "picture": base64.b64encode(strip).decode() if fits and strip else "",
        "why": why,
    }


def _hardest(part: Part, table: pd.DataFrame, what: str, plural: str) -> dict[str, Any]:
    """Return a heat map of the columns, only the hardest where they are many."""
    notes = ["No intervals: few clips stand behind a cell. Look for patterns, not for differences."]
    if table.shape[1] > _MOST_COLUMNS:
        hard = table.mean().sort_values(kind="stable").index[:_MOST_COLUMNS]
        notes.append(f"The {_MOST_COLUMNS} hardest of {table.shape[1]} {plural}; {plural}.csv has all.")
        table = table[[name for name in table.columns if name in set(hard)]]
    return {
        "head": f"By {what}",
        "caption": f"Percent of the clips of each {what} that were recognised right, {part.name}",
        "corner": "attempt",
        "heads": list(table.columns),
        "rows": [
            (result.attempt, _words(result.attempt, result.family), [_heat(share) for share in shares])
            for result, shares in zip(part.results, table.to_numpy(), strict=True)
        ],
        "notes": notes,
    }


def _heat(share: float) -> tuple[str, str, str]:
    """Return shade and text of a cell."""
    if math.isnan(share):
        return "", "–", ""
    return _shade("r", share), f"{100 * share:.0f}", ""


def _shade(kind: str, share: float) -> str:
    return f"{kind}{math.ceil(10 * share - 1e-9)}" if share > 0 else ""


def _card(store: Reader, result: Result, explained: set[str], allowance: Allowance) -> dict[str, Any]:
    card: dict[str, Any] = {
        "attempt": result.attempt,
        "words": _words(result.attempt, result.family),
        "confusion": None,
        "said": "No fold finished.",
    }
    if len(result.positions):
        counts = confusion_matrix(result.truth, result.predicted, len(result.classes))
        card["said"] = _confused(counts, result.classes)
        if len(result.classes) <= _MOST_CLASSES:
            card["confusion"] = _confusion(counts, result)
    return card | _explanation(store, result, explained, allowance)


def _confusion(counts: Any, result: Result) -> dict[str, Any]:
    shares = row_shares(counts)
    rows = []
    for row, name in enumerate(result.classes):
        # Roots, so that rare confusions are seen beside what is mostly right.
        cells = [
            (
                _shade("r" if column == row else "w", math.sqrt(share)),
                f"{100 * share:.0f}" if share else "",
                "",
            )
            for column, share in enumerate(shares[row])
        ]
        rows.append((name, "", cells))
    return {
        "caption": f"What {result.attempt} takes each class for, percent of its clips",
        "corner": "true class",
        "heads": result.classes,
        "rows": rows,
    }


def _confused(counts: Any, classes: list[str]) -> str:
    """Name the most frequent confusions."""
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    totals = counts.sum(axis=1)
    most = 3 if len(classes) <= _MOST_CLASSES else _MOST_CONFUSIONS
    worst = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(counts)) for place in worst if wrong.flat[place]]
    named = [
        f"{classes[row]} taken for {classes[column]} {100 * wrong[row, column] / totals[row]:.0f} %"
        for row, column in pairs
    ]
    return f"Most often: {', '.join(named)}." if named else "No confusions."


def _explanation(store: Reader, result: Result, explained: set[str], allowance: Allowance) -> dict[str, Any]:
    """Return what the attempt said in the first cell that left anything."""
    for key, seed, fold in zip(
        *(result.column(name).tolist() for name in ("key", "seed", "fold")), strict=True
    ):
        files = store.artifacts(key) if key in explained else {}
        text = files.pop("explain.txt", b"").decode("utf-8", errors="replace")
        drawn = {name: content for name, content in files.items() if name.endswith(".png")}
        if text or drawn:
            return _said(text, drawn, f"seed {seed}, fold {fold}", allowance)
    return {"explanation": "", "pictures": [], "cell": "", "left_out": ""}


def _said(text: str, drawn: dict[str, bytes], cell: str, allowance: Allowance) -> dict[str, Any]:
    kept = {name: content for name, content in drawn.items() if allowance.take(content)}
    left = [name.removesuffix(".png") for name in drawn if name not in kept]
    cut = text[:_LONGEST_TEXT] + "…" * (len(text) > _LONGEST_TEXT)
    return {
        "explanation": cut,
        "pictures": [
            (name.removesuffix(".png"), base64.b64encode(content).decode()) for name, content in kept.items()
        ],
        "cell": cell,
        "left_out": f"Left out to keep the page small, but in the store: {listed(left)}." if left else "",
    }
