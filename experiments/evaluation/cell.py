"""One cell: an attempt fitted on the training clips of a fold and evaluated on its test clips."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...baselines.base import Attempt
from ...baselines.calibration import Calibration, fit_calibration
from ...baselines.persistence import state_bytes
from ...features.cache import temporary_cache
from ...features.clip import Clips
from ...features.cost import Stopwatch, peak_memory_bytes, track_costs
from ...literals import CalibrationMethod
from ..datasets.base import Dataset
from ..datasets.splits import Fold
from .result import CellResult

# Test clips that are predicted one at a time, at most, and for how many seconds at least. Probabilities that differ by
# at most _SAME count as equal, since a product of matrices may sum in another order.
_MAX_LATENCIES = 32
_MIN_TIMEOUT = 1.0
_SAME = 1e-3

# The first integer that SQLite cannot hold.
_TOO_LARGE = 2**63


class ContractError(Exception):
    """An attempt that does not keep to the contract of `Attempt`."""


def run_cell(
    attempt: Attempt,
    dataset: Dataset,
    fold: Fold,
    *,
    calibrate: CalibrationMethod | None = None,
    explain: bool = False,
) -> CellResult:
    """Fit an attempt and predict, with the costs of both.

    The first prediction, of a training clip, is a warm-up and counts apart. The test clips are then predicted all
    together, which are the predictions that are kept, and some of them one at a time.

    Parameters
    ----------
    attempt : Attempt
        Not fitted yet.
    dataset : Dataset
        Where the clips come from.
    fold : Fold
        Training and test clips.
    calibrate : {"temperature", "isotonic"}, optional
        How to calibrate probabilities, see `Calibration`; part of the fit.
    explain : bool
        Whether to keep what `Attempt.explain` returns.

    Returns
    -------
    CellResult
        Probabilities of shape (n_test, n_classes), in the order of ``dataset.classes``; 0 for a class that the
        training clips lack.

    Raises
    ------
    ContractError
        If the attempt gives anything but probabilities.
    """
    clips, test_clips = dataset.clips, dataset.test_clips
    train = clips[fold.train], dataset.labels[fold.train], dataset.groups[fold.train]
    with FullCost() as fit:
        attempt.fit(*train)
        calibration = None if calibrate is None else fit_calibration(calibrate, attempt, *train)
    predict_proba = partial(_predict_proba, attempt, calibration)
    with FullCost() as warm_up:
        predict_proba(clips[fold.train[:1]])
    with FullCost() as predict:
        probabilities = predict_proba(test_clips[fold.test])
    peak = max(peak_memory_bytes(), fit.memory_bytes, warm_up.memory_bytes, predict.memory_bytes)
    timeout = max(_MIN_TIMEOUT, (fit.seconds + predict.seconds) / 2)
    latencies, alone = _one_by_one(predict_proba, test_clips[fold.test], timeout)
    counts = _counts(attempt)
    return CellResult(
        probabilities=reorder_columns(probabilities, attempt.classes_, dataset.classes),
        fit_seconds=fit.seconds,
        fit_cpu_seconds=fit.cpu_seconds,
        predict_seconds=predict.seconds,
        predict_cpu_seconds=predict.cpu_seconds,
        peak_memory_bytes=peak,
        fit_saved_seconds=fit.saved_seconds,
        predict_saved_seconds=predict.saved_seconds,
        warm_up_seconds=warm_up.full_seconds,
        latencies=latencies,
        fit_joules=fit.joules,
        predict_joules=predict.joules,
        size_bytes=state_bytes(attempt),
        n_parameters=counts.get("parameters"),
        operations=counts.get("operations"),
        counts=counts,
        warnings=_depends_on_others(probabilities, alone) | dict(attempt.warnings()),
        pretrained=str(attempt.pretrained),
        artifacts=_artifacts(attempt, calibration) if explain else {},
    )


def _predict_proba(attempt: Attempt, calibration: Calibration | None, clips: Clips) -> NDArray[np.float64]:
    predicted = check_probabilities(attempt, attempt.predict_proba(clips), len(clips))
    return predicted if calibration is None else calibration(predicted)


def _counts(attempt: Attempt) -> dict[str, int]:
    # What a plug-in counts may be NumPy's integers; the store keeps JSON, and integers of 64 bits.
    counts = {str(name): int(count) for name, count in attempt.count().items()}
    for name, count in counts.items():
        if abs(count) >= _TOO_LARGE:
            raise ContractError(
                f"{type(attempt).__name__}.count must give integers below 2**63, got {name} {count}"
            )
    return counts


class FullCost(Stopwatch):
    """A stopwatch of a block that computes each feature at most once, and counts those that it found in the cache.

    Attributes
    ----------
    saved_seconds : float
        What is to be added to the wall seconds; to CPU seconds and joules it is added already.
    memory_bytes : int
        What the features that were found would have taken with the rest.
    """

    saved_seconds = 0.0
    memory_bytes = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(temporary_cache())
            self._feature_costs = stack.enter_context(track_costs())
            self._stack = stack.pop_all()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._stack.close()
        self.saved_seconds, cpu_seconds, joules = map(float, self._feature_costs.correction)
        self.cpu_seconds += cpu_seconds
        self.joules = None if self.joules is None or np.isnan(joules) else self.joules + joules
        self.memory_bytes = self._feature_costs.memory_bytes

    @property
    def full_seconds(self) -> float:
        """Wall seconds with all features."""
        return self.seconds + self.saved_seconds


def _one_by_one(
    predict_proba: Callable[[Clips], NDArray[np.float64]], clips: Clips, timeout: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Predict clips one at a time, some seconds long; return milliseconds and probabilities of each."""
    milliseconds, rows, start = [], [], time.perf_counter()
    for index in range(min(len(clips), _MAX_LATENCIES)):
        with FullCost() as one:
            row = predict_proba(clips[index : index + 1])[0]
        milliseconds.append(1000 * one.full_seconds)
        rows.append(row)
        if time.perf_counter() - start > timeout:
            break
    return np.array(milliseconds, np.float32), np.array(rows)


def _depends_on_others(together: NDArray[np.float64], alone: NDArray[np.float64]) -> dict[str, str]:
    """Return a warning where what is predicted for a clip depends on the clips that are asked about with it."""
    change = np.abs(together[: len(alone)] - alone).max() if len(alone) else 0.0
    if change <= _SAME:
        return {}
    return {
        "batch-dependent": f"A clip's probabilities change by up to {change:.2g} with the clips that are predicted "
        "together with it: the attempt learns from test clips."
    }


def check_probabilities(attempt: Attempt, probabilities: Any, n_clips: int) -> NDArray[np.float64]:
    """Return probabilities as float64, or raise ContractError where they are none."""
    name = f"{type(attempt).__name__}.predict_proba"
    array = np.asarray(probabilities, dtype=np.float64)
    expected = (n_clips, len(attempt.classes_))
    if array.shape != expected:
        raise ContractError(f"{name} must return shape {expected} (clips, classes_), got {array.shape}")
    if not np.isfinite(array).all():
        raise ContractError(f"{name} returned a value that is not finite")
    if (array < 0).any() or not np.allclose(array.sum(axis=1), 1, atol=1e-6):
        raise ContractError(f"{name} must return rows of probabilities that sum to 1")
    return array


def reorder_columns(probabilities: NDArray[np.float64], given: Any, wanted: list[str]) -> NDArray[np.float64]:
    """Return columns in the order ``wanted`` that are in the order ``given``; missing columns become 0."""
    columns = {label: column for column, label in enumerate(wanted)}
    unknown = [str(label) for label in given if str(label) not in columns]
    if unknown:
        raise ContractError(f"classes_ holds {unknown[0]!r}, which is no label of the data set")
    full = np.zeros((len(probabilities), len(wanted)))
    full[:, [columns[str(label)] for label in given]] = probabilities
    return full


def _artifacts(attempt: Attempt, calibration: Calibration | None) -> dict[str, bytes]:
    """Return text and pictures of `Attempt.explain`."""
    explanation = attempt.explain()
    text = str(explanation) if calibration is None else f"{explanation}\n\n{calibration}"
    artifacts = {"explain.txt": text.encode()}
    figures = getattr(explanation, "figures", {})
    if figures:
        from io import BytesIO

        for name, figure in figures.items():
            buffer = BytesIO()
            figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
            artifacts[f"{name}.png"] = buffer.getvalue()
    return artifacts
