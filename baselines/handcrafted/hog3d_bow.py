"""Gradients in three dimensions as a bag of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ._encoded_svm import EncodedSvm

if TYPE_CHECKING:
    from ...features.hog3d import Hog3d

__all__ = ["Hog3dBow"]


class Hog3dBow(EncodedSvm):
    """HOG3D (Klaser, Marszalek and Schmid, BMVC 2008), densely where something moves, and a support vector machine.

    Parameters are those of `EncodedSvm`.
    """

    known_channels = ("hog3d",)

    def _feature(self) -> Hog3d:
        from ...features.hog3d import Hog3d

        return Hog3d()

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(rows)
