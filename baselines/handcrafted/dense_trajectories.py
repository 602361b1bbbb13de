"""An SVM on encoded dense trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...literals import Flow, Positive, PositiveInt
from ._encoded_svm import EncodedSvm, Encoding
from ._svm import parse_channels

if TYPE_CHECKING:
    from ...features.trajectories import DenseTrajectories as Feature

__all__ = ["DenseTrajectories"]


@dataclass(kw_only=True, eq=False, repr=False)
class DenseTrajectories(EncodedSvm):
    """An SVM on improved dense trajectories: their shape, and HOG, HOF and MBH along them (Wang and Schmid, ICCV 2013).

    Parameters
    ----------
    channels : str
        Descriptors to use, separated by ``+``.
    height : int
        Shorter side of the frames, in pixels, to which smaller ones are enlarged and larger ones reduced.
    seconds : float
        Duration of a trajectory; shorter in clips that are hardly longer.
    flow : {"dis", "farneback", "codec"}
        What motion is taken from, see `GridSvm`.
    encoding : {"fisher", "words", "vlad"}
        How the descriptors of a clip become one vector, each channel by itself.
    n_words : int
        Components of the mixture, or words of the codebook.
    n_samples : int
        Trajectories of the training clips from which the encoding is learned.
    pyramid : bool
        Whether thirds of the height and halves of the time are encoded too, see `EncodedSvm`.
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

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = DenseTrajectories(n_words=2, mirror=False).fit(clips[1:3], labels[1:3])
    >>> attempt.score(clips[1:3], labels[1:3])
    1.0
    """

    known_channels = ("trajectory", "hog", "hof", "mbh")

    channels: str = "trajectory+hog+hof+mbh"
    height: PositiveInt = 180
    seconds: Positive = 0.6
    flow: Flow = "dis"
    encoding: Encoding = "fisher"
    n_words: PositiveInt = 128
    n_samples: PositiveInt = 60_000

    def _channels(self) -> tuple[str, ...]:
        return parse_channels(self.channels, self.known_channels)

    def _feature(self) -> Feature:
        from ...features.trajectories import DenseTrajectories as Feature

        return Feature(seconds=self.seconds, height=self.height, flow=self.flow)

    def _mirrored_rows(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        return self._feature().mirror(channel, rows)
