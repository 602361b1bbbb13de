"""What the attempts with nets have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..features.volume import SmallVideo, Volume
from ..models import nn
from ..models.training import Training, predict_proba
from ._training import encode
from .base import Attempt, Clip, Clips, Explanation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        self.classes_, targets = encode(clips, labels)
        reader, net = self._reader(), self._untrained(len(self.classes_))
        samples = [reader.read(clip) for clip in clips]
        log = self._training().fit(net, samples, targets, reader.draw, self._views, groups)
        self.state_ = net.state_dict()
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
        return predict_proba(net, _Lazily(clips, self._reader()), self._views)

    def count(self) -> dict[str, int]:
        """Return the number of parameters, and of operations for one clip of ``n_views`` volumes."""
        net = self.net()
        video = SmallVideo(np.zeros((2, *self._shape()), np.uint8), 25.0)
        volume = self._reader().views(video, 1)
        return {
            "parameters": net.count_parameters(),
            "operations": self.n_views * net.count_operations(volume),
        }

    @abstractmethod
    def _shape(self) -> tuple[int, int]:
        """Return height and width of what the reader keeps."""

    def explain(self) -> Explanation:
        """Return the net's tree and how its training went, with the loss and the first layer's weights as figures."""
        loss, accuracy = self.curve_["loss"], self.curve_["accuracy"]
        text = (
            f"{type(self).__name__} for {', '.join(self.classes_)}.\n{self.net().tree()}\n"
            f"Loss {loss[0]:.3f} in the first epoch, {loss[-1]:.3f} in the last of {len(loss)}; "
            f"{accuracy[-1]:.1%} of the augmented training volumes right at the end."
        )
        return Explanation(text, {"loss": self._plot_loss(), "first-layer": self._plot_filters()})

    def _plot_loss(self) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.curve_["epoch"], self.curve_["loss"])
        axes.set(xlabel="epoch", ylabel="loss on augmented volumes", ylim=(0, None))
        return figure

    @abstractmethod
    def _filters(self) -> np.ndarray:
        """Return images of the first layer's weights, (rows, columns, height, width)."""

    def _plot_filters(self) -> Figure:
        from matplotlib.figure import Figure

        filters = self._filters()
        n_rows, n_columns, height, width = filters.shape
        gap = np.full((n_rows, n_columns, height + 1, width + 1), np.nan)
        gap[..., :-1, :-1] = filters
        figure = Figure(
            figsize=(8, 8 * n_rows * (height + 1) / (n_columns * (width + 1)) + 0.5), layout="constrained"
        )
        axes = figure.subplots()
        limit = float(np.abs(filters).max()) or 1.0
        mosaic = gap.transpose(0, 2, 1, 3).reshape(n_rows * (height + 1), -1)
        axes.imshow(mosaic, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_axis_off()
        axes.set_title("first-layer weights: one row per unit, time to the right", fontsize=9)
        return figure


class _Lazily:
    """Clips that are read when they are asked for."""

    def __init__(self, clips: Clips, reader: Reader) -> None:
        self._clips, self._reader = clips, reader

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Any:
        return self._reader.read(self._clips[index])
