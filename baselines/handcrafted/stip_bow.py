"""An SVM on bags of words, or Fisher vectors, of space-time interest points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ._encoded_svm import EncodedSvm

if TYPE_CHECKING:
    from ...features.interest_points import InterestPoints

__all__ = ["StipBow"]


class StipBow(EncodedSvm):
    """An SVM on HOG and HOF about space-time interest points (Laptev et al., CVPR 2008).

    Each descriptor ends with its place in the box of all who move, and in the clip. Parameters are those of
    `EncodedSvm`. With Fisher vectors (``encoding="fisher"``) set ``n_words=64`` and ``n_samples=20_000``: 300
    components would be too many for so few descriptors, and their vectors too long.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = StipBow(n_words=10).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.score(clips[:6], labels[:6])
    1.0
    """

    known_channels = ("hog", "hof")

    def _feature(self) -> InterestPoints:
        from ...features.interest_points import InterestPoints

        return InterestPoints(place_weight=0.3)

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(rows)
