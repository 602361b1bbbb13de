"""Changes of accuracy and times from one store to another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..statistics.paired import paired_test
from .pairs import LEVEL
from .results import Reader, Result, differences, gather

COLUMNS = [
    "dataset",
    "split",
    "attempt",
    "accuracy_old",
    "accuracy_new",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "n_clips",
    "n_groups",
    "fit_ratio",
    "predict_ratio",
    "verdict",
    "reason",
    "failed_old",
    "failed_new",
    "times",
]


@dataclass(frozen=True)
class Difference:
    """Difference in accuracy between two attempts on the same clips."""

    accuracy_old: float
    accuracy_new: float
    difference: float
    low: float
    high: float
    p_value: float
    n_clips: int
    n_groups: int
    #: The smallest p-value possible with this many groups that differ.
    min_p_value: float


def paired_difference(old: Result, new: Result, margin: float = 0.0) -> Difference:
    """Compare two results on the clips that both have predicted; seeds are averaged within each clip.

    Parameters
    ----------
    old, new : Result
        On the same data set.
    margin : float
        Differences up to this size are irrelevant; the p-value is that of a difference beyond it.

    Returns
    -------
    Difference
        With the interval and the p-value of `paired.paired_test`; NaN if no clip is in both.
    """
    first, second = _by_clip(old), _by_clip(new)
    both = first.merge(second, left_index=True, right_index=True, suffixes=("_old", "_new"))
    if both.empty:
        nan = float("nan")
        return Difference(nan, nan, nan, nan, nan, nan, n_clips=0, n_groups=0, min_p_value=1.0)
    found = paired_test(both["right_old"], both["right_new"], both["group_old"], margin=margin)
    return Difference(
        float(both["right_old"].mean()),
        float(both["right_new"].mean()),
        float(found["difference"]),
        low=float(found["low"]),
        high=float(found["high"]),
        p_value=float(found["p_value"]),
        n_clips=int(found["n_clips"]),
        n_groups=int(found["n_groups"]),
        min_p_value=float(found["min_p_value"]),
    )


def _by_clip(result: Result) -> pd.DataFrame:
    """Return the accuracy over seeds and the group of each clip by its position."""
    table = pd.DataFrame({"position": result.positions, "right": result.correct, "group": result.groups})
    return table.groupby("position").agg(right=("right", "mean"), group=("group", "first"))


def compare(old_store: Reader, new_store: Reader, margin: float = 0.0) -> pd.DataFrame:
    """Compare each attempt between two stores.

    Parameters
    ----------
    old_store, new_store : Reader
        Open stores.
    margin : float
        Differences in accuracy up to this size are irrelevant, as a fraction.

    Returns
    -------
    DataFrame
        One row for each data set, split and attempt of either store: ``accuracy_old``, ``accuracy_new``,
        ``difference`` with its 95 % interval ``difference_low`` to ``difference_high``, ``p_value``, ``n_clips``,
        ``n_groups``, ``fit_ratio`` and ``predict_ratio`` (median time of a cell, new over old; NaN where times cannot
        be compared), ``verdict`` (``worse``, ``better``, ``identical``, ``no evidence`` or ``not comparable``),
        ``reason``, a sentence or empty, ``failed_old`` and ``failed_new``, what failed in either store, or empty, and
        ``times``, a sentence on why times cannot be compared, or empty.

    Notes
    -----
    Results are identical if each clip has the same predictions, each in the same share of the seeds; the interval is
    then NaN, as none is needed. Otherwise it is a paired bootstrap over groups, never narrower than Newcombe's for as
    many independent clips. The test is a sign-flip test over groups at 5 %. See
    `intervals.bootstrap_interval`, `intervals.paired_interval` and `intervals.sign_flip_test`. The tests are not
    adjusted for their number: of twenty unchanged attempts, one is expected to be called better or worse.
    """
    old, new = ({result.name: result for result in gather(store)} for store in (old_store, new_store))
    rows = [_judge(name, old.get(name), new.get(name), margin) for name in sorted(old.keys() | new.keys())]
    return pd.DataFrame(rows, columns=COLUMNS)


def _judge(
    name: tuple[str, str, str], old: Result | None, new: Result | None, margin: float
) -> dict[str, object]:
    row: dict[str, object] = dict(
        zip(COLUMNS, [*name, *[float("nan")] * 6, 0, 0, *[float("nan")] * 2], strict=False)
    )
    row |= {"failed_old": _failures(old), "failed_new": _failures(new), "times": ""}
    if old is None or new is None:
        return row | {
            "verdict": "not comparable",
            "reason": f"Only in the {'new' if old is None else 'old'} store.",
        }
    obstacle = _obstacle(old, new)
    if obstacle:
        return row | {"verdict": "not comparable", "reason": obstacle}
    found = paired_difference(old, new, margin)
    is_same = _same_predictions(old, new)
    if is_same:
        found = replace(found, low=float("nan"), high=float("nan"))
    return row | {
        "accuracy_old": found.accuracy_old,
        "accuracy_new": found.accuracy_new,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "p_value": found.p_value,
        "n_clips": found.n_clips,
        "n_groups": found.n_groups,
        "verdict": "identical" if is_same else _verdict(found, margin),
        "reason": _reason(found),
        **_times(old, new),
    }


def _same_predictions(old: Result, new: Result) -> bool:
    """Return whether each clip has the same predictions, each in the same share of the seeds."""
    n_classes = len(old.classes)
    first, second = (
        np.bincount(
            result.positions * n_classes + result.predicted, result.weights, len(old.clips) * n_classes
        )
        for result in (old, new)
    )
    return np.allclose(first, second)


def _failures(result: Result | None) -> str:
    """Return how many cells failed and why the first did, an empty string if none did."""
    if result is None or not result.count("failed"):
        return ""
    failed = result.failed
    told = (failed["error"].fillna(failed["kind"]).iloc[0], failed["message"].iloc[0])
    why = ": ".join(text for text in told if isinstance(text, str) and text)
    return f"{len(failed)} of {result.n_cells} cells failed: {why}"


def _times(old: Result, new: Result) -> dict[str, object]:
    """Return the ratios of times, or the reason why there are none."""
    machines = [*old.machines, *new.machines]
    unlike = differences(machines)
    if unlike:
        return {"times": f"Times are not compared: the set-ups differ in {'; '.join(unlike)}."}
    if not (old.machines and new.machines):
        return {"times": "Times are not compared: the machine is unknown."}
    return {
        f"{part}_ratio": float(_seconds(new, part).median() / _seconds(old, part).median())
        for part in ("fit", "predict")
    }


def _seconds(result: Result, part: str) -> pd.Series:
    """Return the full time of each cell, as if it had computed all features."""
    done = result.done
    return done[f"{part}_seconds"].astype(float) + done[f"{part}_saved_seconds"].astype(float).fillna(0.0)


def _obstacle(old: Result, new: Result) -> str:
    """Return why two results cannot be compared, an empty string if they can."""
    if old.fingerprint != new.fingerprint:
        return "The data differ."
    for which, result in (("old", old), ("new", new)):
        missing = result.n_cells - result.count("done")
        if missing:
            return f"{missing} of {result.n_cells} cells failed or were skipped in the {which} store."
    if not np.array_equal(np.unique(old.positions), np.unique(new.positions)):
        return "The two stores hold predictions of different clips."
    return ""


def _verdict(found: Difference, margin: float) -> str:
    if found.p_value > LEVEL or abs(found.difference) <= margin:
        return "no evidence"
    return "better" if found.difference > 0 else "worse"


def _reason(found: Difference) -> str:
    if found.p_value > LEVEL and found.difference != 0 and found.min_p_value > LEVEL:
        return "Too few groups changed for any difference to be significant."
    return ""
