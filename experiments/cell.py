"""One cell: an attempt fitted on the training clips of a fold and asked about its test clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..baselines.base import Attempt
from ..features.cache import saved_seconds
from .cost import Stopwatch, peak_memory_bytes
from .datasets.base import Dataset
from .splits import Fold


class ContractError(Exception):
    """An attempt that does not keep to the contract of `Attempt`."""


@dataclass
class Outcome:
    """What a finished cell gives; the names are those of `CellRecord`.

    What features from the cache cost when they were computed is not in the seconds, but in the saved ones.
    """

    probabilities: NDArray[np.float64]
    fit_seconds: float
    fit_cpu_seconds: float
    predict_seconds: float
    predict_cpu_seconds: float
    peak_memory_bytes: int
    fit_saved_seconds: float = 0.0
    predict_saved_seconds: float = 0.0
    n_parameters: int | None = None
    operations: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)


def run_cell(attempt: Attempt, dataset: Dataset, fold: Fold, *, explain: bool = False) -> Outcome:
    """Fit an attempt and predict, with the costs of both.

    Parameters
    ----------
    attempt : Attempt
        Not fitted yet.
    dataset : Dataset
        Where the clips come from.
    fold : Fold
        Which clips teach and which test.
    explain : bool
        Whether to keep what the attempt says of itself.

    Returns
    -------
    Outcome
        Probabilities of shape (n_test, n_classes), in the order of ``dataset.classes``; 0 for a class that the
        fold does not teach.

    Raises
    ------
    ContractError
        If the attempt gives anything but probabilities.
    """
    clips, saved = dataset.clips, [saved_seconds()]
    with Stopwatch() as fit:
        attempt.fit(clips[fold.train], dataset.labels[fold.train], dataset.groups[fold.train])
    saved.append(saved_seconds())
    with Stopwatch() as predict:
        probabilities = attempt.predict_proba(clips[fold.test])
    saved.append(saved_seconds())
    peak = peak_memory_bytes()
    probabilities = check_probabilities(attempt, probabilities, len(fold.test))
    # What a plug-in counts may be NumPy's integers; the store keeps JSON.
    counts = {name: int(number) for name, number in attempt.count().items()}
    return Outcome(
        probabilities=spread(probabilities, attempt.classes_, dataset.classes),
        fit_seconds=fit.seconds,
        fit_cpu_seconds=fit.cpu_seconds,
        predict_seconds=predict.seconds,
        predict_cpu_seconds=predict.cpu_seconds,
        peak_memory_bytes=peak,
        fit_saved_seconds=saved[1] - saved[0],
        predict_saved_seconds=saved[2] - saved[1],
        n_parameters=counts.get("parameters"),
        operations=counts.get("operations"),
        counts=counts,
        artifacts=_artifacts(attempt) if explain else {},
    )


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


def spread(probabilities: NDArray[np.float64], given: Any, wanted: list[str]) -> NDArray[np.float64]:
    """Bring columns in the order ``given`` into the order ``wanted``; columns that are not there become 0."""
    columns = {label: column for column, label in enumerate(wanted)}
    unknown = [str(label) for label in given if str(label) not in columns]
    if unknown:
        raise ContractError(f"classes_ holds {unknown[0]!r}, which is no label of the data set")
    full = np.zeros((len(probabilities), len(wanted)))
    full[:, [columns[str(label)] for label in given]] = probabilities
    return full


def _artifacts(attempt: Attempt) -> dict[str, bytes]:
    """Return text and pictures of `Attempt.explain`."""
    explanation = attempt.explain()
    artifacts = {"explain.txt": str(explanation).encode()}
    figures = getattr(explanation, "figures", {})
    if figures:
        from io import BytesIO

        for name, figure in figures.items():
            buffer = BytesIO()
            figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
            artifacts[f"{name}.png"] = buffer.getvalue()
    return artifacts
