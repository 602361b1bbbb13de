"""What the attempts with nets have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..features.volume import SmallVideo, Volume
from ..models import looking, nn
from ..models.training import Held, Lazy, Training, predict_proba
from ._training import encode
from .base import Attempt, Clip, Clips, Explanation

# Bytes of small video that stay in memory in a training; what is beyond is read again in each epoch.
_HELD = 2**30


class Reader(Protocol):
    """Makes a net's inputs from clips."""

    def read(self, clip: Clip) -> SmallVideo:
        """Return what is kept of a clip."""

    def draw(self, video: SmallVideo, rng: np.random.Generator) -> Volume:
        """Return one input for training."""

    def views(self, video: SmallVideo, n: int) -> Volume:
        """Return ``n`` inputs for prediction."""


class NetAttempt(Attempt):
    """A net on volumes of video; the probabilities are means over several volumes of a clip.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        The labels seen in ``fit``, sorted.
    state_ : dict of str to ndarray
        The net's parameters and buffers.
    curve_ : dict of str to ndarray
        The training's log, by column.
    """

    n_views: int

    @abstractmethod
    def _reader(self) -> Reader:
        """Return what makes the inputs."""

    @abstractmethod
    def _untrained(self, n_classes: int) -> nn.Module:
        """Return the net with any parameters."""

    @abstractmethod
    def _training(self) -> Training:
        """Return how the net is trained."""

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Train the net; see `Attempt.fit`."""
        classes, targets = encode(clips, labels)
        reader, net = self._reader(), self._untrained(len(classes))
        samples = Held(Lazy(clips, reader.read), lambda video: video.frames.nbytes, _HELD)
        log = self._training().fit(net, samples, targets, reader.draw, self._views, groups)
        self.classes_, self.state_ = classes, net.state_dict()
        self.curve_ = {str(name): log[name].to_numpy() for name in log}
        return self

    def _views(self, video: SmallVideo) -> Volume:
        return self._reader().views(video, self.n_views)

    def net(self) -> nn.Module:
        """Return the fitted net, in evaluation mode."""
        check_is_fitted(self)
        return self._untrained(len(self.classes_)).load_state_dict(self.state_).evaluate()

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return class probabilities; see `Attempt.predict_proba`."""
        net = self.net()
        if not len(clips):
            return np.zeros((0, len(self.classes_)))
        return predict_proba(net, Lazy(clips, self._reader().read), self._views)

    def count(self) -> dict[str, int]:
        """Return the number of parameters, and of operations for one clip of ``n_views`` volumes."""
        net = self.net()
        return {
            "parameters": net.count_parameters(),
            "operations": self.n_views * net.count_operations(self._volume()),
        }

    def _volume(self) -> Volume:
        """Return an input of the net, of one black volume."""
        video = SmallVideo(np.zeros((2, *self._shape()), np.uint8), 25.0)
        return self._reader().views(video, 1)

    @abstractmethod
    def _shape(self) -> tuple[int, int]:
        """Return height and width of what the reader keeps."""

    def explain(self) -> Explanation:
        """Return the net's tree and how its training went, with the loss and the first layer's weights as figures."""
        loss, accuracy = self.curve_["loss"], self.curve_["accuracy"]
        net = self.net()
        text = (
            f"{type(self).__name__} for {', '.join(self.classes_)}.\n{net.tree()}\n"
            f"Loss {loss[0]:.3f} in the first epoch, {loss[-1]:.3f} in the last of {len(loss)}; "
            f"{accuracy[-1]:.1%} of the augmented training volumes right at the end."
        )
        first = looking.first_layer(net, self._volume().shape[1:], most=16)
        return Explanation(text, {"loss": looking.loss_curve(self.curve_), "first-layer": first})
