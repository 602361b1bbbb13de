"""A report that is one file and needs nothing else."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ActionbenchError
from . import figures, heatmaps, tables
from .canvas import Svg
from .learning import crossings, learning_curves
from .results import Reader, Result, gather
from .statistics import confusion_matrix
from .verdict import verdict

METHOD = (
    "Accuracy is the share of clips that were recognised right, on folds whose people or source videos were not "
    "trained on; with several seeds each clip counts once. Its 95 % interval is a bootstrap over groups, corrected "
    "for bias and skewness and expanded for few groups, never narrower than Wilson's interval for as many clips. Two "
    "attempts are compared by a sign-flip test over groups, with Holm's correction for the number of comparisons. F1 "
    "is the mean over classes, of each seed, then over seeds."
)


def write_report(store: Reader, folder: str | Path) -> list[Path]:
    """Write ``index.html`` and the comparison table in each format into a folder.

    The page needs no network and runs no script; what comes from plug-ins and data stays text in it. The same
    store gives the same bytes.

    Parameters
    ----------
    store : Reader
        An open store, of a finished run or not.
    folder : path
        Made where it does not exist; files of the same names are replaced.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ActionbenchError
        If the store has no cells, or the folder cannot be written to.
    """
    results = gather(store)
    if not results:
        raise ActionbenchError("the store has no results to report; `actionbench run` makes some")
    table = tables.score(results)
    texts = {f"table.{format}": tables.render(table, format) for format in tables.FORMATS}
    texts["index.html"] = page(store, results, table)
    curves = learning_curves(results)
    if len(curves):
        texts["learning.csv"] = curves.to_csv(index=False, lineterminator="\n")
        texts["crossings.csv"] = crossings(results).to_csv(index=False, lineterminator="\n")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ActionbenchError(f"{folder}: the report cannot be written there ({error.strerror})") from error
    return [folder / name for name in texts]


def page(store: Reader, results: list[Result], table: pd.DataFrame) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    store : Reader
        For what the results do not hold: runs, and what attempts say of themselves.
    results : list of Result
        From `results.gather`.
    table : DataFrame
        From `tables.score`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    by_name = {result.name: result for result in results}
    runs = _runs(store)
    return environment.get_template("report.html.j2").render(
        title=f"Comparison of {table['attempt'].nunique()} attempts at recognising actions",
        verdicts=[verdict(list(part)) for part in _parts(by_name, table)],
        warnings=[
            f"Run {run['id']} ({run['name']}) had not finished." for run in runs if not run["finished"]
        ],
        sections=[_section(store, list(part), table) for part in _parts(by_name, table)],
        failures=list(_failures(results)),
        runs=runs,
        method=METHOD,
    )


def _parts(by_name: dict[tuple[str, str, str], Result], table: pd.DataFrame) -> Iterator[Iterator[Result]]:
    """Yield the results of each data set and split, the most accurate first."""
    for dataset, split, rows in tables.sections(table):
        yield (by_name[dataset, split, attempt] for attempt in rows["attempt"])


def _section(store: Reader, results: list[Result], table: pd.DataFrame) -> dict[str, Any]:
    first = results[0]
    rows = table[(table["dataset"] == first.dataset) & (table["split"] == first.split)]
    return {
        "dataset": first.dataset,
        "split": first.split,
        "notes": tables.notes(rows),
        "sizes": tables.sizes(rows),
        "extent": tables.extent(rows),
        "heads": [(head, number) for head, number, _ in tables.SHOWN],
        "rows": [[(show(row), number) for _, number, show in tables.SHOWN] for row in rows.itertuples()],
        "accuracy": _drawing(figures.accuracy_figure(rows, len(first.classes))),
        "cards": [_card(store, result) for result in results],
    }


def _drawing(svg: Svg) -> Any:
    from markupsafe import Markup

    return Markup(svg.inline("A picture"))


def _card(store: Reader, result: Result) -> dict[str, Any]:
    card: dict[str, Any] = {"attempt": result.attempt, "confusion": "", "confusions": ""}
    if len(result.positions):
        counts = confusion_matrix(result.truth, result.predicted, len(result.classes))
        card["confusion"] = _drawing(heatmaps.confusion_figure(counts, result.classes))
        card["confusions"] = _confusions(counts, result.classes)
    return card | _explanation(store, result)


def _confusions(counts: NDArray[np.intp], classes: list[str]) -> str:
    """Name the most frequent confusions."""
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    totals = counts.sum(axis=1)
    worst = np.argsort(-wrong, axis=None, kind="stable")[:3]
    pairs = [(place // len(counts), place % len(counts)) for place in worst if wrong.flat[place]]
    named = [
        f"{classes[row]} taken for {classes[column]} {100 * wrong[row, column] / totals[row]:.0f} %"
        for row, column in pairs
    ]
    return f"Most often: {', '.join(named)}." if named else "No confusions."


def _explanation(store: Reader, result: Result) -> dict[str, Any]:
    """Return what the attempt said in the first cell that left anything."""
    for cell in result.done.to_dict("records"):
        files = store.artifacts(cell["key"])
        pictures = [
            (name.removesuffix(".png"), base64.b64encode(content).decode())
            for name, content in files.items()
            if name.endswith(".png")
        ]
        text = files.get("explain.txt", b"").decode("utf-8", errors="replace")
        if text or pictures:
            where = f"seed {cell['seed']}, fold {cell['fold']}"
            return {"explanation": text, "pictures": pictures, "cell": where}
    return {"explanation": "", "pictures": [], "cell": ""}


def _failures(results: list[Result]) -> Iterator[dict[str, Any]]:
    """Yield each kind of failure or reason to skip of each attempt, with how many cells had it."""
    for result in results:
        cells = result.cells[result.cells["status"] != "done"]
        known = cells[["status", "kind", "error", "message"]].fillna("").astype(str)
        for row, count in Counter(known.itertuples(index=False, name=None)).items():
            yield {
                "where": f"{result.dataset}, {result.split}",
                "attempt": result.attempt,
                "cells": f"{count} of {len(result.cells)}",
                "what": ", ".join(filter(None, row[:3])),
                "message": row[3],
            }


def _runs(store: Reader) -> list[dict[str, Any]]:
    return [
        {
            "id": run["id"],
            "name": run["name"],
            "started": run["started"],
            "finished": run["finished"] if isinstance(run["finished"], str) else "",
            "provenance": list(_flat(run["provenance"])),
            "matrix": _text(run["matrix"]),
        }
        for run in store.runs().to_dict("records")
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}: ")
        else:
            yield f"{before}{key}", value if isinstance(value, str) else json.dumps(value)
