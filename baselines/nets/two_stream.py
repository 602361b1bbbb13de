"""Two ConvNets, one on frames and one on flow."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...literals import Input
from ..base import Clip, Clips, Explanation, check_is_fitted
from .convnet_s3d import ConvNetS3d

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["TwoStream"]


@dataclass(kw_only=True, eq=False, repr=False)
class TwoStream(ConvNetS3d):
    """``convnet-s3d`` on frames and on flow, each trained by itself; their probabilities are averaged.

    Simonyan and Zisserman (NIPS 2014), in three dimensions as by Carreira and Zisserman (CVPR 2017). Other parameters
    are those of `ConvNetS3d`.

    Parameters
    ----------
    input : {"grey", "colour", "gradients"}
        Input of the appearance stream; that of the other stream is flow.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        The labels seen in ``fit``, sorted.
    streams_ : dict of str to dict
        Fitted attributes of each stream, by the name of its input.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = TwoStream(epochs=1, widths=(2, 2, 2, 2)).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    input: Input = "grey"

    def _streams(self) -> dict[str, ConvNetS3d]:
        shared = {field.name: getattr(self, field.name) for field in fields(self)}
        inputs: tuple[Input, ...] = (self.input, "flow")
        return {name: ConvNetS3d(**{**shared, "input": name}) for name in inputs}

    def _fitted(self) -> dict[str, ConvNetS3d]:
        check_is_fitted(self)
        streams = self._streams()
        for name, stream in streams.items():
            for key, value in self.streams_[name].items():
                setattr(stream, key, value)
        return streams

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Train both nets; see `Attempt.fit`."""
        if self.input == "flow":
            raise ValueError(
                "input of two-stream must be grey, colour or gradients, as the other stream takes flow"
            )
        streams = {name: stream.fit(clips, labels, groups) for name, stream in self._streams().items()}
        self.classes_ = streams["flow"].classes_
        self.streams_ = {
            name: {key: value for key, value in vars(stream).items() if key.endswith("_")}
            for name, stream in streams.items()
        }
        return self

    def net(self) -> nn.Module:
        """Return both nets as one, in evaluation mode: from a list of both volumes to the mean probabilities."""
        from ...models import nn

        streams = [nn.Sequential(one.net(), nn.Softmax(), nn.Unsqueeze(1)) for one in self._fitted().values()]
        return nn.Sequential(nn.ParallelTable(*streams), nn.JoinTable(1), nn.Mean(1)).evaluate()

    def _to_probabilities(self) -> nn.Module:
        return self.net()

    def _example(self) -> Any:
        return [stream._example() for stream in self._streams().values()]

    def inputs(self, clip: Clip) -> Any:
        """Return the inputs of each stream for a clip, a list of arrays of shape (n, ...)."""
        return [stream.inputs(clip) for stream in self._streams().values()]

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the mean of the streams' probabilities."""
        return np.mean([stream.predict_proba(clips) for stream in self._fitted().values()], axis=0)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter, without flow, which is the input of the other stream."""
        space = super().search_space()
        return space | {"input": [name for name in space["input"] if name != "flow"]}

    def count(self) -> dict[str, int]:
        """Return the number of parameters, of operations for one clip and of epochs of both nets."""
        counts = [stream.count() for stream in self._fitted().values()]
        return {name: sum(count[name] for count in counts) for name in counts[0]}

    def explain(self) -> Explanation:
        """Return the explanations of both streams."""
        explanations = {name: stream.explain() for name, stream in self._fitted().items()}
        text = "\n\n".join(f"{name}: {explanation}" for name, explanation in explanations.items())
        pictures: dict[str, Any] = {
            f"{name}-{key}": figure
            for name, explanation in explanations.items()
            for key, figure in explanation.figures.items()
        }
        return Explanation(text, pictures)
