"""Comparisons by scores alone: what is printed, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ...errors import ActionbenchError
from ..analysis.scores import ScoreComparison
from ..statistics.ranks import complete_scores
from .drawings import Drawing
from .parts import draw_ranks
from .prose import describe_ranks

__all__ = ["describe_scores", "rank_rows", "write_scores"]


def describe_scores(
    found: ScoreComparison, *, higher_is_better: bool = True, missing: str = "raise"
) -> list[str]:
    """Return paragraphs on ranks, ties and the critical difference, and the notes of a comparison.

    Parameters
    ----------
    found : ScoreComparison
        From `scores.compare_scores`.
    higher_is_better, missing
        As there.
    """
    return [describe_ranks(found.whole, higher_is_better=higher_is_better, missing=missing), *found.notes]


def rank_rows(ranks: pd.DataFrame) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return header and rows of a table of ranks as texts, the best mean rank first."""
    header = ["attempt", "rank", "mean rank", "mean score", "tied with", "data sets", "marked"]
    return header, [_row(row) for row in ranks.itertuples()]


def _row(row: Any) -> tuple[str, ...]:
    rank = f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"
    marks = [f"at chance on {row.at_chance} of {row.chance_known}"] if row.at_chance else []
    marks += [f"identical to {row.identical}"] if row.identical else []
    numbers = f"{row.mean_rank:.3g}", f"{row.mean_score:.4g}", f"{row.tied}", f"{row.n_datasets}"
    return row.attempt, rank, *numbers, "; ".join(marks)


def write_scores(
    found: ScoreComparison,
    scores: pd.DataFrame,
    folder: str | Path,
    *,
    higher_is_better: bool = True,
    missing: str = "raise",
) -> list[Path]:
    """Write ranks, scores with their intervals, the scores themselves, a text and a figure into a folder.

    Parameters
    ----------
    found : ScoreComparison
        From `scores.compare_scores`.
    scores : DataFrame
        What it was made of; ``scores.csv`` can be read again.
    folder : path
        Created if it does not exist; files of the same names are replaced.
    higher_is_better, missing
        As for `scores.compare_scores`.

    Returns
    -------
    list of Path
        ``ranks.csv``, ``intervals.csv``, ``scores.csv``, ``ranks.txt``, ``ranks.svg`` and ``ranks.png``.

    Raises
    ------
    ActionbenchError
        If the folder cannot be written to.
    """
    folder = Path(folder)
    whole, _ = complete_scores(found.whole, missing, higher_is_better=higher_is_better)
    drawing = Drawing(draw_ranks, (whole if higher_is_better else -whole,))
    texts = describe_scores(found, higher_is_better=higher_is_better, missing=missing)
    files: dict[str, str | bytes] = {
        "ranks.csv": _csv(found.ranks),
        "intervals.csv": _csv(found.cells),
        "scores.csv": _csv(scores),
        "ranks.txt": "\n".join(texts) + "\n",
        "ranks.svg": drawing.svg,
        "ranks.png": drawing.png,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise ActionbenchError(f"{folder}: the ranks cannot be written there ({error.strerror})") from error
    return [folder / name for name in files]


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")
