"""The comparison table and its formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...errors import ActionbenchError, did_you_mean
from ..statistics.calibration import expected_calibration_error
from ..statistics.intervals import accuracy, bootstrap_interval, macro_f1
from .columns import MEASURED, MEDIANS, NAMES, RANK_COLUMNS, SHOWN, Column
from .pairs import rank_attempts
from .power import design_difference
from .results import Reader, Result, by_data, compared, gather

ONE_GROUP = "Only one group was tested: the interval does not include the variation between groups."


def comparison_table(store: Reader) -> pd.DataFrame:
    """Return one row for each data set, split and attempt.

    Parameters
    ----------
    store : Reader
        An open store.

    Returns
    -------
    DataFrame
        Columns `columns.NAMES`. Accuracy and macro F1 are fractions, over the finished folds; ``accuracy_low`` to
        ``accuracy_high`` is the 95 % interval of `intervals.bootstrap_interval`; ``fit_seconds`` is the mean over
        cells, ``predict_ms_per_clip`` milliseconds, both as if all features had been computed, as all costs are;
        ``..._with_cache`` are the times with features from the cache; ``peak_memory_mib`` is the largest of any cell;
        ``calibration_error`` is that of `calibration.expected_calibration_error`, a fraction;
        ``n_parameters``, ``operations``, of lists of rules ``n_rules``, ``n_conditions`` and ``n_quantities``, and of
        nets ``n_epochs`` are medians. ``latency_p50_ms`` and so on are percentiles over clips that were predicted
        one by one; ``clips_per_second`` is the throughput of all test clips in one call; ``warm_up_seconds`` is the
        mean duration of the first prediction, excluded elsewhere; ``size_mib`` that of the fitted attempt,
        ``..._joules`` the energy of the whole processor where it can be read; ``n_trials`` and ``tune_seconds`` the
        mean cost of tuning per cell; ``rank_low`` to ``rank_high`` the rank interval and ``tied`` the number of
        attempts without significant difference, of `pairs.rank_attempts`, unknown if the attempt is not ranked;
        ``design_difference`` what `power.design_difference` says of all attempts on the data set and split;
        ``origin`` is ``"external"`` where predictions were imported, else ``"run"``; ``pretrained`` says what
        else the attempt was trained on, empty if on nothing; ``warnings`` sentences, one per line, or empty. Sorted by
        data set and split, then accuracy, best first.
    """
    return score(compared(gather(store)))


def score(results: list[Result], families: dict[tuple[str, str], pd.DataFrame] | None = None) -> pd.DataFrame:
    """Return the comparison table of gathered results, see `comparison_table`.

    Parameters
    ----------
    results : list of Result
        From `results.gather`.
    families : dict, optional
        `pairs.pairs` of those on each data set and split, if known.
    """
    table = pd.DataFrame([_row(result) for result in results], columns=NAMES)
    table[RANK_COLUMNS] = _rank_intervals(results, families or {})
    least = {name: design_difference(part) for name, part in by_data(results).items()}
    table["design_difference"] = [least[result.name[:2]] for result in results]
    # Rounded, so that equal accuracies are sorted by name.
    return table.sort_values(
        ["dataset", "split", "accuracy", "attempt"],
        ascending=[True, True, False, True],
        ignore_index=True,
        key=lambda column: column.round(12) if column.name == "accuracy" else column,
    )


def _rank_intervals(results: list[Result], families: dict[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Return the rank intervals of results among those on the same data set and split, in their order."""
    known: dict[tuple[str, str, str], Any] = {}
    for name, part in by_data(results).items():
        ranks = rank_attempts(part, found=families.get(name))
        known |= {(*name, str(row.Index)): row for row in ranks.itertuples()}
    columns = {
        what: [getattr(known.get(result.name), what, None) for result in results] for what in RANK_COLUMNS
    }
    return pd.DataFrame(columns, dtype="Int64")


def _row(result: Result) -> dict[str, Any]:
    low, high = bootstrap_interval(result.correct, result.groups, result.weights)
    return {
        "dataset": result.dataset,
        "split": result.split,
        "attempt": result.attempt,
        "family": result.family,
        "origin": result.origin,
        "accuracy": accuracy(result.correct, result.weights),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": macro_f1(result.truth, result.predicted, result.seeds, result.weights),
        "n_clips": result.n_clips,
        "n_groups": len(set(result.groups.tolist())),
        "n_folds": _n_folds(result),
        "n_cells": result.n_cells,
        "n_failed": result.count("failed"),
        "fit_seconds": _mean(_full_seconds(result, "fit")),
        "predict_ms_per_clip": _per_clip(result, _full_seconds(result, "predict")),
        "peak_memory_mib": _max(result.column("peak_memory_bytes")) / 2**20,
        "n_parameters": _median(result.column("n_parameters")),
        "n_skipped": result.count("skipped"),
        "calibration_error": _calibration_error(result),
        "operations": _median(result.column("operations")),
        "fit_seconds_with_cache": _mean(result.column("fit_seconds")),
        "predict_ms_per_clip_with_cache": _per_clip(result, result.column("predict_seconds")),
        **{
            f"n_{what}": _median_count(result, what)
            for what in ("rules", "conditions", "quantities", "epochs")
        },
        **_costs(result),
        "pretrained": "; ".join(sorted(set(filter(None, result.column("pretrained"))))),
        "warnings": "\n".join(" ".join(text.split()) for text in warnings_of(result)),
    }


def _calibration_error(result: Result) -> float:
    if not result.has_probabilities:
        return float("nan")
    return expected_calibration_error(result.confidence, result.correct, result.weights)


def _costs(result: Result) -> dict[str, float]:
    milliseconds = _per_clip(result, _full_seconds(result, "predict"))
    latencies = [values for values in result.column("latencies") if len(values)]
    p50, p95, p99 = np.percentile(np.concatenate(latencies), [50, 95, 99]) if latencies else [np.nan] * 3
    tunings = [tuning for tuning in result.column("tuning") if tuning]
    return {
        "fit_cpu_seconds": _mean(result.column("fit_cpu_seconds")),
        "predict_cpu_ms_per_clip": _per_clip(result, result.column("predict_cpu_seconds")),
        "warm_up_seconds": _mean(result.column("warm_up_seconds")),
        "latency_p50_ms": float(p50),
        "latency_p95_ms": float(p95),
        "latency_p99_ms": float(p99),
        "clips_per_second": 1000 / milliseconds if milliseconds > 0 else float("nan"),
        "size_mib": _mean(result.column("size_bytes")) / 2**20,
        "fit_joules": _mean(result.column("fit_joules")),
        "predict_joules_per_clip": _per_clip(result, result.column("predict_joules")) / 1000,
        "n_trials": _mean([len(tuning["trials"]) for tuning in tunings]),
        "tune_seconds": _mean([tuning["seconds"] for tuning in tunings]),
    }


def _mean(values: ArrayLike) -> float:
    known = _known(values)
    return float(known.mean()) if len(known) else float("nan")


def _median(values: ArrayLike) -> float:
    known = _known(values)
    return float(np.median(known)) if len(known) else float("nan")


def _max(values: ArrayLike) -> float:
    known = _known(values)
    return float(known.max()) if len(known) else float("nan")


def _known(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    return array[~np.isnan(array)]


def _median_count(result: Result, what: str) -> float:
    return _median([counts[what] for counts in result.column("counts") if what in counts])


def _full_seconds(result: Result, part: str) -> NDArray[np.float64]:
    """Return the full time of each cell, as if it had computed all features."""
    saved: NDArray[np.float64] = np.nan_to_num(result.column(f"{part}_saved_seconds"))
    return saved + result.column(f"{part}_seconds")


def _per_clip(result: Result, seconds: NDArray[np.float64]) -> float:
    known = ~np.isnan(seconds)
    clips = result.column("n_test")[known].sum()
    return 1000 * float(seconds[known].sum()) / clips if clips else float("nan")


def _n_folds(result: Result) -> int:
    return len(set(result.column("fold").tolist()))


def warnings_of(result: Result) -> list[str]:
    """Return the warnings on a result, as sentences."""
    found = dataset_warnings(result)
    for status, what in (("failed", "failed"), ("skipped", "were skipped")):
        if result.count(status):
            cells = result.failed if status == "failed" else result.skipped
            found.append(f"{len(cells)} of {result.n_cells} cells {what} ({_why(cells)}){_rest(result)}")
    if result.n_clips < result.n_expected and result.count("done") == result.n_cells:
        found.append(
            f"Only {result.n_clips} of {result.n_expected} clips are predicted so far: the run has not finished."
        )
    elif len(result.positions) < result.n_expected_predictions and result.count("done") == result.n_cells:
        found.append(
            f"Only {len(result.positions)} of {result.n_expected_predictions} predictions so far: other attempts have "
            "more seeds."
        )
    if len(set(result.groups.tolist())) == 1:
        found.append(ONE_GROUP)
    lines = {code: text for warnings in result.column("warnings") for code, text in warnings.items()}
    found += [f"{text} [{code}]" for code, text in sorted(lines.items()) if code not in result.silenced]
    return found


def dataset_warnings(result: Result) -> list[str]:
    """Return the warnings that hold for every attempt on the data set and split, as sentences."""
    return list(result.dataset_warnings)


def _why(cells: pd.DataFrame) -> str:
    reasons = cells["error"].fillna(cells["kind"]).fillna("no reason given")
    if (cells["status"] == "skipped").all():
        reasons = cells["message"].fillna(reasons)
    return ", ".join(sorted(set(reasons.astype(str)))).rstrip(".")


def _rest(result: Result) -> str:
    folds = _n_folds(result)
    return (
        f": the scores cover the {folds} fold{'s' * (folds != 1)} that finished." if folds else ": no score."
    )


FORMATS = ("md", "csv", "tex", "json")


def render(table: pd.DataFrame, format: str) -> str:
    """Format a comparison table as text.

    Parameters
    ----------
    table : DataFrame
        From `comparison_table`.
    format : str
        ``md`` and ``tex`` (booktabs) are for reading: one table for each data set and split, percent, warnings
        below. ``csv`` and ``json`` (records) are for programs: all columns, fractions, unknown values empty or null;
        infinite values are null in JSON, too.

    Raises
    ------
    ActionbenchError
        If the format is unknown.
    """
    writers: dict[str, Callable[[pd.DataFrame], str]] = {"md": _md, "csv": _csv, "tex": _tex, "json": _json}
    if format not in writers:
        raise ActionbenchError(f"table format {format!r} is unknown; {did_you_mean(format, writers)}")
    return writers[format](table)


def _csv(table: pd.DataFrame) -> str:
    return _with_integers(table).to_csv(index=False, lineterminator="\n")


def _json(table: pd.DataFrame) -> str:
    known = table.notna() & ~table.isin([np.inf, -np.inf])
    rows = _with_integers(table).astype(object).where(known, None).to_dict(orient="records")
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _with_integers(table: pd.DataFrame) -> pd.DataFrame:
    """Convert medians of integers to integers where all of a column are."""
    counts = {name: table[name].astype(float) for name in MEDIANS}
    fitting = {
        name: column.astype("Int64") for name, column in counts.items() if (column.dropna() % 1 == 0).all()
    }
    return table.assign(**fitting)


def shown_columns(table: pd.DataFrame) -> list[Column]:
    """Return the displayed columns that a table has; `without_costs` removes some.

    Left out are numbers of clips, groups and folds that are the same in all rows, which `extent` says, failures if
    there are none, and pretraining if no attempt is pretrained.
    """
    return [column for column in SHOWN if column.name in table and not _says_nothing(table[column.name])]


def _says_nothing(values: pd.Series) -> bool:
    if values.name == "pretrained":
        return bool(values.eq("").all())
    if values.name == "n_failed":
        return bool(values.eq(0).all())
    return values.name in ("n_clips", "n_groups", "n_folds") and values.nunique() <= 1


def without_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison table without the columns that depend on the machine."""
    return table.drop(columns=MEASURED)


def sections(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield data set, split and rows of each part of a table."""
    for name, rows in table.groupby(["dataset", "split"], sort=False):
        yield str(name[0]), str(name[1]), rows


def notes(rows: pd.DataFrame) -> list[str]:
    """Return the warnings of rows, each once: those of all rows first, the others with the names of their attempts."""
    lines: dict[str, list[str]] = {}
    for attempt, text in zip(rows["attempt"], rows["warnings"], strict=True):
        for sentence in dict.fromkeys(text.splitlines()):
            lines.setdefault(sentence, []).append(attempt)
    of_all = [text for text, attempts in lines.items() if len(attempts) == len(rows)]
    return of_all + [f"{', '.join(own)}: {text}" for text, own in lines.items() if len(own) < len(rows)]


def sizes(rows: pd.DataFrame) -> list[str]:
    """Describe the power of the design, the sizes of lists of rules, and the numbers of epochs of nets."""
    lists = rows[rows["n_rules"].notna()]
    nets = rows[rows["n_epochs"].notna()]
    lines = [*_power(float(rows["design_difference"].iloc[0]))]
    lines += [f"{row.attempt}: {_size(row)}" for row in lists.itertuples()]
    if len(nets):
        lines.append("epochs: " + ", ".join(f"{row.attempt} {row.n_epochs:g}" for row in nets.itertuples()))
    return lines


def _power(difference: float) -> Iterator[str]:
    """Yield what `power.design_difference` has found, in a sentence."""
    if np.isfinite(difference):
        points = f"{100 * difference:.0f} points"
        yield f"This design finds a true difference of {points} between two attempts four times in five."


def _size(row: Any) -> str:
    """Describe the size of a list of rules: ``6 rules, 8 conditions, 4 quantities``."""
    counts = (("rule", row.n_rules), ("condition", row.n_conditions), ("quantity", row.n_quantities))
    plurals = {"quantity": "quantities"}
    return ", ".join(f"{n:g} {word if n == 1 else plurals.get(word, word + 's')}" for word, n in counts)


def _heads(columns: list[Column], accuracy: str) -> list[str]:
    return [accuracy if column.name == "accuracy" else column.heading for column in columns]


def _cells(rows: pd.DataFrame) -> list[list[str]]:
    columns = shown_columns(rows)
    return [[column.text(row) for column in columns] for row in rows.itertuples()]


def _md(table: pd.DataFrame) -> str:
    parts = []
    for dataset, split, rows in sections(table):
        columns = shown_columns(rows)
        lines = [
            _heads(columns, "accuracy [95 %]"),
            ["--:" if column.is_number else ":--" for column in columns],
        ]
        lines += [[_md_text(cell) for cell in cells] for cells in _cells(rows)]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        below = "".join(f"\n- {_md_text(note)}" for note in sizes(rows) + notes(rows))
        head = f"### {_md_text(dataset)}, {_md_text(split)}\n\n{extent(rows)}.\n\n"
        parts.append(f"{head}{body}\n{below and below + chr(10)}")
    return "\n".join(parts)


def _md_text(text: str) -> str:
    flat = " ".join(text.split())
    for mark in "\\`*_<>|#":
        flat = flat.replace(mark, "\\" + mark)
    # Otherwise a name could be a link, or an external picture.
    return flat.replace("](", "]\\(")


_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _tex_text(text: str) -> str:
    safe = "".join(_TEX.get(character, character) for character in " ".join(text.split()))
    # At the beginning of a row these would be parsed as an argument of the \\ before.
    return "{}" + safe if safe[:1] in ("[", "*") else safe


def _tex(table: pd.DataFrame) -> str:
    parts = []
    for dataset, split, rows in sections(table):
        columns = shown_columns(rows)
        align = "".join("r" if column.is_number else "l" for column in columns)
        heads = " & ".join(_heads(columns, r"accuracy [95\,\%]"))
        body = "\n".join(" & ".join(map(_tex_text, cells)) + r" \\" for cells in _cells(rows))
        below = "".join("\n\n\\footnotesize " + _tex_text(note) for note in sizes(rows) + notes(rows))
        parts.append(
            "\\begin{table}\n\\centering\n"
            f"\\caption{{{_tex_text(dataset)}, {_tex_text(split)}: {extent(rows)}}}\n"
            f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{heads} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
            f"\\end{{tabular}}{below}\n\\end{{table}}\n"
        )
    return "% needs \\usepackage{booktabs}\n" + "\n".join(parts)


def layout(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the comparison table for `terminal.Tables`, as JSON values: one part for each data set and split."""
    return [
        {
            "dataset": dataset,
            "split": split,
            "extent": extent(rows),
            "heads": _heads(shown_columns(rows), "accuracy % [95 %]"),
            "numeric": [column.is_number for column in shown_columns(rows)],
            "rows": _cells(rows),
            "sizes": sizes(rows),
            "notes": notes(rows),
        }
        for dataset, split, rows in sections(table)
    ]


def extent(rows: pd.DataFrame) -> str:
    """Describe the number of test clips, groups and folds of the most complete row."""
    most = rows[["n_clips", "n_groups", "n_folds"]].max()
    if not most["n_clips"]:
        return "0 clips, as no fold has finished"
    words = zip(most, ("clip", "group", "fold"), strict=True)
    return ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in words)
