"""Results as runs of MLflow."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from ...errors import ActionbenchError
from ..analysis.columns import RANK_COLUMNS
from ..analysis.results import Reader, Result, compared, gather
from ..analysis.tables import render, score, sections

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: The tag that identifies the content of a run.
DIGEST = "actionbench.digest"

COLUMNS = ["dataset", "split", "attempt", "run_id", "status"]

# Largest length of a value in MLflow.
_MAX_LENGTH = 5000


Runs: TypeAlias = Mapping[int, Mapping[Hashable, Any]]


@dataclass(frozen=True)
class Entry:
    """The logged values of an attempt."""

    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]

    def digest(self) -> str:
        """Return a hash of all values."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def log_to_mlflow(store: Reader, uri: str, experiment: str) -> pd.DataFrame:
    """Log each attempt on each data set and split as a run of MLflow.

    Parameters
    ----------
    store : Reader
        An open store.
    uri : str
        Of the tracking server or folder.
    experiment : str
        Its name; created if it does not exist.

    Returns
    -------
    DataFrame
        ``dataset``, ``split``, ``attempt``, ``run_id`` (of MLflow) and ``status``: ``"logged"``, ``"logged without its
        table"`` if MLflow cannot store files, or ``"already logged"`` if a run of the experiment has the same content.

    Raises
    ------
    ActionbenchError
        If MLflow is not installed, or raises an error.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise ActionbenchError(
            'MLflow is not installed; do so with: pip install "actionbench[mlflow]"'
        ) from error
    results = compared(gather(store))
    table = score(results)
    texts = {(dataset, split): render(rows, "md") for dataset, split, rows in sections(table)}
    runs: Runs = {run["id"]: run for run in store.runs().to_dict("records")}
    scores = {(row["dataset"], row["split"], row["attempt"]): row for row in table.to_dict("records")}
    # Ranks and power change when another attempt is added to the table.
    others = [*RANK_COLUMNS, "design_difference"]
    numbers = [str(name) for name in table.select_dtypes("number") if name not in others]
    rows = []
    try:
        client = MlflowClient(tracking_uri=uri)
        place = _experiment(client, experiment)
        for result in results:
            entry = _entry(result, scores[result.name], numbers, runs)
            known = client.search_runs([place], f"tags.`{DIGEST}` = '{entry.digest()}'", max_results=1)
            if known:
                run_id, status = known[0].info.run_id, "already logged"
            else:
                run_id, status = _log(client, place, entry, result, runs, texts)
            rows.append((*result.name, run_id, status))
    except MlflowException as error:
        raise ActionbenchError(f"{uri}: MLflow refuses: {' '.join(str(error).split())}") from error
    return pd.DataFrame(rows, columns=COLUMNS)


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _entry(result: Result, row: Mapping[Hashable, Any], metrics: list[str], runs: Runs) -> Entry:
    cells = result.cells
    given = cells["params"].iloc[0]
    params = {name: row[name] for name in ("dataset", "split", "attempt", "family")}
    params |= {"seeds": ", ".join(map(str, sorted(set(cells["seed"]))))}
    params |= {f"params.{name}": value for name, value in given.items()}
    numbers = sorted(set(cells["run_id"]))
    tags = {
        "fingerprint": result.fingerprint,
        "code": ", ".join(sorted(set(cells["code"]))),
        "commit": ", ".join(dict.fromkeys(_commit(runs[number]["provenance"]) for number in numbers)),
        "run": ", ".join(map(str, numbers)),
        "pretrained": row["pretrained"],
        "warnings": row["warnings"],
    }
    return Entry(
        {name: _text(value) for name, value in params.items()},
        {name: float(row[name]) for name in metrics if math.isfinite(row[name])},
        {f"actionbench.{name}": _text(value) for name, value in tags.items()},
    )


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:_MAX_LENGTH]


def _commit(provenance: Mapping[str, Any]) -> str:
    git = provenance.get("git")
    return f"{git['commit']}{'-dirty' if git['dirty'] else ''}" if git else "not known"


def _log(
    client: MlflowClient,
    place: str,
    entry: Entry,
    result: Result,
    runs: Runs,
    texts: Mapping[tuple[str, str], str],
) -> tuple[str, str]:
    """Return the number of the new run and its status."""
    from mlflow.entities import Metric, Param

    begun = min(_milliseconds(runs[number]["started"]) for number in result.cells["run_id"])
    ended = max(map(_milliseconds, result.cells["finished"]))
    run_id = client.create_run(place, begun, entry.tags, result.attempt).info.run_id
    metrics = [Metric(name, value, ended, 0) for name, value in entry.metrics.items()]
    client.log_batch(run_id, metrics, [Param(*item) for item in entry.params.items()])
    status = "logged"
    try:
        client.log_text(run_id, texts[result.dataset, result.split], "table.md")
    except Exception:  # each kind of artifact store has its own errors
        status = "logged without its table"
    # Last, so that an interrupted run is logged again.
    client.set_tag(run_id, DIGEST, entry.digest())
    client.set_terminated(run_id, "FINISHED" if result.complete else "FAILED", ended)
    return run_id, status


def _milliseconds(time: str) -> int:
    return round(1000 * datetime.fromisoformat(time).timestamp())
