"""Gradients in three dimensions as a bag of words."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..features.hog3d import Hog3d
from ._encoded_svm import EncodedSvm, Encoding
from ._svm import Mirror

__all__ = ["Hog3dBow"]


class Hog3dBow(EncodedSvm):
    """HOG3D (Klaser, Marszalek and Schmid, BMVC 2008), densely where something moves, and a support vector machine.

    Parameters are those of `EncodedSvm`.
    """

    channels = ("hog3d",)

    def __init__(
        self,
        *,
        encoding: Encoding = "words",
        n_words: int = 300,
        n_samples: int = 10_000,
        C: float = 100.0,
        mirror: Mirror = "auto",
        random_state: int = 0,
    ) -> None:
        self.encoding = encoding
        self.n_words = n_words
        self.n_samples = n_samples
        self.C = C
        self.mirror = mirror
        self.random_state = random_state

    def _feature(self) -> Hog3d:
        return Hog3d()

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(rows)
