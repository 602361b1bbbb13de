"""Space-time interest points as a bag of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ._encoded_svm import EncodedSvm

if TYPE_CHECKING:
    from ...features.interest_points import InterestPoints

__all__ = ["StipBow"]


class StipBow(EncodedSvm):
    """HOG and HOF about space-time interest points (Laptev et al., CVPR 2008), and a support vector machine.

    Parameters are those of `EncodedSvm`.
    """

    known_channels = ("hog", "hof")

    def _feature(self) -> InterestPoints:
        from ...features.interest_points import InterestPoints

        return InterestPoints()

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(rows)
