"""Poses from a user's model: an ONNX or TensorFlow Lite file with a TOML file of the same name beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from ..errors import ActionbenchError
from .clip import Clip
from .flow import single_thread
from .net_description import NetDescription, Side, read_description
from .onnx_files import file_hash, load_content, open_session, read_onnx, run_session
from .pose import Pose, skeleton_of
from .video import resized

__all__ = ["Description", "PoseModel", "load_model", "model_digest", "model_files"]

Array = NDArray[np.floating[Any]]

# A person is followed where so many joints have this score; the box about them is enlarged on each side by a share of
# its larger side.
_FOLLOWED, _SURE, _MARGIN = 4, 0.3, 0.25


def _of_a_joint(values: list[str]) -> list[str]:
    counts = [values.count(word) for word in ("x", "y", "z", "score")]
    if counts[:2] != [1, 1] or max(counts) > 1:
        raise ValueError(f"must have one x and one y, and no other twice but '-', got {values}")
    return values


T = TypeVar("T")
_Value: TypeAlias = Literal["x", "y", "z", "score", "-"]
_VALUES: list[_Value] = ["x", "y", "score"]
_Three = Annotated[list[T], Field(min_length=3, max_length=3)]


class Description(NetDescription):
    """What the TOML file beside a model says.

    Attributes
    ----------
    kind : {"heatmaps", "simcc", "coordinates"}
        What the model returns: a map for each joint, (1, n, h, w) or (1, h, w, n) as ``layout`` says; the probability
        of each column, then of each row, (1, n, W) and (1, n, H); or the values of each joint, (1, n * values).
    joints : str or list of str
        The name of a skeleton (`SKELETONS`), or the names of the joints.
    input : str, optional
        The input's name; by default the only one.
    outputs : list of str, optional
        The names of the outputs, two for ``simcc``; by default the only ones.
    presence : str, optional
        The name of an output whose value is the probability that there is a person.
    layout : {"NCHW", "NHWC"}
        The axes of the input.
    size : list of int, optional
        Height and width of the input; by default what the model says.
    mean, std : list of float
        Of each channel, for values from 0 to 1.
    channels : {"rgb", "bgr"}
        The order of the channels.
    values : list of str
        Of ``coordinates``: what each joint has, of ``x``, ``y``, ``z``, ``score`` and ``-``, which is not used; joints
        that the model has beyond those of ``joints`` are left out.
    unit : {"pixels", "shares"}
        Of ``coordinates``: pixels of the input, or shares of its width and height.
    sigmoid : bool
        Whether scores are to be mapped to 0 to 1 by a logistic function.
    view : {"person", "frame"}
        Whether the model sees the box about the joints of the frame before, or always the whole frame.
    """

    kind: Literal["heatmaps", "simcc", "coordinates"]
    joints: Annotated[tuple[str, ...], BeforeValidator(skeleton_of)]
    input: str | None = None
    outputs: list[str] | None = None
    presence: str | None = None
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    mean: _Three[FiniteFloat] = Field(default_factory=lambda: [0.0, 0.0, 0.0])
    std: _Three[Annotated[FiniteFloat, Field(gt=0)]] = Field(default_factory=lambda: [1.0, 1.0, 1.0])
    channels: Literal["rgb", "bgr"] = "rgb"
    values: Annotated[list[_Value], AfterValidator(_of_a_joint)] = Field(default_factory=_VALUES.copy)
    unit: Literal["pixels", "shares"] = "pixels"
    sigmoid: bool = False
    view: Literal["person", "frame"] = "person"

    @classmethod
    def beside(cls, model: Path) -> Description:
        """Read the file beside a model, or raise ActionbenchError if there is none that is valid."""
        path = model.with_suffix(".toml")
        if not path.is_file():
            raise ActionbenchError(f"{path}: a model of poses needs this file beside it, which describes it")
        return read_description(path, cls)


class _Net(NamedTuple):
    """A model that is loaded."""

    inputs: Mapping[str, tuple[Any, ...]]
    dtypes: Mapping[str, Any]
    outputs: Sequence[str]
    run: Callable[[str, Sequence[str], NDArray[Any]], list[NDArray[Any]]]


class PoseModel:
    """A model that finds the joints of one person in a frame.

    Parameters
    ----------
    path : Path
        An ``.onnx`` file, which needs the extra ``onnx``, or a ``.tflite`` file, which needs the extra ``tflite``.

    Raises
    ------
    ActionbenchError
        If the file or the description beside it cannot be used, or both do not fit together.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.how = path, Description.beside(path)
        self.names = self.how.joints
        self._net = _open_tflite(path) if _is_tflite(path) else _open_onnx(path, large=self.how.large)
        self._input, self._size = self._check_input()
        self._outputs = self._check_outputs()
        # One run shows whether the outputs are what the description says.
        self._read(np.zeros((*self._size, 3), np.float32))

    def _check_input(self) -> tuple[str, tuple[int, int]]:
        inputs, name = self._net.inputs, self.how.input
        if name is None and len(inputs) == 1:
            name = next(iter(inputs))
        if name is None or name not in inputs:
            raise ActionbenchError(f"{self.path}: input must be one of {', '.join(inputs)}, got {name!r}")
        shape = inputs[name]
        places = (2, 3, 1) if self.how.layout == "NCHW" else (1, 2, 3)
        if len(shape) != 4 or shape[places[2]] not in (3, None):
            raise ActionbenchError(
                f"{self.path}: the input must be pictures of three channels in the layout {self.how.layout}, "
                f"got {shape}"
            )
        size = tuple(self.how.size or (shape[places[0]], shape[places[1]]))
        if None in size or any(
            shape[place] not in (length, None) for place, length in zip(places, size, strict=False)
        ):
            raise ActionbenchError(
                f"{self.path}: the input is {shape}; size must give height and width that fit, got {self.how.size}"
            )
        return name, (int(size[0]), int(size[1]))

    def _check_outputs(self) -> list[str]:
        known, wanted = list(self._net.outputs), 2 if self.how.kind == "simcc" else 1
        others = [name for name in known if name != self.how.presence]
        names = self.how.outputs or (others if len(others) == wanted else [])
        if len(names) != wanted or not {*names, *filter(None, [self.how.presence])} <= set(known):
            count = "two names, of columns and rows," if wanted == 2 else "one name"
            raise ActionbenchError(
                f"{self.path}: outputs must be {count} of {', '.join(known)}, and presence one of them"
            )
        return [*names, *filter(None, [self.how.presence])]

    def estimate(self, clip: Clip) -> Pose:
        """Return the pose of one person in each frame; of nobody, all joints are missing."""
        frames = clip.frames if clip.frames.ndim == 4 else np.repeat(clip.frames[..., None], 3, axis=3)
        found, box = [], None
        for frame in frames:
            joints, scores = self._look(frame, box)
            if box is None and self.how.view == "person" and (box := _box_about(joints, scores)) is not None:
                joints, scores = self._look(frame, box)
            box = _box_about(joints, scores) if self.how.view == "person" else None
            found.append((joints, scores))
        joints, scores = (np.stack(part)[:, None] for part in zip(*found, strict=True))
        return Pose(joints, scores, self.names)

    def _look(self, frame: NDArray[np.uint8], box: NDArray[np.float64] | None) -> tuple[Array, Array]:
        """Return joints, right and down in pixels of the frame, and scores of the person in a box or the frame."""
        height, width = frame.shape[:2]
        left, top, right, bottom = (0.0, 0.0, width, height) if box is None else box
        scale = min(self._size[1] / max(right - left, 1.0), self._size[0] / max(bottom - top, 1.0))
        # The middle of the box goes to that of the input, both counted from the corners of pixels.
        shift = np.array(self._size[::-1]) / 2 - scale * np.array([left + right, top + bottom]) / 2
        with single_thread():
            # Shrinking averages areas, where the interpolation below would leave out pixels.
            small = (
                resized(frame, *(max(round(scale * side), 1) for side in (width, height)))
                if scale < 1
                else frame
            )
            rest = scale * np.array([width / small.shape[1], height / small.shape[0]])
            matrix = np.column_stack([np.diag(rest), shift + (rest - 1) / 2])
            picture = cv2.warpAffine(small, matrix, self._size[::-1], flags=cv2.INTER_LINEAR)
        joints, scores = self._read(picture.astype(np.float32) / 255)
        joints[:, :2] = (joints[:, :2] - shift) / scale
        return joints[:, :2].astype(np.float32), scores

    def _read(self, picture: Array) -> tuple[Array, Array]:
        """Return joints in pixels of the input, and scores."""
        how = self.how
        picture = picture[..., ::-1] if how.channels == "bgr" else picture
        mean, std = (np.array(numbers, dtype=np.float32) for numbers in (how.mean, how.std))
        scaled: Array = (picture.astype(np.float32) - mean) / std
        picture = (scaled.transpose(2, 0, 1) if how.layout == "NCHW" else scaled)[None]
        dtype = np.dtype(self._net.dtypes[self._input])
        picture = np.rint(picture) if dtype.kind in "iu" else picture
        found = self._net.run(self._input, self._outputs, picture.astype(dtype))
        outputs = [np.asarray(output, np.float32) for output in found]
        presence = float(outputs.pop().ravel()[0]) if how.presence else 1.0
        decode: dict[str, Callable[..., tuple[Array, Array]]] = {
            "heatmaps": self._from_maps,
            "simcc": self._from_axes,
            "coordinates": self._from_values,
        }
        joints, scores = decode[how.kind](*outputs)
        scores = 1 / (1 + np.exp(-scores)) if how.sigmoid else scores
        known = np.isfinite(joints).all(axis=1) & np.isfinite(scores) & (presence >= 0.5)
        return joints, np.where(known, np.clip(scores, 0, 1), 0).astype(np.float32)

    def _wrong(self, wanted: str, got: Array) -> ActionbenchError:
        return ActionbenchError(
            f"{self.path}: {self.how.kind} of {len(self.names)} joints must be {wanted}, got {got.shape}"
        )

    def _from_maps(self, maps: Array) -> tuple[Array, Array]:
        n = len(self.names)
        if maps.ndim == 4 and self.how.layout == "NHWC":
            maps = maps.transpose(0, 3, 1, 2)
        if maps.ndim != 4 or maps.shape[:2] != (1, n) or 0 in maps.shape:
            raise self._wrong(f"one map each in the layout {self.how.layout}", maps)
        height, width = maps.shape[2:]
        best = maps.reshape(n, -1).argmax(axis=1)
        rows, columns = np.divmod(best, width)
        padded = np.pad(maps[0], ((0, 0), (1, 1), (1, 1)), mode="edge")
        joint = np.arange(n)
        # A quarter of a pixel towards the higher neighbour, as usual.
        right, left = padded[joint, rows + 1, columns + 2], padded[joint, rows + 1, columns]
        below, above = padded[joint, rows + 2, columns + 1], padded[joint, rows, columns + 1]
        x = columns + 0.5 + 0.25 * np.sign(right - left)
        y = rows + 0.5 + 0.25 * np.sign(below - above)
        joints = np.stack([x * self._size[1] / width, y * self._size[0] / height], axis=1)
        return joints.astype(np.float32), maps.reshape(n, -1).max(axis=1)

    def _from_axes(self, columns: Array, rows: Array) -> tuple[Array, Array]:
        for axis in (columns, rows):
            if axis.ndim != 3 or axis.shape[:2] != (1, len(self.names)) or 0 in axis.shape:
                raise self._wrong("(1, n, length) for columns and for rows", axis)
        places = [
            (axis[0].argmax(axis=1) + 0.5) * length / axis.shape[2]
            for axis, length in ((columns, self._size[1]), (rows, self._size[0]))
        ]
        scores = np.minimum(columns[0].max(axis=1), rows[0].max(axis=1))
        return np.stack(places, axis=1).astype(np.float32), scores

    def _from_values(self, values: Array) -> tuple[Array, Array]:
        words = list(self.how.values)
        if values.size % len(words) or values.size < len(self.names) * len(words):
            raise self._wrong(f"{len(words)} values each ({', '.join(words)})", values)
        table = values.reshape(-1, len(words))[: len(self.names)]
        joints = table[:, [words.index("x"), words.index("y")]].copy()
        if self.how.unit == "shares":
            joints *= np.array(self._size[::-1], np.float32)
        scores = table[:, words.index("score")] if "score" in words else np.ones(len(table), np.float32)
        return joints, scores


def _box_about(joints: Array, scores: Array) -> NDArray[np.float64] | None:
    """Return left, top, right and bottom of a box about the joints that are sure, None where these are few."""
    sure = joints[scores >= _SURE].astype(np.float64)
    if len(sure) < _FOLLOWED:
        return None
    low, high = sure.min(axis=0), sure.max(axis=0)
    margin = _MARGIN * max((high - low).max(), 8.0)
    return np.concatenate([low - margin, high + margin])


def load_model(path: Path, digest: str) -> PoseModel:
    """Return a model, loaded once for each content of its files.

    Raises
    ------
    ActionbenchError
        If it cannot be used, or has another `model_digest` by now.
    """
    # See `open_session`.
    return _loaded(path, digest, os.getpid())


@lru_cache(maxsize=2)
def _loaded(path: Path, digest: str, process: int) -> PoseModel:
    if file_hash(*model_files(path)) != digest:
        raise ActionbenchError(f"{path}: the file changed while it was in use")
    return PoseModel(path)


def model_files(path: Path) -> list[Path]:
    """Return the files of a model: it, the description beside it, and those with its weights.

    Raises
    ------
    ActionbenchError
        If one is missing or cannot be used.
    """
    if path.suffix.lower() not in (".onnx", ".tflite") or not path.is_file():
        raise ActionbenchError(
            f'pose: must be "clip" or an .onnx or .tflite file that exists, got {str(path)!r}'
        )
    described = (path, path.with_suffix(".toml"))
    return _model_files(path, *(_stamps(one) for one in described if one.is_file()))


@lru_cache(maxsize=8)
def _model_files(path: Path, *_: tuple[int, int]) -> list[Path]:
    large = Description.beside(path).large
    weights = [] if _is_tflite(path) else read_onnx(path, large=large)[1][1:]
    return [path, path.with_suffix(".toml"), *weights]


def model_digest(path: Path) -> str:
    """Return a hash of the `model_files`."""
    return _digest(*((one, *_stamps(one)) for one in model_files(path)))


@lru_cache(maxsize=8)
def _digest(*files: tuple[Path, int, int]) -> str:
    return file_hash(*(path for path, *_ in files))


def _stamps(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _is_tflite(path: Path) -> bool:
    return path.suffix.lower() == ".tflite"


_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
}


def _open_onnx(path: Path, *, large: bool) -> _Net:
    _, files = read_onnx(path, large=large)
    # Of one thread, so that no sum depends on their number.
    session = open_session(path, load_content(files), 1)
    inputs = session.get_inputs()
    return _Net(
        {one.name: tuple(n if isinstance(n, int) else None for n in one.shape) for one in inputs},
        {one.name: _DTYPES.get(one.type, np.float32) for one in inputs},
        [one.name for one in session.get_outputs()],
        lambda name, outputs, picture: run_session(path, session, outputs, name, picture),
    )


def _open_tflite(path: Path) -> _Net:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ActionbenchError(
            f'{path}: a TensorFlow Lite model needs LiteRT: pip install "actionbench[tflite]"'
        ) from error
    try:
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    except Exception as error:
        raise ActionbenchError(
            f"{path}: not a TensorFlow Lite model that can be used ({_reason(error)})"
        ) from error
    inputs = {one["name"]: one for one in interpreter.get_input_details()}
    outputs = {one["name"]: one for one in interpreter.get_output_details()}

    def run(name: str, wanted: Sequence[str], picture: NDArray[Any]) -> list[NDArray[Any]]:
        try:
            interpreter.set_tensor(inputs[name]["index"], picture)
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ActionbenchError(f"{path}: the model cannot be run ({_reason(error)})") from error
        return [interpreter.get_tensor(outputs[one]["index"]).copy() for one in wanted]

    shapes = {name: tuple(int(n) for n in one["shape"]) for name, one in inputs.items()}
    return _Net(shapes, {name: one["dtype"] for name, one in inputs.items()}, list(outputs), run)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
