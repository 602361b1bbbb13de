"""The vectors that a pretrained net gives for the frames of a clip."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionbenchError
from .clip import Clip
from .onnx_files import run_session

if TYPE_CHECKING:
    from PIL import Image

    from .embedding_config import NetConfig
    from .embedding_graph import Graph

__all__ = ["Embedding", "prepare", "sampled", "windows"]


@dataclass(frozen=True)
class Embedding:
    """The vectors of a pretrained net for frames of a clip, or for windows of frames.

    Parameters
    ----------
    digest : str
        Hash of the net, see `embedding_graph.Graph`.
    preparation : str
        What is done to a frame, see `NetConfig.preparation`.
    sample : str
        ``"uniform:8"``: the middles of eight equal parts; ``"fps:2"``: two a second; ``"all"``.
    path : Path
        Where the net lies, which is no part of the key.
    """

    digest: str
    preparation: str
    sample: str
    path: Path = field(repr=False, compare=False)

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Return ``vectors`` (n, n_values) in the order of time, as float32.

        Raises
        ------
        ActionbenchError
            If the net is another one by now, cannot be loaded, or gives something that is no vector.
        """
        import cv2

        from .embedding_config import NetConfig

        # See `open_session`.
        session, graph = _session(self, cv2.getNumThreads(), os.getpid())
        config = NetConfig.model_validate_json(self.preparation)
        known: dict[tuple[int, ...], NDArray[np.float32]] = {}
        rows = windows(clip, config, self.sample)
        for row in map(tuple, rows.tolist()):
            if row not in known:
                known[row] = self._vector(
                    session, graph, prepare(clip, row, config, graph.shape), config, clip
                )
        return {"vectors": np.stack([known[tuple(row)] for row in rows.tolist()])}

    def _vector(
        self, session: Any, graph: Graph, array: NDArray[np.floating], config: NetConfig, clip: Clip
    ) -> NDArray[np.float32]:
        if graph.dtype == "uint8":
            array = np.clip(np.rint(array), 0, 255)
        (found,) = run_session(graph.path, session, [graph.output], graph.input, array.astype(graph.dtype))
        vector = _reduced(found, graph, config)
        if not np.isfinite(vector).all():
            raise ActionbenchError(
                f"{graph.path}: its vector of the clip {clip.name!r} holds values that are not finite"
            )
        return vector


@lru_cache(maxsize=2)
def _session(embedding: Embedding, threads: int, process: int) -> tuple[Any, Graph]:
    from .embedding_config import NetConfig
    from .embedding_graph import load_graph, read_graph
    from .onnx_files import open_session

    config = NetConfig.model_validate_json(embedding.preparation).model_copy(update={"large": True})
    graph = read_graph(embedding.path, config)
    if graph.digest != embedding.digest:
        raise ActionbenchError(f"{embedding.path}: the file changed while it was in use")
    return open_session(graph.path, load_graph(graph), threads), graph


def _reduced(found: NDArray[Any], graph: Graph, config: NetConfig) -> NDArray[np.float32]:
    """Return one vector of what a net gives for one input."""
    many = sum(length > 1 for length in found.shape[1:])
    if config.reduce == "first" and found.ndim == 3:
        found = found[:, 0]
    elif config.reduce == "mean" and found.ndim > 2:
        channels = 1 if found.ndim > 3 and config.layout.index("C") == 1 else found.ndim - 1
        found = found.mean(
            axis=tuple(axis for axis in range(1, found.ndim) if axis != channels), dtype=np.float64
        )
    elif config.reduce != "flatten" and many > 1:
        raise ActionbenchError(
            f"{graph.path}: its output {graph.output!r} has the shape {found.shape}, which is no vector; its TOML file "
            'must say reduce = "mean", "flatten" or, of (1, tokens, values), "first"'
        )
    return np.ascontiguousarray(found.reshape(-1), np.float32)


def sampled(sample: str, n_frames: int, fps: float) -> NDArray[np.floating]:
    """Return moments in the order of time, in frames: those of frame 0 are from 0 to 1.

    Examples
    --------
    >>> sampled("uniform:4", 8, 25.0), sampled("fps:2", 50, 25.0)
    (array([1., 3., 5., 7.]), array([ 6.25, 18.75, 31.25, 43.75]))
    """
    kind, _, number = sample.partition(":")
    if kind == "uniform":
        return (np.arange(int(number)) + 0.5) * n_frames / int(number)
    if kind == "fps":
        rate = float(number)
        return (np.arange(max(1, int(n_frames / fps * rate + 1e-9))) + 0.5) / rate * fps
    return np.arange(n_frames) + 0.5


def windows(clip: Clip, config: NetConfig, sample: str) -> NDArray[np.intp]:
    """Return the numbers of the frames that a net sees at each moment, shape (n, frames).

    A window lies around its moment, moved where it would reach beyond the clip; in a shorter clip the last frame is
    repeated.
    """
    moments = np.minimum(sampled(sample, len(clip), clip.fps), len(clip) - 0.5)
    if config.clip is None:
        return moments.astype(np.intp)[:, np.newaxis]
    steps = config.clip.stride * np.arange(config.clip.frames)
    span = steps[-1] + 1
    starts = np.clip(np.floor(moments - span / 2 + 0.5), 0, max(0, len(clip) - span)).astype(np.intp)
    return np.minimum(starts[:, np.newaxis] + steps, len(clip) - 1)


def prepare(
    clip: Clip, frames: tuple[int, ...], config: NetConfig, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return frames of a clip as a net wants them.

    Resizing and cropping are those of Hugging Face's processors, which use Pillow.

    Parameters
    ----------
    clip : Clip
    frames : tuple of int
        Their numbers.
    config : NetConfig
        What is done to them.
    shape : tuple of int
        That of the net's input.
    """
    sizes = dict(zip(config.layout, shape, strict=True))
    pictures = np.stack(
        [_picture(clip.frames[number], config, (sizes["H"], sizes["W"])) for number in frames]
    )
    values = pictures * np.float32(config.rescale)
    for numbers, operation in ((config.mean, np.subtract), (config.std, np.divide)):
        if numbers is not None:
            values = operation(values, np.array(numbers, np.float32))
    # From (T, H, W, C) to the layout; a net on single frames has one.
    axes = [axis for axis in config.layout if axis != "N"]
    return values.transpose(["THWC".index(axis) for axis in ["T"] * ("T" not in axes) + axes]).reshape(shape)


def _picture(frame: NDArray[np.uint8], config: NetConfig, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a frame scaled and cropped, shape (H, W, C)."""
    from PIL import Image

    grey = config.channels == "grey"
    if frame.ndim == 3 and grey:
        frame = Clip(frame[np.newaxis], 1.0).grey()[0]
    image = Image.fromarray(frame)
    resized = np.asarray(
        image.resize(_target(image, config, size), getattr(Image.Resampling, _filter(config)))
    )
    picture = _cropped(np.atleast_3d(resized), size)
    if not grey and picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    return (picture[..., ::-1] if config.channels == "BGR" else picture).astype(np.float32)


def _filter(config: NetConfig) -> str:
    return (config.resize.filter if config.resize else "bilinear").upper()


def _target(image: Image.Image, config: NetConfig, size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height to which a frame is scaled."""
    if config.resize is None:
        # Without a word on the size, a frame is cropped or, if it is not to be, scaled to what the net takes.
        return image.size if config.crop else size[::-1]
    if config.resize.shortest_edge is None:
        return int(config.resize.width or 0), int(config.resize.height or 0)
    short, long = sorted(image.size)
    edges = config.resize.shortest_edge, max(1, int(config.resize.shortest_edge * long / short))
    return edges if image.width <= image.height else edges[::-1]


def _cropped(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the centre, with black where the picture is smaller."""
    before = [
        math.ceil(max(0, wanted - length) / 2) for wanted, length in zip(size, picture.shape, strict=False)
    ]
    after = [max(0, n - length) - pad for n, length, pad in zip(size, picture.shape, before, strict=False)]
    padded = np.pad(picture, [*zip(before, after, strict=True), (0, 0)])
    top, left = ((length - wanted) // 2 for wanted, length in zip(size, padded.shape, strict=False))
    return padded[top : top + size[0], left : left + size[1]]
