"""SVMs on the encoded local descriptors of a clip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ...features.cache import Feature, compute, temporary_cache
from ...literals import Positive, PositiveInt
from ..base import Clips, Explanation
from ._svm import Mirror, VectorSvm

if TYPE_CHECKING:
    from ...features.encodings import Fisher, Vlad, Words

__all__ = ["EncodedSvm", "Encoding"]

Array = NDArray[np.float64]
Encoding = Literal["fisher", "words", "vlad"]


def _kind(encoding: str) -> type[Fisher | Words | Vlad]:
    """Return the class of an encoding."""
    from ...features.encodings import Fisher, Vlad, Words

    kinds: dict[str, type[Fisher | Words | Vlad]] = {"fisher": Fisher, "words": Words, "vlad": Vlad}
    return kinds[encoding]


def _parts(place: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Return which descriptors are in all of the clip, in each third of the height, and in each half of the time."""
    _, y, time = place.T[:3]
    thirds, halves = (np.minimum(n * share // 1, n - 1) for n, share in ((3, y), (2, time)))
    return [
        np.ones(len(y), bool),
        *(thirds == part for part in range(3)),
        *(halves == part for part in range(2)),
    ]


@dataclass(kw_only=True, eq=False, repr=False)
class EncodedSvm(VectorSvm):
    """One-vs-rest SVMs on local descriptors, each channel encoded by itself.

    The SVM is linear for Fisher vectors and VLAD, and has a chi-squared kernel for histograms of words.

    Parameters
    ----------
    encoding : {"fisher", "words", "vlad"}
        How the descriptors of a clip become one vector.
    n_words : int
        Components of the mixture, or words of the codebook, for each channel.
    n_samples : int
        Descriptors of the training clips from which the encoding is learned.
    pyramid : bool
        Whether the upper, middle and lower third, and the first and second half of the time, are encoded too, each by
        itself (Lazebnik et al., CVPR 2006); six times as many values.
    C : float
        Inverse strength of the regularisation.
    mirror : {"auto", True, False}
        Whether mirror images are added to the training clips. ``"auto"`` adds them unless that lowers the accuracy on
        held-out groups, as where left and right distinguish actions.
    random_state : int
        Seed of sample, encoding and solver.

    Attributes
    ----------
    encoders_ : dict of Fisher, Words or Vlad
        The encoding of each channel.

    Notes
    -----
    The encoding is learned once, without labels, from all clips given to `fit`. It thus includes the held-out clips on
    which ``mirror`` and the temperature of the probabilities are chosen, though not their labels; it never includes
    the test clips of a fold, and tuning learns it anew on each inner fold.
    """

    standardised = False
    #: Names of the feature's arrays that can be encoded.
    known_channels: ClassVar[tuple[str, ...]]

    encoding: Encoding = "words"
    n_words: PositiveInt = 300
    n_samples: PositiveInt = 10_000
    pyramid: bool = False
    C: Positive = 100.0
    mirror: Mirror = "auto"
    random_state: int = 0

    @abstractmethod
    def _feature(self) -> Feature:
        """Return the feature, with one row of each channel per local descriptor.

        Its array ``place`` (n, 3 or more) says where these are: from left to right, from top to bottom, and in time,
        each from 0 to 1.
        """

    def _channels(self) -> tuple[str, ...]:
        """Return the names of the arrays that are encoded."""
        return self.known_channels

    @abstractmethod
    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the descriptors (n, D) of the mirrored clips, left and right exchanged."""

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn the encoding, choose ``mirror`` and temperature on held-out groups, train on all clips.

        Raises
        ------
        ValueError
            If the encoding is unknown.
        """
        if self.encoding not in get_args(Encoding):
            raise ValueError(
                f"encoding must be one of {', '.join(get_args(Encoding))}, got {self.encoding!r}"
            )
        with temporary_cache():
            return super().fit(clips, labels, groups)

    def _prepare(self, clips: Clips) -> None:
        from ...features.encodings import sample_rows

        rng = np.random.default_rng(self.random_state)
        sizes: list[int] = []
        channels = self._channels()

        def rows() -> Any:
            for found in compute(self._feature(), clips):
                parts = [found[channel] for channel in channels]
                sizes[:] = [part.shape[1] for part in parts]
                yield np.concatenate(parts, axis=1)

        sample = sample_rows(rows(), self.n_samples, rng)
        parts = np.split(sample, np.cumsum(sizes)[:-1], axis=1)
        kind = _kind(self.encoding)
        self.encoders_ = {
            channel: kind.learn(part, self.n_words, self.random_state)
            for channel, part in zip(channels, parts, strict=True)
        }

    def _vectors(self, clips: Clips) -> Array:
        return self._encoded(clips, lambda channel, rows: rows)

    def _mirrored(self, vectors: Array, clips: Clips) -> Array:
        return self._encoded(clips, self._mirrored_rows)

    def _encoded(self, clips: Clips, change: Callable[[str, NDArray[Any]], NDArray[Any]]) -> Array:
        # If each part has length 1, so has the whole vector.
        scale = 1.0 if self.encoding == "words" else 1 / np.sqrt(len(self.encoders_) * self._n_parts())
        lacking: list[bool] = []
        vectors = np.empty(
            (len(clips), sum(self._sizes().values())), np.float32 if self._is_linear() else np.float64
        )
        for vector, found in zip(vectors, compute(self._feature(), clips), strict=True):
            parts = _parts(found["place"]) if self.pyramid else [slice(None)]
            encoded = [
                encoder.encode(rows[part])
                for name, encoder in self.encoders_.items()
                for rows in [change(name, found[name])]
                for part in parts
            ]
            vector[...] = scale * np.concatenate(encoded)
            lacking.append(bool(found.get("lacks_vectors", False)))
        if self.get_params().get("flow") == "codec":
            self._note_vectors(clips, lacking)
        return vectors

    def _sizes(self) -> dict[str, int]:
        return {name: self._n_parts() * encoder.size for name, encoder in self.encoders_.items()}

    def _n_parts(self) -> int:
        return 6 if self.pyramid else 1

    def _is_linear(self) -> bool:
        return self.encoding != "words"

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {"C": [1.0, 10.0, 100.0, 1000.0], "encoding": list(get_args(Encoding))}

    def count(self) -> dict[str, int]:
        """Return the number of fitted values, those of the encoding included."""
        encoded = sum(array.size for encoder in self.encoders_.values() for array in vars(encoder).values())
        return {"parameters": super().count()["parameters"] + encoded}

    def explain(self) -> Explanation:
        """Describe the encoding, and the share of each channel in the classifier."""
        return Explanation(f"{self.encoding}: {super().explain()}")

    def fitted_state(self) -> dict[str, Any]:
        """Return what `save` writes: plain values and arrays."""
        names = ("classes_", "classifier_", "mirror_", "sharpness_")
        encoders = {name: dict(vars(encoder)) for name, encoder in self.encoders_.items()}
        return {**{name: getattr(self, name) for name in names}, "encoders_": encoders}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `fitted_state`."""
        for name, value in state.items():
            setattr(self, name, value)
        kind = _kind(self.encoding)
        self.encoders_ = {name: kind(**arrays) for name, arrays in state["encoders_"].items()}
