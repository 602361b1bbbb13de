"""What each attempt of a matrix is charged with empty, full and no cache of features: ``make bench-costs``.

One fold, one cell at a time. With an empty cache a cell computes its features and keeps them, with a full one it reads
them and is charged what they cost when they were computed, without one it computes them again in each phase.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import results

import actionbench
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.store import Store

CACHES = ("empty", "full", "none")
# Columns of a store, what a table calls them, and by what they are divided.
COSTS = {
    "fit_seconds": ("fit s", 1),
    "fit_cpu_seconds": ("fit CPU s", 1),
    "fit_joules": ("fit J", 1),
    "peak_memory_bytes": ("MiB", 2**20),
    "predict_seconds": ("predict s", 1),
    "predict_cpu_seconds": ("predict CPU s", 1),
}


def costs(
    matrix: str | Mapping[str, Any],
    attempts: Iterable[str] = (),
    changes: Iterable[str] = (),
    folder: str | Path | None = None,
) -> pd.DataFrame:
    """Run the first fold of each attempt with each kind of cache.

    Returns
    -------
    DataFrame
        One row for each attempt, a column for each of `COSTS` and `CACHES`: (cost, cache). None where a cost is not
        known on this machine.
    """
    names = list(attempts) or [entry.name for entry in read_matrix(matrix).attempts]
    rows = {}
    with tempfile.TemporaryDirectory(dir=folder) as here:
        for number, name in enumerate(names):
            rows[name] = {}
            for cache in CACHES:
                # An attempt may read what another has kept.
                kept = "none" if cache == "none" else Path(here) / f"features-{number}"
                store = Path(here) / f"{number}-{cache}.sqlite"
                only = ["fold=0", f"attempt={name}"]
                actionbench.run(matrix, store=store, only=only, workers=1, cache=kept, changes=list(changes))
                with Store.open(store) as opened:
                    (cell,) = opened.cells().to_dict("records")
                if cell["status"] != "done":
                    raise RuntimeError(f"{name}, {cache} cache: {cell['status']}: {cell['message']}")
                for phase in ("fit", "predict"):
                    cell[f"{phase}_seconds"] += cell[f"{phase}_saved_seconds"]
                rows[name] |= {(cost, cache): cell[cost] for cost in COSTS}
    return pd.DataFrame.from_dict(rows, orient="index")


def markdown(table: pd.DataFrame) -> str:
    """Return the table with the three caches of a cost in one field."""
    shown = {
        heading: [
            " / ".join(_short(table.loc[name, (cost, cache)], unit) for cache in CACHES)
            for name in table.index
        ]
        for cost, (heading, unit) in COSTS.items()
        if table[[(cost, cache) for cache in CACHES]].notna().all(axis=None)
    }
    lines = [["attempt", *shown], ["---", *["---:"] * len(shown)]]
    lines += [[name, *(fields[row] for fields in shown.values())] for row, name in enumerate(table.index)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float, unit: float) -> str:
    return f"{value / unit:.3g}"


def main() -> None:
    """Print the table; each field is with empty / full / no cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("attempts", nargs="*", help="of the matrix; all by default")
    parser.add_argument("--matrix", default="weizmann", help="a file or a built-in one; default weizmann")
    parser.add_argument(
        "--set", dest="changes", action="append", default=[], help="change a key of the matrix"
    )
    given = results.parse(parser)
    table = costs(given.matrix, given.attempts, given.changes)
    print(markdown(table))
    rows = table.to_dict("index").items()
    results.write(
        given.json, {name: {" ".join(key): value for key, value in row.items()} for name, row in rows}
    )


if __name__ == "__main__":
    main()
