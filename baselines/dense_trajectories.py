"""Improved dense trajectories, encoded, and a support vector machine."""

from __future__ import annotations

from ..features.trajectories import DenseTrajectories as Feature
from ._encoded_svm import EncodedSvm, Encoding

__all__ = ["DenseTrajectories"]


class DenseTrajectories(EncodedSvm):
    """Shape of dense trajectories with HOG, HOF and MBH along them (Wang and Schmid, ICCV 2013), camera motion removed.

    Parameters
    ----------
    encoding : {"fisher", "words", "vlad"}
        How the descriptors of a clip become one vector, each channel by itself.
    n_words : int
        Components of the mixture, or words of the codebook.
    n_samples : int
        Trajectories of the training clips from which the encoding is learned.
    C : float
        Inverse strength of the machine's regularisation.
    random_state : int
        Seed of sample, encoding and machine.

    Attributes
    ----------
    encoders_ : dict of Fisher, Words or Vlad
        The encoding of each channel.
    """

    channels = ("trajectory", "hog", "hof", "mbh")

    def __init__(
        self,
        *,
        encoding: Encoding = "fisher",
        n_words: int = 32,
        n_samples: int = 20_000,
        C: float = 100.0,
        random_state: int = 0,
    ) -> None:
        self.encoding = encoding
        self.n_words = n_words
        self.n_samples = n_samples
        self.C = C
        self.random_state = random_state

    def _feature(self) -> Feature:
        return Feature()
