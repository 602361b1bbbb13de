"""The HTML page of a report, in one self-contained file."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ...experiments.store.schema import EXTERNAL
from ..analysis.results import Reader, Result, unfinished
from .across_datasets import verdict_across_datasets
from .ladders import ladders
from .parts import Comparison
from .profiles import Profile, profiles
from .sections import PictureBudget, conditions, markup, section

METHOD = (
    "Accuracy is the share of clips that are classified correctly, in folds whose people or source videos are not in "
    "the training set; with several seeds each clip counts once. Its 95 % interval is a bootstrap over groups, "
    "corrected for bias and skewness and expanded for few groups, never narrower than Wilson's interval for as many "
    "clips. All pairs of attempts are tested as one family, by joint sign flips over groups with step-down maxima "
    "(Westfall and Young), which control the family-wise error rate at 5 %. Ranks, bars and the verdict follow from "
    "these tests. F1 is the mean over classes for each seed, then over seeds."
)
WITHOUT_COSTS = (
    " Times, memory, machines, paths and dates are left out, so that the same predictions give the same bytes on any "
    "machine."
)
# Largest total size of the pictures of a page in bytes, so that it can be sent and opened anywhere.
_MAX_PICTURE_BYTES = 1_500_000


def page(store: Reader, comparison: Comparison, found: pd.DataFrame, measured: Profile) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    store : Reader
        For runs, and the explanations of attempts.
    comparison : Comparison
        Of the results in it.
    found : DataFrame
        The ladders of all data sets, see `ladder.ladder`.
    measured : Profile
        Of all results.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "page"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (folder / "script.js").read_text(encoding="utf-8")
    parts = comparison.parts
    # Each attempt counts once, whatever the number of training groups.
    results = [result for part in parts for result in part.results]
    n_attempts = len({result.base for result in [*results, *measured.results]})
    budget, rungs = PictureBudget(_MAX_PICTURE_BYTES), ladders(found)
    return environment.get_template("index.html.j2").render(
        title=_title(store),
        extent=f"Comparison of {n_attempts} attempt{'s' * (n_attempts != 1)} at recognising actions",
        warnings=unfinished(store),
        profile=profiles(measured),
        ranks=_ranks(comparison),
        options=_options(comparison),
        sections=[
            section(store, part, comparison.crossings, rungs.get(part.results[0].name[:2]), budget)
            for part in parts
        ],
        failures=list(_failures([*results, *measured.results], traces=comparison.costs)),
        runs=_runs(store) if comparison.costs else [],
        method=METHOD if comparison.costs else METHOD + WITHOUT_COSTS,
        script=markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _title(store: Reader) -> str:
    """Return the name of the matrix that ran last, not counting imports."""
    runs = store.runs()
    own = [facts.get("origin") != EXTERNAL for facts in runs["provenance"]]
    names = (runs[own] if any(own) else runs)["name"]
    return str(names.iloc[-1]) if len(names) else "Comparison"


def _ranks(comparison: Comparison) -> dict[str, Any] | None:
    """Return the comparison across all data sets, None where there are too few."""
    if comparison.ranks is None:
        return None
    matrix = comparison.matrix
    names = list(matrix.index.unique("attempt"))
    known: dict[Any, Any] = {row.Index: row for row in matrix.itertuples()}
    return {
        "verdict": verdict_across_datasets(comparison.scores, comparison.left),
        "figure": markup(comparison.ranks.svg.inline("Mean ranks over all data sets")),
        "matrix": {
            "caption": "Each attempt (row) compared with each other (column): mean difference in points; data sets "
            "won, tied and lost; unadjusted p of Wilcoxon's test",
            "corner": "attempt",
            "heads": names,
            "rows": [
                (name, "", [_matrix_cell(known.get((name, other))) for other in names]) for name in names
            ],
        },
    }


def _matrix_cell(row: Any) -> tuple[str, str, str]:
    """Return shade and texts of the comparison of one attempt with another."""
    if row is None:
        return "", "", ""
    shade = min(10, math.ceil(20 * abs(row.difference)))
    kind = "r" if row.difference > 0 else "w"
    record = f"{row.wins:g}–{row.ties:g}–{row.losses:g}, p {row.p_value:.2g}"
    return f"{kind}{shade}" if shade else "", f"{100 * row.difference:+.1f}", record


def _options(comparison: Comparison) -> list[dict[str, Any]]:
    """Return heat maps of options in which data sets of one name differ."""
    options = comparison.options.groupby(["dataset", "split"], sort=False)
    return [conditions(own) | {"head": name[0]} for name, own in options]


def _failures(results: list[Result], *, traces: bool) -> Iterator[dict[str, Any]]:
    """Yield each kind of failure or skip of each attempt, with the number of its cells and the first of these.

    Trace-backs and logs contain paths of a machine, and are optional.
    """
    for result in results:
        if result.count("done") == result.n_cells:
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
                "cells": f"{counts[row]} of {result.n_cells}",
                "what": ", ".join(filter(None, row[:3])),
                "message": row[3],
                "first": f"seed {cell['seed']}, fold {cell['fold_name']}",
                "trace": "\n".join(
                    _end(cell[column]) for column in ("traceback", "log") if traces and cell[column]
                ),
            }


def _end(text: str) -> str:
    """Return the end of a trace-back or log, its most informative part."""
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
