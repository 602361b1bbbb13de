"""Predictions for video files: one for a clip, one for each window of a long video."""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError, PluginError
from ...features.clip import Clip, Clips
from ...features.vectors import MotionVectors
from ...features.video import OnError, Video, open_video
from ...progress import tell
from ..evaluation.cell import ContractError
from ..planning.cells import ask
from .model import Model
from .rejection import NONE, OTHER, check_rate, score

__all__ = ["Prediction", "Windows", "can_explain", "predict_video", "warm_up"]

# A clip is long when it takes so many times the median of the training clips, and more than the longest of them.
_LONG = 3.0
# Frames that are enough to load libraries and make first calls, and to estimate the frame rate where no header has it.
_FEW = 16


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for a clip, or for a window of a long one.

    Attributes
    ----------
    clip : str
        The file.
    start, end : float
        What was looked at, in seconds.
    probabilities : dict of str to float
        Of each class, the most probable first.
    decode_ms, predict_ms : float
        Milliseconds that decoding took, since the window before, and that the attempt took, features included.
    explanation : str or None
        Why, where that was asked for.
    p_value : float or None
        Of the test whether one of the classes is shown, see `Rejection`; None where it was not asked for.
    is_rejected : bool
        Whether the answer is that none of the classes is shown.
    """

    clip: str
    start: float
    end: float
    probabilities: dict[str, float]
    decode_ms: float
    predict_ms: float
    explanation: str | None = None
    p_value: float | None = None
    is_rejected: bool = False

    @property
    def label(self) -> str:
        """The most probable class other than ``other``, or `NONE`; without a test the most probable class."""
        if self.is_rejected:
            return NONE
        return next(label for label in self.probabilities if self.p_value is None or label != OTHER)

    @property
    def probability(self) -> float:
        """The probability of the class, or of the most probable one where none is shown."""
        return next(iter(self.probabilities.values())) if self.is_rejected else self.probabilities[self.label]


@dataclass(frozen=True)
class Windows:
    """How a long video is cut: windows of so many seconds, every so many seconds.

    The last one ends where the video does; a video that is shorter is one window.

    Raises
    ------
    ActionbenchError
        If the step is longer than the window, or one of them is not above zero.
    """

    seconds: float
    step: float

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.seconds < float("inf"):
            raise ActionbenchError(
                f"a video cannot be cut into windows of {self.seconds:g} s every {self.step:g} s; "
                "the step must be above zero and at most as long as the window, so that no part is left out"
            )

    @classmethod
    def of(cls, model: Model, seconds: float | None = None, step: float | None = None) -> Windows:
        """Fill in what is not given: windows as long as the median training clip, every half of a window."""
        seconds = model.header.data.seconds[1] if seconds is None else seconds
        return cls(seconds, seconds / 2 if step is None else step)


def can_explain(model: Model) -> bool:
    """Return whether a model can explain what it predicts for a clip."""
    return "clip" in inspect.signature(model.attempt.explain).parameters


def warm_up(model: Model, path: str | Path, *, on_error: OnError | None = None) -> None:
    """Decode and predict the beginning of a file, so that what follows is timed without first calls."""
    with open_video(path, **decoding(model, on_error)) as video:
        frames = list(islice(video, _FEW))
        _probabilities(model, Clip(np.stack(frames), video.fps, name=str(path)), str(path))


def decoding(model: Model, on_error: OnError | None = None) -> dict[str, Any]:
    """Return how the clips of a model are decoded, or those that break otherwise; see `read_video`."""
    return {**model.header.data.decoding, **({} if on_error is None else {"on_error": on_error})}


def predict_video(
    model: Model,
    path: str | Path,
    windows: Windows | None = None,
    *,
    explain: bool = False,
    reject: float | None = None,
    on_error: OnError | None = None,
) -> list[Prediction]:
    """Predict a video file, which is decoded as the training clips were.

    Parameters
    ----------
    model : Model
        From `load_model`.
    path : path
        The file.
    windows : Windows, optional
        How it is cut. By default it is not, unless it takes several times as long as the training clips did: then
        by `Windows.of`. No more of a video than a window, or a clip that is not cut, is held in memory.
    explain : bool
        Whether the attempt explains its predictions.
    reject : float, optional
        The largest share of clips that show one of the classes for which the answer may be that they show none, see
        `Rejection`. It holds for clips like those of the training, not for windows, whose cuts are others.
    on_error : {"error", "truncate"}, optional
        What becomes of a file that breaks, see `read_video`; by default as for the training clips.

    Raises
    ------
    ActionbenchError
        If the file cannot be decoded, the attempt fails, it cannot explain clips, or the model was not fitted to reject
        at such a rate.
    """
    if explain and not can_explain(model):
        raise PluginError(
            f"{model.folder}: the attempt {model.header.attempt!r} cannot explain what it predicts for a clip; "
            "lists of rules can"
        )
    rejection = None if reject is None else check_rate(model.header.rejection, reject, model.folder)
    predictions = []
    began = perf_counter()
    with open_video(path, **decoding(model, on_error)) as video:
        total = math.ceil(video.seconds)
        for start, clip in _pieces(video, model, windows):
            decoded = perf_counter()
            clip = replace(clip, name=str(path))
            probabilities = _probabilities(model, clip, str(path))
            p_value = None if rejection is None else rejection.p_value(score(probabilities))
            done = perf_counter()
            predictions.append(
                Prediction(
                    str(path),
                    start / clip.fps,
                    (start + len(clip)) / clip.fps,
                    probabilities,
                    1e3 * (decoded - began),
                    1e3 * (done - decoded),
                    _explanation(model, clip) if explain else None,
                    p_value,
                    is_rejected=p_value is not None and reject is not None and p_value <= reject,
                )
            )
            tell("seconds of video", min(total, predictions[-1].end), total)
            began = perf_counter()
    tell("seconds of video", total, total)
    return predictions


def _probabilities(model: Model, clip: Clip, path: str) -> dict[str, float]:
    try:
        row = model.predict_proba(Clips.of([clip]))[0]
    except (ActionbenchError, ContractError) as error:
        raise PluginError(f"{path}: {error}") from error
    order = np.argsort(-row, kind="stable")
    return {model.classes[place]: float(row[place]) for place in order}


def _explanation(model: Model, clip: Clip) -> str:
    """Return the explanation for a clip beyond that of the attempt itself."""
    whole = str(ask(model.attempt.explain, model.header.attempt, clip))
    return whole.removeprefix(str(model.attempt.explain())).strip()


def _pieces(video: Video, model: Model, windows: Windows | None) -> Iterator[tuple[int, Clip]]:
    """Yield what is predicted at once, each with the number of its first frame."""
    images = iter(video)
    head = list(islice(images, _FEW))
    if windows is None:
        _, median, longest = model.header.data.seconds
        most = round(max(_LONG * median, longest) * video.fps)
        head += islice(images, max(most + 1 - len(head), 0))
        if len(head) <= most:
            yield 0, Clip(np.stack(head), video.fps, vectors=video.vectors(0, len(head)))
            return
        windows = Windows.of(model)
    yield from _sliding(chain(head, images), video.fps, windows, video.vectors)


def _sliding(
    images: Iterator[NDArray[np.uint8]],
    fps: float,
    windows: Windows,
    vectors: Callable[[int, int], MotionVectors | None] = lambda first, stop: None,
) -> Iterator[tuple[int, Clip]]:
    size, step = (max(1, round(seconds * fps)) for seconds in (windows.seconds, windows.step))
    latest: deque[NDArray[np.uint8]] = deque(maxlen=size)
    n_seen = covered = 0
    for image in images:
        latest.append(image)
        n_seen += 1
        if n_seen >= size and (n_seen - size) % step == 0:
            covered = n_seen
            first = n_seen - size
            yield first, Clip(np.stack(latest), fps, vectors=vectors(first, n_seen))
    if covered < n_seen:
        first = n_seen - len(latest)
        yield first, Clip(np.stack(latest), fps, vectors=vectors(first, n_seen))
