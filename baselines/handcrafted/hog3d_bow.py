"""An SVM on bags of words, or Fisher vectors, of gradients in three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ._encoded_svm import EncodedSvm

if TYPE_CHECKING:
    from ...features.hog3d import Hog3d

__all__ = ["Hog3dBow"]


class Hog3dBow(EncodedSvm):
    """An SVM on HOG3D descriptors (Klaser, Marszalek and Schmid, BMVC 2008), densely sampled near moving pixels.

    Each descriptor ends with its place in the box of all who move, and in the clip. Parameters are those of
    `EncodedSvm`. With Fisher vectors (``encoding="fisher"``) set ``n_words=64`` and ``n_samples=20_000``: 300
    components would be too many for so few descriptors, and their vectors too long.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = Hog3dBow(n_words=10).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.score(clips[:6], labels[:6])
    1.0
    """

    known_channels = ("hog3d",)

    def _feature(self) -> Hog3d:
        from ...features.hog3d import Hog3d

        return Hog3d(place_weight=0.3)

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(rows)
