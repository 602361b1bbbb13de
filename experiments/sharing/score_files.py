"""Scores that another program has written, one or more for each data set and attempt: tables, and results of MTEB."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import DataError, Faults, did_you_mean
from ..datasets.table import READERS, read_lines

#: The columns of scores.
COLUMNS = ("dataset", "attempt", "seed", "score", "chance")

# Draws whose mean is the score: MTEB rounds some.
_TOLERANCE = 1e-3


def read_scores(path: str | Path) -> pd.DataFrame:
    r"""Read scores from a file or a folder.

    Parameters
    ----------
    path : path
        A table with the columns ``dataset``, ``attempt``, ``score`` and perhaps ``seed`` and ``chance``; or one with a
        row for each data set, named in its first column, a column for each attempt and perhaps ``chance``. Or a
        folder of MTEB's results, with a folder for each model and in it a file for each task.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row for each score; ``chance`` is NaN where it is not known.

    Raises
    ------
    DataError
        With a sentence for each fault: the file cannot be read, a score is no finite number, or is there twice.

    Examples
    --------
    >>> _ = Path("s.csv").write_text("dataset,svm,net\nkth,0.9,0.8\nucf,0.7,0.9\n")
    >>> read_scores("s.csv")[["dataset", "attempt", "score"]]
      dataset attempt  score
    0     kth     svm    0.9
    1     ucf     svm    0.7
    2     kth     net    0.8
    3     ucf     net    0.9
    """
    path = Path(path)
    try:
        found = _read_mteb(path) if path.is_dir() else _long(_read_table(path), path)
    except (OSError, ValueError, TypeError, csv.Error, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read as scores ({reason})") from error
    return check_scores(found, str(path))


def check_scores(scores: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return scores with all `COLUMNS`, or raise DataError with what is wrong with them.

    Parameters
    ----------
    scores : DataFrame
        ``dataset``, ``attempt``, ``score``, and perhaps ``seed`` and ``chance``.
    where : str
        What errors name.
    """
    faults = Faults()
    for name in scores.columns:
        if name not in COLUMNS:
            faults.add(
                DataError(f"{where}: has an unknown column {name!r}; {did_you_mean(str(name), COLUMNS)}")
            )
    for name in ("dataset", "attempt", "score"):
        if name not in scores:
            faults.add(DataError(f"{where}: has no column {name!r}; it has {', '.join(map(str, scores))}"))
    faults.check()
    found = scores.reset_index(drop=True).assign(
        dataset=scores["dataset"].astype(str).to_numpy(), attempt=scores["attempt"].astype(str).to_numpy()
    )
    found = found.assign(
        **{name: default for name, default in (("seed", 0), ("chance", np.nan)) if name not in found}
    )
    for name in ("score", "chance"):
        numbers = pd.to_numeric(found[name], errors="coerce").to_numpy(np.float64)
        empty = (found[name].isna() | (found[name].astype(str) == "")).to_numpy()
        wrong = ~empty & ~np.isfinite(numbers)
        if wrong.any():
            faults.add(
                DataError(f"{where}: {name!r} must be a finite number; it is not for {_place(found, wrong)}")
            )
        found[name] = np.where(empty, np.nan, numbers)
    twice = found.duplicated(["dataset", "attempt", "seed"]).to_numpy()
    if twice.any():
        faults.add(
            DataError(
                f"{where}: has two scores for {_place(found, twice)}; each must be of another data set, attempt or seed"
            )
        )
    if (found.groupby("dataset")["chance"].nunique() > 1).any():
        faults.add(DataError(f"{where}: 'chance' must be the same for all attempts on a data set"))
    faults.check()
    return found[list(COLUMNS)].dropna(subset="score").reset_index(drop=True)


def _place(found: pd.DataFrame, chosen: np.ndarray) -> str:
    row = found[chosen].iloc[0]
    return f"{row['attempt']!r} on {row['dataset']!r}"


def _read_table(path: Path) -> pd.DataFrame:
    reader = READERS.get(path.suffix.lower())
    if reader is None or reader is read_lines:
        known = ", ".join(ending for ending in READERS if ending != ".lines")
        raise DataError(f"{path}: scores must be in a folder of MTEB or in a file that ends in {known}")
    rows = reader(path)
    if rows.empty:
        raise DataError(f"{path}: there is not one row in it")
    if "clip" in rows:
        raise DataError(f"{path}: has a column 'clip': of predictions, --dataset must name the data set")
    return rows


def _long(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a row for each score of a table with a column for each attempt."""
    if {"score", "attempt"} & set(rows.columns):
        return rows
    first = rows.columns[0]
    attempts = [name for name in rows.columns[1:] if name != "chance"]
    if not attempts:
        raise DataError(
            f"{path}: must have the columns dataset, attempt and score, or a column for each attempt, got "
            f"{', '.join(map(str, rows.columns))}"
        )
    kept = ["chance"] if "chance" in rows else []
    return rows.melt([first, *kept], attempts, "attempt", "score").rename(columns={first: "dataset"})


def _read_mteb(path: Path) -> pd.DataFrame:
    files = [file for file in sorted(path.rglob("*.json")) if file.name != "model_meta.json"]
    rows, faults = list[dict[str, Any]](), Faults()
    for file in files:
        parts = file.relative_to(path).parts
        with faults:
            rows += _mteb_rows(file, parts[0] if len(parts) > 1 else path.name)
    if not files:
        raise DataError(f"{path}: there is no .json file in it; it must have a folder for each model of MTEB")
    faults.check()
    return pd.DataFrame(rows)


def _mteb_rows(file: Path, model: str) -> Iterator[dict[str, Any]]:
    """Yield the score of a model on a task, or its draws."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        splits, task = content["scores"], str(content["task_name"])
        split = "test" if "test" in splits else next(iter(splits))
        scores = [float(one["main_score"]) for one in splits[split]]
    except (KeyError, TypeError, ValueError, StopIteration, RecursionError) as error:
        raise DataError(
            f"{file}: must have task_name, and in scores a main_score for each split, as MTEB writes them"
        ) from error
    score = float(np.mean(scores))
    draws = [score]
    if len(scores) == 1:
        draws = _draws(splits[split][0], score)
    for seed, draw in enumerate(draws):
        yield {"dataset": task, "attempt": model, "seed": seed, "score": draw}


def _draws(entry: Mapping[str, Any], score: float) -> list[float]:
    """Return the draws whose mean is the main score, or it alone where there are none."""
    experiments = entry.get("scores_per_experiment")
    if not isinstance(experiments, list) or not all(isinstance(one, dict) for one in experiments):
        return [score]
    for name, value in entry.items():
        if name != "main_score" and isinstance(value, float) and value == score:
            draws = [one.get(name) for one in experiments]
            known = draws and all(isinstance(draw, int | float) for draw in draws)
            if known and abs(float(np.mean(draws)) - score) <= _TOLERANCE * max(1.0, abs(score)):
                return list(map(float, draws))
    return [score]
