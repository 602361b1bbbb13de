"""Print what the gallery shows of a store: the accuracy of each attempt, and what it confuses.

    python site/results.py STORE > docs/gallery.json

`make gallery` calls it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from actionbench.experiments.store import Store
from actionbench.reports.analysis.results import gather
from actionbench.reports.analysis.tables import comparison_table
from actionbench.reports.statistics.intervals import confusion_matrix

SHOWN = (
    "attempt",
    "family",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "n_clips",
    "n_groups",
    "fit_seconds",
)


def contents(path: str) -> dict[str, Any]:
    """Return the results of a store of one data set."""
    with Store.open(path, must_exist=True) as store:
        results = {one.attempt: one for one in gather(store)}
        table = comparison_table(store)
    rows = []
    for row in table.to_dict("records"):
        result = results[row["attempt"]]
        if result.complete:
            counts = confusion_matrix(result.truth, result.predicted, len(result.classes))
            rows.append({**{name: row[name] for name in SHOWN}, "confusions": counts.tolist()})
    return {"split": result.split, "classes": result.classes, "rows": rows}


if __name__ == "__main__":
    json.dump(contents(sys.argv[1]), sys.stdout, indent=1)
    print()
