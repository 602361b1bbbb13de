"""A report as files: the page, tables and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from ...errors import ActionbenchError
from ..analysis import tables
from ..analysis.breakdown import confusions, long_form
from ..analysis.ladder import ladder
from ..analysis.results import Reader, compared, gather
from ..statistics.intervals import confusion_matrix
from .drawings import Drawing, draw_all
from .exports import parquet
from .heatmaps import confusion_figures, heat_figure
from .pages import page
from .parts import Comparison, Part
from .profiles import Profile

# Largest numbers of confusion matrices and of their classes, with the square of which the time grows.
_MAX_CONFUSIONS, _MAX_CLASSES = 6, 120
# Largest numbers of rows and columns of a readable heat map.
_MAX_ROWS, _MAX_COLUMNS = 40, 60
# Number of results from which on it is worth starting processes, which takes about a second.
_MANY = 30


def write_report(store: Reader, folder: str | Path, *, costs: bool = True) -> list[Path]:
    """Write ``index.html``, and its tables and figures as files, into a folder.

    The page needs no network; texts from plug-ins and data are escaped. The same store gives the same bytes.

    Parameters
    ----------
    store : Reader
        An open store, of a finished run or not.
    folder : path
        Created if it does not exist; files of the same names are replaced.
    costs : bool
        Whether to show times, memory, machines and dates. Without them the same predictions give the same bytes on
        any machine.

    Returns
    -------
    list of Path
        The files written, with ``table.parquet`` if pyarrow is installed.

    Raises
    ------
    ActionbenchError
        If the store has no cells, or the folder cannot be written to.
    """
    found = gather(store)
    measured = Profile.of(found)
    results = compared(found)
    if not results and not measured.results:
        raise ActionbenchError("the store has no results to report; `actionbench run` makes some")
    folder = Path(folder)
    with _writing(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    n_jobs = -1 if len(found) >= _MANY else 1
    comparison = Comparison.of(results, costs=costs, n_jobs=n_jobs)
    drawings = dict(_drawings(measured, comparison))
    draw_all(drawings.values(), n_jobs)
    rungs = ladder(found)
    files: dict[str, str | bytes] = {"index.html": page(store, comparison, rungs, measured)}
    files |= {f"table.{format}": tables.render(comparison.table, format) for format in tables.FORMATS}
    if find_spec("pyarrow"):
        files["table.parquet"] = parquet(comparison.table)
    tables_found = [
        *(_tables(comparison) if results else ()),
        ("ladder", rungs),
        ("profile", measured.table),
        ("profile-curves", measured.points),
    ]
    files |= {f"{name}.csv": _csv(rows) for name, rows in tables_found if len(rows)}
    for name, drawing in drawings.items():
        files |= {f"figures/{name}.svg": drawing.svg, f"figures/{name}.png": drawing.png}
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


def _tables(comparison: Comparison) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the other tables, of all data sets, by name."""
    parts = comparison.parts
    results = [result for part in parts for result in part.results]
    yield "pairs", pd.concat([_of(part, part.pairs) for part in parts])
    yield "classes", pd.concat([long_form(part.results, part.by_class, "class") for part in parts])
    yield "groups", pd.concat([long_form(part.results, part.by_group, "group") for part in parts])
    yield "confusions", pd.concat([confusions(result) for result in results])
    yield "reliability", pd.concat([_of(part, part.reliability) for part in parts])
    yield "conditions", pd.concat([part.nuisances for part in parts] + [comparison.options])
    yield "clips", pd.concat([part.hard_clips for part in parts])
    yield "learning", comparison.curves
    yield "crossings", comparison.crossings
    yield "matrix", comparison.matrix.reset_index()


def _of(part: Part, rows: pd.DataFrame) -> pd.DataFrame:
    """Prepend columns for data set and split."""
    first = part.results[0]
    return pd.DataFrame({"dataset": first.dataset, "split": first.split}, index=rows.index).join(rows)


def _drawings(measured: Profile, comparison: Comparison) -> Iterator[tuple[str, Drawing]]:
    """Yield every figure by its file name, which is safe for any name of a data set."""
    for name, drawing in measured.pictures.items():
        yield f"profile-{name}", drawing
    if comparison.ranks is not None:
        yield "ranks", comparison.ranks
    for number, part in enumerate(comparison.parts, 1):
        plain = re.sub(r"[^a-z0-9]+", "-", part.name.lower()).strip("-")[:40].rstrip("-")
        for what, drawing in (*part.pictures.items(), *_files_only(part)):
            yield f"{number}-{plain}-{what.replace(' ', '-')}", drawing


def _files_only(part: Part) -> Iterator[tuple[str, Drawing]]:
    """Yield figures of contents that the page has as tables."""
    first = part.results[0]
    for name, found in (("classes", part.by_class), ("groups", part.by_group)):
        if 0 < found.accuracy.shape[1] <= _MAX_COLUMNS:
            yield name, part.drawing(heat_figure, *(values.head(_MAX_ROWS) for values in found))
    conditions = pd.MultiIndex.from_frame(part.nuisances[["condition", "value"]]).unique()
    if 0 < len(conditions) <= _MAX_COLUMNS:
        yield "conditions", _conditions(part, conditions)
    drawn = [result for result in part.results if len(result.positions)][:_MAX_CONFUSIONS]
    if drawn and len(first.classes) <= _MAX_CLASSES:
        counts = {
            result.attempt: confusion_matrix(result.truth, result.predicted, len(first.classes))
            for result in drawn
        }
        yield "confusions", part.drawing(confusion_figures, counts, first.classes)


def _conditions(part: Part, conditions: pd.Index) -> Drawing:
    rows = part.nuisances
    attempts = [result.attempt for result in part.results if result.attempt in set(rows["attempt"])]
    shares, low, high = (
        rows.pivot(index="attempt", columns=["condition", "value"], values=column)
        .reindex(index=attempts[:_MAX_ROWS], columns=conditions)
        .set_axis([f"{condition}: {value}" for condition, value in conditions], axis="columns")
        for column in ("accuracy", "accuracy_low", "accuracy_high")
    )
    return part.drawing(heat_figure, shares, low, high)
