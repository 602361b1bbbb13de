"""Values for the page's template on one data set under one split."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..analysis import tables
from ..analysis.breakdown import Breakdown
from ..analysis.columns import COLUMNS, Column
from ..analysis.examples import class_examples
from ..analysis.hard_clips import MISSED, SOLVED
from ..analysis.results import Reader, Result
from ..statistics.intervals import confusion_matrix
from .figures import COSTS
from .heatmaps import row_shares
from .parts import Part
from .prose import join_names

# With more classes, the most frequent confusions are listed instead of a matrix.
_MAX_CLASSES = 20
# Largest number of columns of a heat map; files have all.
_MAX_COLUMNS = 40
_MAX_CONFUSIONS = 20
# Largest number of hard clips of each kind; clips.csv has all.
_MAX_CLIPS = 30
_MAX_TEXT = 10_000


class PictureBudget:
    """The remaining bytes of pictures that a page may hold."""

    def __init__(self, n_bytes: int) -> None:
        self._remaining = n_bytes

    def take(self, content: bytes) -> bool:
        """Return whether a picture fits, and subtract its size if it does."""
        fits = len(content) <= self._remaining
        self._remaining -= len(content) * fits
        return fits


def section(
    store: Reader, part: Part, crossings: pd.DataFrame, ladder: dict[str, Any] | None, budget: PictureBudget
) -> dict[str, Any]:
    """Return the values of a section.

    Parameters
    ----------
    store : Reader
        For the explanations of attempts.
    part : Part
        With its pictures.
    crossings : DataFrame
        From `learning.crossings` of all results.
    ladder : dict or None
        Of `ladders.ladders`.
    budget : PictureBudget
        Of the whole page.
    """
    first, explained = part.results[0], store.with_artifacts()
    columns = _columns(part.rows)
    prices = [(cost, _inline(part, f"pareto-{cost}")) for cost in COSTS if f"pareto-{cost}" in part.pictures]
    heats, clips, learned = list(_heats(part)), _clips(store, part, budget), _learning(part, crossings)
    contents = {
        "ladder": ("What the data offer, and what attempts use", ladder),
        "cost": ("Accuracy against cost", prices),
        **{heat["head"].lower().replace(" ", "-"): (heat["head"], True) for heat in heats},
        "learning": ("Accuracy and the number of training groups", learned),
        "reliability": ("Reliability of probabilities", "reliability" in part.pictures),
        "clips": ("Hard clips", clips),
        "attempts": ("Each attempt", True),
    }
    return {
        "contents": [(id, head) for id, (head, is_there) in contents.items() if is_there],
        "dataset": first.dataset,
        "split": first.split,
        "notes": tables.notes(part.rows),
        "sizes": tables.sizes(part.rows),
        "extent": tables.extent(part.rows),
        "verdict": part.verdict,
        "examples": _examples(store, part, budget),
        "columns": columns,
        "rows": [_row(row, number, columns) for number, row in enumerate(part.rows.itertuples(), 1)],
        "accuracy": _inline(part, "accuracy"),
        "ladder": ladder,
        "prices": prices,
        "pairs": _compared_with_best(part),
        "heats": heats,
        "learning": learned,
        "reliability": _inline(part, "reliability") if "reliability" in part.pictures else None,
        "clips": clips,
        "cards": [_card(store, result, explained, budget) for result in part.results],
    }


def markup(text: str) -> Any:
    """Mark trusted text as HTML that is not escaped."""
    from markupsafe import Markup

    return Markup(text)


def _inline(part: Part, picture: str) -> Any:
    what = picture.replace("pareto-", "accuracy against ")
    return markup(part.pictures[picture].svg.inline(f"{what.capitalize()} on {part.name}"))


def _columns(rows: pd.DataFrame) -> list[Column]:
    """Return the columns of the table, optional ones last; columns without any value are left out."""
    more = [
        column
        for column in COLUMNS
        if column.heading
        and not column.is_default
        and column.name in rows
        and rows[column.name].notna().any()
    ]
    return tables.shown_columns(rows) + more


def _row(row: Any, number: int, columns: list[Column]) -> dict[str, Any]:
    cells = [
        {
            "text": column.text(row),
            "value": _sorted_by(getattr(row, column.name)) if column.is_number else "",
        }
        for column in columns
    ]
    return {"cells": cells, "number": number, "words": _search_text(row.attempt, row.family)}


def _compared_with_best(part: Part) -> dict[str, Any] | None:
    pairs = part.pairs
    if pairs.empty:
        return None
    best = pairs["second"].iloc[0]
    heads = ["attempt", "less accurate by", "p", "p adjusted", "p Holm", "significant"]
    rows = [_behind(row) for row in pairs[pairs["second"] == best].itertuples()]
    known = ", with their 95 % intervals" if pairs["difference_low"].notna().any() else ""
    return {
        "best": best,
        "caption": f"Differences to {best}, in points{known}; pairs.csv has all pairs",
        "heads": heads,
        "rows": rows,
        "required_studies": part.required_studies,
    }


def _behind(row: Any) -> tuple[str, ...]:
    points = f"{100 * row.difference:.1f}"
    if not math.isnan(row.difference_low):
        points += f" [{100 * row.difference_low:+.1f}, {100 * row.difference_high:+.1f}]"
    p_values = (f"{p_value:.2g}" for p_value in (row.p_value, row.p_adjusted, row.p_holm))
    return row.first, points, *p_values, "yes" if row.significant else "no"


def _sorted_by(value: Any) -> str:
    return "" if pd.isna(value) else f"{float(value):.6g}".replace("inf", "Infinity")


def _search_text(attempt: str, family: str) -> str:
    """Return the text by which a row is searched."""
    return f"{attempt} {family}".lower()


def _heats(part: Part) -> Iterator[dict[str, Any]]:
    yield _hardest(part, part.by_class, "class", "classes")
    if part.by_group.accuracy.shape[1]:
        yield _hardest(part, part.by_group, "group", "groups")
    if len(part.nuisances):
        yield conditions(part.nuisances, [result.attempt for result in part.results])


def _learning(part: Part, crossings: pd.DataFrame) -> dict[str, Any] | None:
    if "learning" not in part.pictures:
        return None
    heads = ["attempt", "compared with", "training groups", "95 % interval", "final difference in points"]
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
    where = rows[["dataset", "split"]].iloc[0]
    families = dict(rows[["attempt", "family"]].itertuples(index=False, name=None))
    attempts = [(name, families[name]) for name in order or families if name in families]
    return {
        "head": "By condition",
        "caption": f"Accuracy in percent by condition, with 95 % intervals over groups, {', '.join(where)}",
        "corner": "attempt",
        "heads": [f"{condition}: {value}" for condition, value in heads],
        "rows": [
            (name, _search_text(name, family), [_with_interval(known.get((name, *head))) for head in heads])
            for name, family in attempts
        ],
        "notes": [],
    }


def _with_interval(row: Any) -> tuple[str, str, str]:
    return ("", "–", "") if row is None else _ranged(row.accuracy, row.accuracy_low, row.accuracy_high)


def _examples(store: Reader, part: Part, budget: PictureBudget) -> list[tuple[str, str]]:
    """Return the classes with the film strip of a clip of each, as far as there are such."""
    thumbnails = _thumbnails(store, part)
    strips = [(label, thumbnails.get(position)) for label, position in class_examples(part.results).items()]
    return [
        (label, base64.b64encode(strip).decode()) for label, strip in strips if strip and budget.take(strip)
    ]


def _thumbnails(store: Reader, part: Part) -> dict[int, bytes]:
    return store.thumbnails(int(part.results[0].columns["dataset_id"][0]))


def _clips(store: Reader, part: Part, budget: PictureBudget) -> list[dict[str, Any]]:
    """Return the hard clips, with their thumbnails as far as the budget allows."""
    found = part.hard_clips
    if found.empty:
        return []
    several = any(len(np.unique(result.seeds)) > 1 for result in part.results)
    seeds = " under more than half of the seeds" if several else ""
    thumbnails = _thumbnails(store, part)
    groups = []
    for kind, rows in found.groupby("kind", sort=False):
        shown = rows.head(_MAX_CLIPS)
        more = f" The first {len(shown)}:" if len(shown) < len(rows) else ""
        n_attempts = rows["n_attempts"].iloc[0]
        solvers = f"{_SOLVERS[str(kind)]} of the {n_attempts} nontrivial attempts"
        text = f"Clips that {solvers} classifies correctly{seeds}: {len(rows)}.{more}"
        chosen: Iterator[Any] = shown.itertuples()
        clips = [_clip(row, thumbnails.get(row.position), budget) for row in chosen]
        groups.append({"text": text, "clips": clips})
    return groups


#: The number of attempts that solve each kind of `hard_clips`.
_SOLVERS = {MISSED: "none", SOLVED: "exactly one"}


def _clip(row: Any, strip: bytes | None, budget: PictureBudget) -> dict[str, Any]:
    solver = f"{row.attempt} only; " if row.attempt else ""
    predict = "predicts" if row.n_predicted_as == 1 else "predict"
    text = f"{row.clip} ({row.label}): {solver}{row.n_predicted_as} {predict} {row.predicted_as}"
    fits = strip is not None and budget.take(strip)
    why = "Left out to keep the page small." if strip else "The store has no frames of this clip."
    return {
        "name": row.clip,
        "text": text,
        "picture": base64.b64encode(strip).decode() if fits and strip else "",
        "why": why,
    }


def _hardest(part: Part, found: Breakdown, what: str, plural: str) -> dict[str, Any]:
    """Return a heat map of the columns, only of the hardest if there are many."""
    notes = ["Clips of one group are correlated, which these intervals ignore: they are too narrow."]
    shares = found.accuracy
    shown = np.arange(shares.shape[1])
    if len(shown) > _MAX_COLUMNS:
        shown = np.sort(np.argsort(shares.mean().to_numpy(), kind="stable")[:_MAX_COLUMNS])
        notes.append(f"The {_MAX_COLUMNS} hardest of {shares.shape[1]} {plural}; {plural}.csv has all.")
    cells = np.stack([values.to_numpy()[:, shown] for values in found], axis=-1)
    return {
        "head": f"By {what}",
        "caption": f"Accuracy in percent by {what}, with Wilson's 95 % intervals for as many clips, {part.name}",
        "corner": "attempt",
        "heads": shares.columns[shown].tolist(),
        "rows": [
            (result.attempt, _search_text(result.attempt, result.family), [_ranged(*cell) for cell in own])
            for result, own in zip(part.results, cells.tolist(), strict=True)
        ],
        "notes": notes,
    }


def _ranged(share: float, low: float, high: float) -> tuple[str, str, str]:
    """Return shade, text and interval of a cell."""
    if math.isnan(share):
        return "", "–", ""
    return shade("r", share), f"{100 * share:.0f}", f"{100 * low:.0f}–{100 * high:.0f}"


def shade(kind: str, share: float) -> str:
    """Return the class of a cell that is shaded by a share."""
    return f"{kind}{math.ceil(10 * share - 1e-9)}" if share > 0 else ""


def _card(store: Reader, result: Result, explained: set[str], budget: PictureBudget) -> dict[str, Any]:
    card: dict[str, Any] = {
        "attempt": result.attempt,
        "words": _search_text(result.attempt, result.family),
        "confusion": None,
        "confusions": "No fold finished.",
    }
    if len(result.positions):
        counts = confusion_matrix(result.truth, result.predicted, len(result.classes))
        card["confusions"] = _frequent_confusions(counts, result.classes)
        if len(result.classes) <= _MAX_CLASSES:
            card["confusion"] = _confusion(counts, result)
    return card | _explanation(store, result, explained, budget)


def _confusion(counts: Any, result: Result) -> dict[str, Any]:
    shares = row_shares(counts)
    rows = []
    for row, name in enumerate(result.classes):
        # Square roots, so that rare confusions are visible.
        cells = [
            (
                shade("r" if column == row else "w", math.sqrt(share)),
                f"{100 * share:.0f}" if share else "",
                "",
            )
            for column, share in enumerate(shares[row])
        ]
        rows.append((name, "", cells))
    return {
        "caption": f"Confusion matrix of {result.attempt}, percent of the clips of each true class, {result.dataset}, "
        f"{result.split}",
        "corner": "true class",
        "heads": result.classes,
        "rows": rows,
    }


def _frequent_confusions(counts: Any, classes: list[str]) -> str:
    """Describe the most frequent confusions."""
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    totals = counts.sum(axis=1)
    limit = 3 if len(classes) <= _MAX_CLASSES else _MAX_CONFUSIONS
    worst = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(place), len(counts)) for place in worst if wrong.flat[place]]
    named = [
        f"{classes[row]} predicted as {classes[column]} {100 * wrong[row, column] / totals[row]:.0f} %"
        for row, column in pairs
    ]
    return f"Most frequent confusions: {', '.join(named)}." if named else "No confusions."


def _explanation(store: Reader, result: Result, explained: set[str], budget: PictureBudget) -> dict[str, Any]:
    """Return the explanation in the first cell that has any."""
    for key, seed, fold in zip(
        *(result.column(name).tolist() for name in ("key", "seed", "fold")), strict=True
    ):
        files = store.artifacts(key) if key in explained else {}
        text = files.pop("explain.txt", b"").decode("utf-8", errors="replace")
        drawn = {name: content for name, content in files.items() if name.endswith(".png")}
        if text or drawn:
            return _shortened(text, drawn, f"seed {seed}, fold {fold}", budget)
    return {"explanation": "", "pictures": [], "cell": "", "left_out": ""}


def _shortened(text: str, drawn: dict[str, bytes], cell: str, budget: PictureBudget) -> dict[str, Any]:
    kept = {name: content for name, content in drawn.items() if budget.take(content)}
    left = [name.removesuffix(".png") for name in drawn if name not in kept]
    cut = text[:_MAX_TEXT] + "…" * (len(text) > _MAX_TEXT)
    return {
        "explanation": cut,
        "pictures": [
            (name.removesuffix(".png"), base64.b64encode(content).decode()) for name, content in kept.items()
        ],
        "cell": cell,
        "left_out": f"Left out to keep the page small, but in the store: {join_names(left)}." if left else "",
    }
