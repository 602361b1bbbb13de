"""Base class of the attempts on vectors that nobody here has trained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError
from ...literals import Pooling, ProbeKind
from .._training import encode
from ..base import Attempt, Clips, Explanation, check_is_fitted
from ._probes import Probe, normalised, probe_proba, train_probe

__all__ = ["VectorProbe", "parse_pooling", "pool"]

Array = NDArray[np.float64]
# By how little, against the largest value, vectors differ that count as the same.
_SAME = 1e-6


def parse_pooling(text: str) -> tuple[Pooling, ...]:
    """Return the poolings that a text such as ``"mean+std"`` names.

    Raises
    ------
    ActionbenchError
        If it names another, or one twice.
    """
    names = tuple(text.split("+"))
    if not set(names) <= set(get_args(Pooling)) or len(set(names)) < len(names):
        raise ActionbenchError(
            f"pool must be some of {', '.join(get_args(Pooling))} with + between, got {text!r}"
        )
    return names  # type: ignore[return-value]


def pool(vectors: NDArray[np.floating], poolings: Sequence[Pooling]) -> Array:
    """Return one vector of those of a clip, which are in the order of time.

    Parameters
    ----------
    vectors : ndarray, shape (n, n_values)
    poolings : sequence of str
        Joined one after the other: ``"mean"``; ``"std"``, the standard deviation; ``"delta"``, the mean absolute
        difference of successive vectors; ``"thirds"``, the means of the first, middle and last third, which keep the
        order.

    Examples
    --------
    >>> pool(np.array([[0.0], [1.0], [5.0]]), ["mean", "delta", "thirds"])
    array([2. , 2.5, 0. , 1. , 5. ])
    """
    found = np.asarray(vectors, np.float64)
    parts: list[Array] = []
    for name in poolings:
        if name == "mean":
            parts.append(found.mean(axis=0))
        elif name == "std":
            parts.append(found.std(axis=0))
        elif name == "delta":
            steps = np.abs(np.diff(found, axis=0))
            parts.append(steps.mean(axis=0) if len(steps) else np.zeros(found.shape[1]))
        else:
            # Of fewer than three vectors, thirds share some.
            edges = np.arange(4) * len(found) / 3
            starts, ends = np.floor(edges[:3] + 1e-9).astype(int), np.ceil(edges[1:] - 1e-9).astype(int)
            whole = len(found) >= 3
            ends = np.append(starts[1:], len(found)) if whole else ends
            parts += [found[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)]
    return np.concatenate(parts)


class VectorProbe(Attempt):
    """A probe on the pooled vectors of each clip, of length 1.

    A subclass gives the vectors.

    Attributes
    ----------
    probe_ : dict of ndarray
        The arrays of the trained probe, see `_probes.train_probe`.
    n_vectors_ : float
        Mean number of vectors of a training clip.
    is_constant_ : bool
        Whether all vectors of the training clips are the same.
    """

    family = "pretrained"
    probe_: Probe

    @abstractmethod
    def _each(self, clips: Clips) -> Iterable[NDArray[np.floating]]:
        """Yield the vectors of each clip in the order of time, shape (n, n_values)."""

    @abstractmethod
    def _poolings(self) -> tuple[Pooling, ...]:
        """Return what becomes of the vectors of a clip."""

    @abstractmethod
    def _kind(self) -> ProbeKind:
        """Return the kind of the probe."""

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Pool the vectors of each clip, and train the probe."""
        self.classes_, codes = encode(clips, labels)
        poolings, rows, n_vectors = self._poolings(), [], 0
        least, most = np.array(np.inf), np.array(-np.inf)
        for vectors in self._each(clips):
            rows.append(pool(vectors, poolings))
            n_vectors += len(vectors)
            least, most = np.minimum(least, vectors.min(axis=0)), np.maximum(most, vectors.max(axis=0))
        self.n_vectors_ = n_vectors / len(rows)
        scale = max(float(np.abs(most).max()), float(np.abs(least).max()))
        self.is_constant_ = n_vectors > 1 and bool((most - least).max() <= _SAME * scale)
        self.probe_ = train_probe(self._kind(), normalised(np.stack(rows)), codes, len(self.classes_), groups)
        return self

    def needed_files(self) -> list[Path]:
        """Return the files that vectors of new clips come from."""
        return self.files()

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return class probabilities."""
        check_is_fitted(self)
        rows = [pool(vectors, self._poolings()) for vectors in self._each(clips)]
        if not rows:
            return np.empty((0, len(self.classes_)))
        return probe_proba(self.probe_, normalised(np.stack(rows)))

    def count(self) -> dict[str, int]:
        """Return the number of fitted values."""
        check_is_fitted(self)
        return {"parameters": sum(array.size for array in self.probe_.values())}

    def explain(self) -> Explanation:
        """Describe the vectors and the probe."""
        check_is_fitted(self)
        probe = self.probe_
        length = next(probe[name] for name in ("weights", "examples", "prototypes") if name in probe).shape[1]
        lines = [
            f"{self.n_vectors_:g} vectors of a clip become {length} values ({', '.join(self._poolings())})",
            f"probe: {self._kind()}" + (f", {int(probe['k'])} neighbours" if "k" in probe else ""),
        ]
        return Explanation("\n".join(lines))

    def warnings(self) -> dict[str, str]:
        """Return a warning where the vectors do not depend on the clips."""
        if not getattr(self, "is_constant_", False):
            return {}
        return {
            "constant-embedding": "All vectors of the training clips are the same: they do not depend on the frames."
        }
