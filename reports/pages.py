"""A report: one page that needs nothing else, and its tables and pictures as files."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import ActionbenchError
from . import tables
from .breakdown import CONFUSION_COLUMNS, by_class, by_group, confusions, long_form
from .canvas import Svg
from .figures import COSTS, accuracy_figure, learning_figure, pareto_figure
from .hard_clips import hard_clips
from .heatmaps import confusion_figures, heat_figure
from .learning import crossings, learning_curves
from .nuisance import nuisance_table
from .results import Reader, Result, gather
from .sections import Allowance, Part, conditions, section
from .statistics import confusion_matrix
from .verdict import verdict

METHOD = (
    "Accuracy is the share of clips that were recognised right, on folds whose people or source videos were not "
    "trained on; with several seeds each clip counts once. Its 95 % interval is a bootstrap over groups, corrected "
    "for bias and skewness and expanded for few groups, never narrower than Wilson's interval for as many clips. Two "
    "attempts are compared by a sign-flip test over groups, with Holm's correction for the number of comparisons. F1 "
    "is the mean over classes, of each seed, then over seeds."
)
# Bytes of pictures that a page may hold, so that it can be sent and opened anywhere.
_PICTURES = 2_500_000
# Attempts whose confusions are drawn beside each other, and columns of a heat map that can be read on paper.
_MOST_CONFUSIONS, _MOST_COLUMNS = 12, 60


def write_report(store: Reader, folder: str | Path) -> list[Path]:
    """Write ``index.html``, and the tables and figures of it as files, into a folder.

    The page needs no network; what comes from plug-ins and data stays text in it. The same store gives the same bytes.

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
    folder = Path(folder)
    with _writing(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    table = tables.score(results)
    nuisances = nuisance_table(results)
    parts = parts_of(results, table, nuisances)
    files: dict[str, str | bytes] = {"index.html": page(store, parts, nuisances)}
    files |= {f"table.{format}": tables.render(table, format) for format in tables.FORMATS}
    files |= {f"{name}.csv": _csv(rows) for name, rows in _tables(parts) if len(rows)}
    files |= {"conditions.csv": _csv(nuisances)} if len(nuisances) else {}
    for name, drawing in _named(parts):
        files |= {f"figures/{name}.svg": drawing, f"figures/{name}.png": drawing.png()}
    with _writing(folder):
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [folder / name for name in files]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ActionbenchError(f"{folder}: the report cannot be written there ({error.strerror})") from error


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def parts_of(results: list[Result], table: pd.DataFrame, nuisances: pd.DataFrame) -> list[Part]:
    """Return the results on each data set under each split, with the pictures of them that the page shows.

    Parameters
    ----------
    results : list of Result
        From `results.gather`.
    table : DataFrame
        From `tables.score` of them.
    nuisances : DataFrame
        From `nuisance.nuisance_table` of them.
    """
    by_name = {result.name: result for result in results}
    parts = []
    for dataset, split, rows in tables.sections(table):
        names = rows[["dataset", "split", "attempt"]].itertuples(index=False, name=None)
        own = nuisances[(nuisances["dataset"] == dataset) & (nuisances["split"] == split)]
        part = Part([by_name[name] for name in names], rows, own, {})
        part.pictures.update(_drawings(part))
        parts.append(part)
    return parts


def _drawings(part: Part) -> Iterator[tuple[str, Svg]]:
    """Yield the pictures for the page by what they show."""
    yield "accuracy", accuracy_figure(part.rows, len(part.results[0].classes))
    for cost in COSTS:
        drawing = pareto_figure(part.rows, cost)
        if drawing is not None:
            yield f"pareto-{cost}", drawing
    curves = learning_curves(part.results)
    if len(curves):
        yield "learning", learning_figure(curves)


def _files_only(part: Part) -> Iterator[tuple[str, Svg]]:
    """Yield the pictures of what the page has as tables."""
    first = part.results[0]
    for name, table in (("classes", by_class(part.results)), ("groups", by_group(part.results))):
        if table.shape[1] <= _MOST_COLUMNS:
            yield name, heat_figure(table)
    if len(part.nuisances):
        yield "conditions", _conditions(part)
    drawn = [result for result in part.results if len(result.positions)][:_MOST_CONFUSIONS]
    if drawn:
        counts = {
            result.attempt: confusion_matrix(result.truth, result.predicted, len(first.classes))
            for result in drawn
        }
        yield "confusions", confusion_figures(counts, first.classes)


def _conditions(part: Part) -> Svg:
    rows = part.nuisances.assign(head=part.nuisances["condition"] + ": " + part.nuisances["value"])
    heads, attempts = rows["head"].unique(), [result.attempt for result in part.results]
    shares, low, high = (
        rows.pivot(index="attempt", columns="head", values=column).reindex(index=attempts, columns=heads)
        for column in ("accuracy", "accuracy_low", "accuracy_high")
    )
    return heat_figure(shares, low, high)


def _named(parts: list[Part]) -> Iterator[tuple[str, Svg]]:
    """Yield every picture by the name of its file, which is safe whatever data sets are called."""
    for number, part in enumerate(parts, 1):
        plain = re.sub(r"[^a-z0-9]+", "-", part.name.lower()).strip("-")[:40].rstrip("-")
        for what, drawing in (*part.pictures.items(), *_files_only(part)):
            yield f"{number}-{plain}-{what.replace(' ', '-')}", drawing


def _tables(parts: list[Part]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables beside that of the comparison, of all data sets, by name."""
    results = [result for part in parts for result in part.results]
    curves = learning_curves(results)
    yield "learning", curves
    yield "crossings", crossings(results) if len(curves) else curves
    for name, breakdown, what in (("classes", by_class, "class"), ("groups", by_group, "group")):
        yield name, pd.concat([long_form(part.results, breakdown(part.results), what) for part in parts])
    found = [confusions(result) for result in results if len(result.positions)]
    yield "clips", hard_clips(results)
    yield "confusions", pd.concat(found) if found else pd.DataFrame(columns=CONFUSION_COLUMNS)


def page(store: Reader, parts: list[Part], nuisances: pd.DataFrame) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    store : Reader
        For what the results do not hold: runs, and what attempts say of themselves.
    parts : list of Part
        From `parts_of`.
    nuisances : DataFrame
        From `nuisance.nuisance_table` of all results.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = Path(__file__).parent / "page"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (folder / "script.js").read_text(encoding="utf-8")
    n_attempts = len({result.attempt for part in parts for result in part.results})
    runs = _runs(store)
    allowance = Allowance(_PICTURES)
    return environment.get_template("index.html.j2").render(
        title=f"Comparison of {n_attempts} attempts at recognising actions",
        verdicts=[verdict(part.results) for part in parts],
        warnings=[
            f"Run {run['id']} ({run['name']}) had not finished." for run in runs if not run["finished"]
        ],
        together=None,
        across=_across(parts, nuisances),
        sections=[section(store, part, allowance) for part in parts],
        failures=[failure for part in parts for failure in _failures(part.results)],
        runs=runs,
        method=METHOD,
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _across(parts: list[Part], nuisances: pd.DataFrame) -> list[dict[str, Any]]:
    """Return heat maps of options in which data sets of one name differ."""
    rows = nuisances.drop(index=[place for part in parts for place in part.nuisances.index])
    return [
        conditions(own) | {"head": name[0]} for name, own in rows.groupby(["dataset", "split"], sort=False)
    ]


def _failures(results: list[Result]) -> Iterator[dict[str, Any]]:
    """Yield each kind of failure or reason to skip of each attempt, how many cells had it, and the first of these."""
    for result in results:
        if result.count("done") == len(result.cells):
            continue
        cells = result.cells[(result.cells["status"] != "done").to_numpy()]
        columns = ["status", "kind", "error", "message"]
        known = cells[columns].fillna("").astype(str)
        counts = Counter(known.itertuples(index=False, name=None))
        first = cells[~known.duplicated().to_numpy()]
        for row, cell in zip(counts, first.to_dict("records"), strict=True):
            yield {
                "where": f"{result.dataset}, {result.split}",
                "attempt": result.attempt,
                "cells": f"{counts[row]} of {len(result.cells)}",
                "what": ", ".join(filter(None, row[:3])),
                "message": row[3],
                "first": f"seed {cell['seed']}, fold {cell['fold_name']}",
                "trace": "\n".join(_end(cell[column]) for column in ("traceback", "log") if cell[column]),
            }


def _end(text: str) -> str:
    """Return the end of a trace-back or log, which says most."""
    return text if len(text) <= 3000 else "…" + text[-3000:]


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
