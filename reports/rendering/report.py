"""A report as files: the page, the tables and the pictures."""

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
from ..analysis.results import Reader, gather
from ..statistics.intervals import confusion_matrix
from .canvas import Svg
from .exports import parquet
from .heatmaps import confusion_figures, heat_figure
from .pages import page
from .parts import Comparison, Part, captioned

# Attempts whose confusions are drawn beside each other, and of how many classes: the time grows with their square.
_MOST_CONFUSIONS, _MOST_CLASSES = 6, 120
# Rows and columns of a heat map that can be read on paper.
_MOST_ROWS, _MOST_COLUMNS = 40, 60


def write_report(store: Reader, folder: str | Path, *, costs: bool = True) -> list[Path]:
    """Write ``index.html``, and the tables and figures of it as files, into a folder.

    The page needs no network; what comes from plug-ins and data stays text in it. The same store gives the same bytes.

    Parameters
    ----------
    store : Reader
        An open store, of a finished run or not.
    folder : path
        Made where it does not exist; files of the same names are replaced.
    costs : bool
        Whether to show times, memory, machines and dates. Without them the same predictions give the same bytes,
        whoever made them.

    Returns
    -------
    list of Path
        The files written; ``table.parquet`` is among them where pyarrow is installed.

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
    comparison = Comparison.of(results, costs=costs)
    files: dict[str, str | bytes] = {"index.html": page(store, comparison)}
    files |= {f"table.{format}": tables.render(comparison.table, format) for format in tables.FORMATS}
    if find_spec("pyarrow"):
        files["table.parquet"] = parquet(comparison.table)
    files |= {f"{name}.csv": _csv(rows) for name, rows in _tables(comparison) if len(rows)}
    for name, drawing in _pictures(comparison):
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


def _tables(comparison: Comparison) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables beside that of the comparison, of all data sets, by name."""
    parts = comparison.parts
    results = [result for part in parts for result in part.results]
    yield "pairs", pd.concat([_of(part, part.pairs) for part in parts])
    yield "classes", pd.concat([long_form(part.results, part.by_class, "class") for part in parts])
    yield "groups", pd.concat([long_form(part.results, part.by_group, "group") for part in parts])
    yield "confusions", pd.concat([confusions(result) for result in results])
    yield "conditions", pd.concat([part.nuisances for part in parts] + [comparison.options])
    yield "clips", pd.concat([part.hard_clips for part in parts])
    yield "learning", comparison.curves
    yield "crossings", comparison.crossings
    yield "matrix", comparison.matrix.reset_index()


def _of(part: Part, rows: pd.DataFrame) -> pd.DataFrame:
    """Put the names of data set and split before rows."""
    first = part.results[0]
    return pd.DataFrame({"dataset": first.dataset, "split": first.split}, index=rows.index).join(rows)


def _pictures(comparison: Comparison) -> Iterator[tuple[str, Svg]]:
    """Yield every picture by the name of its file, which is safe whatever data sets are called."""
    if comparison.ranks is not None:
        yield "ranks", comparison.ranks
    for number, part in enumerate(comparison.parts, 1):
        plain = re.sub(r"[^a-z0-9]+", "-", part.name.lower()).strip("-")[:40].rstrip("-")
        for what, drawing in (*part.pictures.items(), *captioned(part, _files_only(part))):
            yield f"{number}-{plain}-{what.replace(' ', '-')}", drawing


def _files_only(part: Part) -> Iterator[tuple[str, Svg]]:
    """Yield the pictures of what the page has as tables."""
    first = part.results[0]
    for name, table in (("classes", part.by_class), ("groups", part.by_group)):
        if 0 < table.shape[1] <= _MOST_COLUMNS:
            yield name, heat_figure(table.head(_MOST_ROWS))
    conditions = pd.MultiIndex.from_frame(part.nuisances[["condition", "value"]]).unique()
    if 0 < len(conditions) <= _MOST_COLUMNS:
        yield "conditions", _conditions(part, conditions)
    drawn = [result for result in part.results if len(result.positions)][:_MOST_CONFUSIONS]
    if drawn and len(first.classes) <= _MOST_CLASSES:
        counts = {
            result.attempt: confusion_matrix(result.truth, result.predicted, len(first.classes))
            for result in drawn
        }
        yield "confusions", confusion_figures(counts, first.classes)


def _conditions(part: Part, conditions: pd.Index) -> Svg:
    rows = part.nuisances
    attempts = [result.attempt for result in part.results if result.attempt in set(rows["attempt"])]
    shares, low, high = (
        rows.pivot(index="attempt", columns=["condition", "value"], values=column)
        .reindex(index=attempts[:_MOST_ROWS], columns=conditions)
        .set_axis([f"{condition}: {value}" for condition, value in conditions], axis="columns")
        for column in ("accuracy", "accuracy_low", "accuracy_high")
    )
    return heat_figure(shares, low, high)
