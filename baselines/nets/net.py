"""Base classes of the attempts with nets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError
from ...features.cache import Arrays, Feature, compute
from ...literals import Aspect, BelowOne, Input, NonNegative, NonNegativeInt, Positive, PositiveInt, View
from .._training import encode
from ..base import Attempt, Clip, Clips, Explanation, check_is_fitted
from ._recipe import QUICK, RECIPES, Recipe, RecipeName

__all__ = ["ConvNet", "NetAttempt", "Reader", "VideoNet", "cached_samples"]

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...features.volume import VolumeReader
    from ...models import nn
    from ...models.training import CachedSamples, LazySamples, Training

Array = NDArray[np.float32]

# Bytes of resized clips that are kept in memory in training; those beyond are read again in each epoch.
_MAX_CACHED = 2**30


class Reader(Protocol):
    """Makes a net's inputs from clips."""

    @property
    def small(self) -> Feature:
        """The feature that is computed once per clip."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an input."""

    def augment(self, video: Arrays, rng: np.random.Generator) -> Array:
        """Return one randomly augmented input for training."""

    def test_views(self, video: Arrays, n: int) -> Array:
        """Return at most ``n`` inputs for prediction."""


@dataclass(kw_only=True, eq=False, repr=False)
class NetAttempt(Attempt):
    """A net; the probabilities are means over several inputs of a clip.

    Parameters
    ----------
    epochs : int
        Passes over the training clips, one random input of each.
    dropout, label_smoothing, learning_rate, weight_decay, batch_size
        See `Training` and the net in `zoo`.
    n_views : int
        Largest number of inputs of a clip whose predictions are averaged.
    validation : float
        Share of the training groups that is held out to choose the epoch; with 0 the last epoch is used.
    patience : int, optional
        Epochs without a lower loss on the held-out groups after which training stops.
    random_state : int
        Seed of all random numbers.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        The labels seen in ``fit``, sorted.
    state_ : dict of str to ndarray
        The net's parameters and buffers.
    curve_ : dict of str to ndarray
        The training log, by column.
    n_clips_ : int
        Number of training clips.
    """

    epochs: PositiveInt | None = QUICK.epochs
    dropout: BelowOne | None = QUICK.dropout
    label_smoothing: BelowOne | None = QUICK.label_smoothing
    learning_rate: Positive | None = QUICK.learning_rate
    weight_decay: NonNegative | None = QUICK.weight_decay
    batch_size: PositiveInt | None = QUICK.batch_size
    n_views: PositiveInt | None = QUICK.n_views
    validation: BelowOne = 0.0
    patience: PositiveInt | None = None
    random_state: int = 0

    def _recipe(self) -> Recipe:
        """Return the values of the parameters that are None."""
        return QUICK

    def _settings(self) -> Recipe:
        """Return the recipe with the parameters that are given."""
        recipe = self._recipe()
        given = {name: getattr(self, name, None) for name in asdict(recipe)}
        return replace(recipe, **{name: value for name, value in given.items() if value is not None})

    @abstractmethod
    def _reader(self) -> Reader:
        """Return the reader that creates the inputs."""

    @abstractmethod
    def _untrained(self, n_classes: int) -> nn.Module:
        """Return the net with initial parameters."""

    def _training(self, net: nn.Module) -> Training:
        """Return the training procedure."""
        from ...models.training import Training

        how = self._settings()
        return Training(
            epochs=how.epochs,
            batch_size=how.batch_size,
            learning_rate=how.learning_rate,
            weight_decay=how.weight_decay,
            label_smoothing=how.label_smoothing,
            validation=self.validation,
            patience=self.patience,
            random_state=self.random_state,
        )

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Train the net; see `Attempt.fit`."""
        classes, targets = encode(clips, labels)
        reader, net = self._reader(), self._untrained(len(classes))
        samples = cached_samples(reader, clips)
        log = self._training(net).fit(net, samples, targets, reader.augment, self._views, groups)
        self.classes_, self.state_, self.n_clips_ = classes, net.state_dict(), len(clips)
        self.curve_ = {str(name): log[name].to_numpy() for name in log}
        return self

    def _views(self, video: Arrays) -> Array:
        return self._reader().test_views(video, self._settings().n_views)

    def net(self) -> nn.Module:
        """Return the fitted net, in evaluation mode."""
        check_is_fitted(self)
        return self._untrained(len(self.classes_)).load_state_dict(self.state_).evaluate()

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return class probabilities; see `Attempt.predict_proba`."""
        from ...models.training import predict_proba

        net = self.net()
        if not len(clips):
            return np.zeros((0, len(self.classes_)))
        return predict_proba(net, _read(self._reader(), clips), self._views)

    def _example(self) -> Any:
        """Return an input of the net, of zeros."""
        return np.zeros((1, *self._reader().shape), np.float32)

    def inputs(self, clip: Clip) -> Any:
        """Return the net's inputs for a clip, shape (n, ...), or a list of such arrays if it has several inputs."""
        return self._views(_read(self._reader(), Clips.of([clip]))[0])

    def export(self, path: str | Path) -> None:
        """Write the net as an ONNX model, from `inputs` to class probabilities; see `models.export.to_onnx`.

        The probabilities of a clip are the means over its inputs.

        Raises
        ------
        ActionbenchError
            If the package onnx is missing, ONNX cannot express the net, or the file cannot be written.
        """
        from ...models.export import to_onnx

        try:
            to_onnx(self._to_probabilities(), self._example(), path, classes=self.classes_.tolist())
        except ValueError as error:
            raise ActionbenchError(f"{type(self).__name__} cannot be written as ONNX: {error}") from error
        except OSError as error:
            raise ActionbenchError(f"{path}: the net cannot be written there ({error.strerror})") from error

    def _to_probabilities(self) -> nn.Module:
        """Return the fitted net with a softmax."""
        from ...models import nn

        return nn.Sequential(self.net(), nn.Softmax()).evaluate()

    def count(self) -> dict[str, int]:
        """Return the number of parameters, of epochs, and of operations for one clip of ``n_views`` inputs."""
        net = self.net()
        return {
            "parameters": net.count_parameters(),
            "operations": self._settings().n_views * net.count_operations(self._example()),
            "epochs": len(self.curve_["loss"]),
        }

    def explain(self) -> Explanation:
        """Describe the net and its training, with the loss and the first layer's weights as figures."""
        from ...models import visualize

        loss, accuracy = self.curve_["loss"], self.curve_["accuracy"]
        net = self.net()
        text = (
            f"{type(self).__name__} for {', '.join(self.classes_)}.\n{net.tree()}\n"
            f"{net.count_parameters():,} parameters, {self.n_clips_:,} training clips. "
            f"Loss {loss[0]:.3f} in the first epoch, {loss[-1]:.3f} in the last of {len(loss)}; "
            f"training accuracy {accuracy[-1]:.1%} on augmented inputs in the last epoch."
        )
        return Explanation(text, {"loss": visualize.loss_curve(self.curve_), **self._pictures(net)})

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        """Return figures of the learned weights."""
        from ...models import visualize

        return {"first-layer": visualize.first_layer(net, self._reader().shape, max_images=16)}


def _read(reader: Reader, clips: Clips) -> LazySamples:
    """Return the feature of each clip, read lazily; a clip whose feature is cached is not decoded."""
    from ...models.training import LazySamples

    return LazySamples(range(len(clips)), lambda index: next(compute(reader.small, clips[index : index + 1])))


def cached_samples(reader: Reader, clips: Clips) -> CachedSamples:
    """Return the feature of each clip for training, cached in memory up to a limit."""
    from ...models.training import CachedSamples

    return CachedSamples(
        _read(reader, clips), lambda video: sum(array.nbytes for array in video.values()), _MAX_CACHED
    )


@dataclass(kw_only=True, eq=False, repr=False)
class VideoNet(NetAttempt):
    """A net on volumes of video.

    Other parameters and attributes are those of `NetAttempt`.

    Parameters
    ----------
    input : {"grey", "colour", "gradients", "flow"}
        Content of a volume, see `VolumeReader`.
    view : {"frame", "person"}
        Whether volumes show the frame, or a square that follows the person.
    train_features : bool
        Whether all layers are trained; if false, only the last one is, on the random features of those before it.
    frames : int
        Frames of a volume.
    rate : float
        Frames per second of a volume.
    size, margin : int
        Pixels of a volume's height and width, and by which a random crop may move.
    aspect : {"kept", "squeezed"}
        Whether frames keep their aspect, so that a volume shows a part of them, or are squeezed to a square.
    """

    family = "convnet"
    #: Whether frames are channels, for a net without a time axis.
    stacked: ClassVar[bool] = False

    input: Input = "grey"
    view: View = "frame"
    train_features: bool = True
    frames: PositiveInt | None = QUICK.frames
    rate: Positive | None = QUICK.rate
    size: PositiveInt = 64
    margin: NonNegativeInt = 8
    aspect: Aspect | None = QUICK.aspect

    def _reader(self) -> VolumeReader:
        from ...features.volume import VolumeReader

        how = self._settings()
        return VolumeReader(
            how.frames,
            how.rate,
            self.size,
            self.margin,
            input=self.input,
            view=self.view,
            stacked=self.stacked,
            aspect=how.aspect,
            zoom=how.zoom,
            mirrored_views=how.mirrored_views,
        )

    def _n_channels(self) -> int:
        """Return the channels of the net's input."""
        return self._reader().shape[-1]

    def _training(self, net: nn.Module) -> Training:
        training = super()._training(net)
        if self.train_features:
            return training
        last = list(net.parameters())[-1].rpartition(".")[0]
        return replace(training, trained=last)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        from ...features.volume import CHANNELS

        return {
            "learning_rate": [2e-3, 5e-3, 1e-2],
            "dropout": [0.1, 0.3, 0.5],
            "input": list(CHANNELS),
            "view": list(get_args(View)),
            "weight_decay": [1e-3, 1e-2, 1e-1],
        }


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNet(VideoNet):
    """A ConvNet on volumes of video, trained by a recipe.

    A parameter that is None has the value of the recipe. Other parameters and attributes are those of `VideoNet`.

    Parameters
    ----------
    recipe : {"quick", "thorough"}
        A short schedule with little regularisation, or a long one with much of it, larger volumes, crops of random
        scale and more inputs at test, which takes about ten times as long.
    zoom, mirrored_views
        See `VolumeReader`.
    """

    #: The values of each recipe.
    recipes: ClassVar[Mapping[RecipeName, Recipe]] = RECIPES

    recipe: RecipeName = "quick"
    epochs: PositiveInt | None = None
    dropout: BelowOne | None = None
    label_smoothing: BelowOne | None = None
    learning_rate: Positive | None = None
    weight_decay: NonNegative | None = None
    batch_size: PositiveInt | None = None
    frames: PositiveInt | None = None
    rate: Positive | None = None
    zoom: BelowOne | None = None
    aspect: Aspect | None = None
    n_views: PositiveInt | None = None
    mirrored_views: bool | None = None

    def _recipe(self) -> Recipe:
        if self.recipe not in self.recipes:
            raise ValueError(f"recipe must be one of {', '.join(self.recipes)}, got {self.recipe!r}")
        return self.recipes[self.recipe]
