"""What a cell that has run gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

# The store is opened without NumPy.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(kw_only=True)
class Measured:
    """What is measured of a cell, None where it is not known; each field is a column of the store.

    Each feature counts once in a fit and once in a prediction, with what it cost when it was computed: in CPU seconds,
    joules, memory, the seconds of the warm-up and the latencies. In the wall seconds of fit and prediction it does not,
    but in the saved ones, which may be less than 0 where keeping features took time.
    """

    fit_seconds: float | None = None
    fit_cpu_seconds: float | None = None
    predict_seconds: float | None = None
    predict_cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    fit_saved_seconds: float | None = None
    predict_saved_seconds: float | None = None
    warm_up_seconds: float | None = None
    #: Milliseconds of single clips.
    latencies: NDArray[np.float32] | None = None
    fit_joules: float | None = None
    predict_joules: float | None = None
    size_bytes: int | None = None
    n_parameters: int | None = None
    operations: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    #: What the search for parameters has found and spent, see `tuning.Tuning`.
    tuning: dict[str, Any] | None = None
    #: Sentences that every table must show, by their codes.
    warnings: dict[str, str] = field(default_factory=dict)
    #: What the attempt was trained on beside the clips, see `Attempt.pretrained`.
    pretrained: str | None = None
    #: Text and pictures of `Attempt.explain`, by the name of a file.
    artifacts: dict[str, bytes] = field(default_factory=dict)


@dataclass(kw_only=True)
class CellResult(Measured):
    """What a finished cell gives."""

    probabilities: NDArray[np.float64]
