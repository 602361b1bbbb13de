"""Improved dense trajectories, encoded, and a support vector machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ._encoded_svm import EncodedSvm, Encoding
from ._svm import Mirror, chosen

if TYPE_CHECKING:
    from ...features.trajectories import DenseTrajectories as Feature

__all__ = ["DenseTrajectories"]


class DenseTrajectories(EncodedSvm):
    """Shape of dense trajectories with HOG, HOF and MBH along them (Wang and Schmid, ICCV 2013), camera motion removed.

    Parameters
    ----------
    channels : str
        Which descriptors are used, with + between.
    encoding : {"fisher", "words", "vlad"}
        How the descriptors of a clip become one vector, each channel by itself.
    n_words : int
        Components of the mixture, or words of the codebook.
    n_samples : int
        Trajectories of the training clips from which the encoding is learned.
    C : float
        Inverse strength of the machine's regularisation.
    mirror : {"auto", True, False}
        Whether to learn from each clip's mirror image too. ``"auto"`` does unless held-out groups of the
        training clips say that left and right tell actions apart.
    random_state : int
        Seed of sample, encoding and machine.

    Attributes
    ----------
    encoders_ : dict of Fisher, Words or Vlad
        The encoding of each channel.
    """

    known_channels = ("trajectory", "hog", "hof", "mbh")

    def __init__(
        self,
        *,
        channels: str = "trajectory+hog+hof+mbh",
        encoding: Encoding = "fisher",
        n_words: int = 32,
        n_samples: int = 20_000,
        C: float = 100.0,
        mirror: Mirror = "auto",
        random_state: int = 0,
    ) -> None:
        self.channels = channels
        self.encoding = encoding
        self.n_words = n_words
        self.n_samples = n_samples
        self.C = C
        self.mirror = mirror
        self.random_state = random_state

    def _channels(self) -> tuple[str, ...]:
        return chosen(self.channels, self.known_channels)

    def _feature(self) -> Feature:
        from ...features.trajectories import DenseTrajectories as Feature

        return Feature()

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(channel, rows)
