"""Poses from files: COCO key points, folders of OpenPose, pickles of PYSKL."""

from __future__ import annotations

import io
import json
import math
import pickle  # its reader in Python, restricted below: PYSKL has no other format
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...features.pose import SKELETONS, Pose, skeleton_of

__all__ = ["ClipPose", "array_in", "match_poses", "pose_paths", "read_poses", "restricted_load"]

# A file is read into memory at once.
_MAX_BYTES = 2 << 30

_FRAME = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, eq=False)
class ClipPose:
    """The pose of a clip as a file has it.

    Attributes
    ----------
    pose : Pose
        One for each frame.
    size : (float, float), optional
        Width and height of the pictures whose pixels it counts, where the file says so.
    """

    pose: Pose
    size: tuple[float, float] | None = None


def read_poses(path: Path) -> dict[str, ClipPose]:
    """Read the poses in a file, or in a folder of OpenPose, by the names of the clips.

    Raises
    ------
    DataError
        If it is none of the known formats, names a clip or a frame twice, or has joints that are not known.
    """
    if path.is_dir():
        return _read_openpose(path)
    readers = {".json": _read_coco, ".pkl": _read_pyskl, ".pickle": _read_pyskl}
    reader = readers.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise DataError(
            f"poses: must be a .json file as of COCO, a .pkl file as of PYSKL or a folder as of OpenPose, got {path}"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise DataError(f"{path}: a file with poses must not be larger than 2 GiB; divide the data set")
    return reader(path)


def pose_paths(path: Path) -> list[Path]:
    """Return the files that hold the poses, and the folders these are in."""
    return [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]


def match_poses(
    poses: Mapping[str, ClipPose], clips: Sequence[str], endings: frozenset[str], where: Path
) -> list[str]:
    """Return the name under which each clip has its pose: its own, that without the ending, or the last part of it.

    Raises
    ------
    DataError
        If a clip has none, or two clips would have the same.
    """
    found = []
    for clip in clips:
        whole = PurePosixPath(clip)
        bare = whole.with_suffix("") if whole.suffix.lower() in endings else whole
        names = [name for name in (clip, str(bare), bare.name) if name in poses]
        found.append(names[0] if names else None)
    missing = [clip for clip, name in zip(clips, found, strict=True) if name is None]
    if missing:
        raise DataError(
            f"{where}: {len(missing)} of {len(clips)} clips have no pose in it, the first is {missing[0]!r}; it has "
            f"{', '.join(map(repr, list(poses)[:3])) or 'none'}{' ...' if len(poses) > 3 else ''}"
        )
    name, count = Counter(found).most_common(1)[0]
    if count > 1:
        twice = [clip for clip, one in zip(clips, found, strict=True) if one == name]
        raise DataError(
            f"{where}: the pose {name!r} fits both {twice[0]!r} and {twice[1]!r}; name each as its clip"
        )
    return [name for name in found if name is not None]


def _assemble(people: Sequence[Sequence[NDArray[np.float64]]], names: tuple[str, ...]) -> Pose:
    """Return a pose from the people of each frame, (n, 3) with the score last."""
    most = max(map(len, people), default=0)
    table = np.zeros((len(people), most, len(names), 3))
    for row, here in zip(table, people, strict=True):
        for person, joints in zip(row, here, strict=False):
            person[:] = joints
    scores = np.clip(np.nan_to_num(table[..., 2], nan=0.0, posinf=0.0, neginf=0.0), 0, 1)
    return Pose(table[..., :2], scores, names)


def _numbers(values: object, n_joints: int, where: str) -> NDArray[np.float64]:
    """Return the x, y and score of each joint from one list of numbers."""
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        table = np.zeros(1)
    if table.shape != (3 * n_joints,):
        length = len(values) if isinstance(values, list) else "none"
        raise DataError(f"{where}: must have {3 * n_joints} numbers for {n_joints} joints, got {length}")
    return table.reshape(n_joints, 3)


def _in_order(frames: Sequence[str], clip: str, where: Path) -> list[int]:
    """Return the order of frames by the number at the end of their names, without gaps."""
    matches = [_FRAME.search(frame) for frame in frames]
    for frame, match in zip(frames, matches, strict=True):
        if match is None:
            raise DataError(f"{where}: the frame {frame!r} of clip {clip!r} must have its number in its name")
    numbers = [int(match[1][-15:]) for match in matches if match]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    for before, after in pairwise(order):
        if numbers[after] == numbers[before]:
            raise DataError(f"{where}: frame {numbers[after]} of clip {clip!r} is in it twice")
        if numbers[after] > numbers[before] + 1:
            raise DataError(f"{where}: frame {numbers[before] + 1} of clip {clip!r} is missing")
    return order


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file ({' '.join(str(error).split())[:200]})") from error


def _read_coco(path: Path) -> dict[str, ClipPose]:
    content = _load_json(path)
    try:
        return _coco_clips(content, path)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path}: must have images, annotations with keypoints and categories as COCO's files of key points, or be "
            f"a list of results with image_id and keypoints ({type(error).__name__}: {str(error)[:100]})"
        ) from error


def _coco_clips(content: Any, path: Path) -> dict[str, ClipPose]:
    if isinstance(content, list):
        images = dict.fromkeys(str(one["image_id"]) for one in content)
        content = {"images": [{"id": name, "file_name": name} for name in images], "annotations": content}
    named = [one["keypoints"] for one in content.get("categories", []) if "keypoints" in one]
    try:
        names = skeleton_of(named[0] if named else "coco-17")
    except ValueError as error:
        raise DataError(f"{path}: the joints of its categories {error}") from error
    people: dict[Any, list[NDArray[np.float64]]] = {image["id"]: [] for image in content["images"]}
    if len(people) < len(content["images"]):
        raise DataError(f"{path}: an image is in it twice; each must have an id of its own")
    for number, one in enumerate(content["annotations"]):
        if one["image_id"] not in people:
            raise DataError(f"{path}: there is no image {one['image_id']!r} for annotation {number}")
        joints = _numbers(one["keypoints"], len(names), f"{path}: the keypoints of annotation {number}")
        # 1 is hidden and 2 is seen in annotations; results have a score.
        people[one["image_id"]].append(joints)
    clips: dict[str, list[Any]] = {}
    for image in content["images"]:
        file = PurePosixPath(str(image["file_name"]).replace("\\", "/"))
        if file.parent == PurePosixPath("."):
            raise DataError(
                f"{path}: the file_name {str(file)!r} must be the name of the clip, a slash and the frame"
            )
        clips.setdefault(str(file.parent), []).append((file.name, image))
    found = {}
    for clip, frames in clips.items():
        order = _in_order([name for name, _ in frames], clip, path)
        inside = [frames[place][1] for place in order]
        found[clip] = ClipPose(
            _assemble([people[image["id"]] for image in inside], names), _size_of(inside[0])
        )
    return found


def _size_of(image: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = (image.get(side) for side in ("width", "height"))
    right = all(
        isinstance(side, int | float) and math.isfinite(side) and side > 0 for side in (width, height)
    )
    return (float(width), float(height)) if right else None  # type: ignore[arg-type]


_OPENPOSE = {3 * len(SKELETONS[name]): SKELETONS[name] for name in ("openpose-25", "openpose-18")}


def _read_openpose(path: Path) -> dict[str, ClipPose]:
    folders: dict[Path, list[Path]] = {}
    for file in sorted(path.rglob("*_keypoints.json")):
        folders.setdefault(file.parent, []).append(file)
    if not folders:
        raise DataError(
            f"{path}: there is no file *_keypoints.json in it, as OpenPose writes one for each frame"
        )
    found = {}
    for folder, files in folders.items():
        clip = folder.relative_to(path).as_posix()
        order = _in_order([file.name.removesuffix("_keypoints.json") for file in files], clip, path)
        frames = [_openpose_people(files[place]) for place in order]
        lengths = sorted({len(person) for frame in frames for person in frame}) or [75]
        if len(lengths) > 1 or lengths[0] not in _OPENPOSE:
            got = " and ".join(f"{length / 3:g}" for length in lengths)
            raise DataError(f"{folder}: each person must have 25 joints, or each 18, got {got}")
        names = _OPENPOSE[lengths[0]]
        people = [
            [_numbers(person, len(names), str(files[place])) for person in frame]
            for place, frame in zip(order, frames, strict=True)
        ]
        found[clip] = ClipPose(_assemble(people, names))
    return found


def _openpose_people(file: Path) -> list[list[float]]:
    content = _load_json(file)
    try:
        people = [one["pose_keypoints_2d"] for one in content["people"]]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{file}: must have people with pose_keypoints_2d, as OpenPose writes them"
        ) from error
    if not all(isinstance(person, list) for person in people):
        raise DataError(f"{file}: pose_keypoints_2d must be a list of numbers")
    return people


# Skeletons by the number of joints and of coordinates.
_PYSKL = {
    (17, 2): "coco-17",
    (18, 2): "openpose-18",
    (25, 2): "openpose-25",
    (33, 2): "mediapipe-33",
    (25, 3): "ntu-25",
    (33, 3): "mediapipe-33",
}


def _read_pyskl(path: Path) -> dict[str, ClipPose]:
    content = restricted_load(path)
    rows = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"{path}: must be a dict with a list of annotations, or such a list, as PYSKL writes them"
        )
    found: dict[str, ClipPose] = {}
    for number, row in enumerate(rows):
        name = row.get("frame_dir")
        if not isinstance(name, str):
            raise DataError(f"{path}: annotation {number} must have the name of its clip as frame_dir")
        if name in found:
            raise DataError(f"{path}: clip {name[:80]!r} is in it twice")
        found[name] = _pyskl_pose(row, f"{path}: clip {name[:80]!r}")
    return found


def _pyskl_pose(row: Mapping[str, Any], where: str) -> ClipPose:
    joints, scores = array_in(row.get("keypoint")), array_in(row.get("keypoint_score"))
    if joints is None or joints.ndim != 4 or joints.shape[2:] not in _PYSKL:
        known = ", ".join(f"{n} in {axes} dimensions ({name})" for (n, axes), name in _PYSKL.items())
        raise DataError(
            f"{where}: keypoint must be an array (people, frames, joints, axes) of known joints: {known}; got "
            f"{'none' if joints is None else joints.shape}"
        )
    if "keypoint_score" not in row:
        scores = (joints != 0).any(axis=-1).astype(np.float32)
    if scores is None or scores.shape != joints.shape[:3]:
        raise DataError(
            f"{where}: keypoint_score must be an array of one score for each of {joints.shape[:3]} joints"
        )
    total = row.get("total_frames", joints.shape[1])
    if total != joints.shape[1]:
        raise DataError(
            f"{where}: total_frames is {str(total)[:20]}, but keypoint has {joints.shape[1]} frames"
        )
    name = _PYSKL[joints.shape[2:]]
    joints = joints.astype(np.float32)
    if name == "ntu-25":
        # In space up is positive.
        joints = joints * np.array([1, -1, 1], np.float32)
    scores = np.clip(np.nan_to_num(scores.astype(np.float32), nan=0.0), 0, 1)
    pose = Pose(joints.transpose(1, 0, 2, 3), scores.transpose(1, 0, 2), SKELETONS[name])
    shape = row.get("img_shape")
    sides = shape if isinstance(shape, list | tuple) and len(shape) == 2 else (None, None)
    return ClipPose(pose, _size_of({"height": sides[0], "width": sides[1]}))


def array_in(value: object) -> NDArray[Any] | None:
    """Return an array that `restricted_load` has read, None for anything else."""
    return value.value if isinstance(value, _Array) else None


class _RefusedError(Exception):
    """Something that is not admitted."""


def _refuse(what: str) -> NoReturn:
    raise _RefusedError(what)


class _Type:
    """A type of numbers, before and after its byte order is set."""

    def __init__(self, kind: object, *_: object) -> None:
        if not isinstance(kind, str) or not re.fullmatch(r"[<>|=]?[fiub][1248]", kind):
            _refuse(f"arrays of {str(kind)[:20]!r}")
        self.dtype = np.dtype(kind)

    def set(self, state: Any) -> None:
        """Set the byte order."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            _refuse("a type of numbers that NumPy does not write")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array, once its content is set."""

    value: NDArray[Any] | None = None

    def set(self, state: Any) -> None:
        """Set the content."""
        if not isinstance(state, tuple) or len(state) != 5:
            _refuse("an array that NumPy does not write")
        _, shape, kind, fortran, content = state
        self.fill(content, kind, shape, "F" if fortran else "C")

    def fill(self, content: Any, kind: Any, shape: Any, order: Any) -> None:
        """Take over bytes as they are, if they are as many as shape and type need."""
        if isinstance(content, str):
            content = content.encode("latin-1")
        right = (
            isinstance(content, bytes | bytearray) and isinstance(kind, _Type) and isinstance(shape, tuple)
        )
        if not right or not all(type(n) is int and 0 <= n < 2**31 for n in shape) or len(shape) > 8:
            _refuse("an array that NumPy does not write")
        if math.prod(shape) * kind.dtype.itemsize != len(content):
            _refuse(f"an array of shape {shape} with {len(content)} bytes")
        self.value = np.frombuffer(content, kind.dtype).reshape(shape, order="F" if order == "F" else "C")


_NDARRAY = object()


def _new_array(*_: object) -> _Array:
    return _Array()


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any = "C") -> _Array:
    array = _Array()
    array.fill(content, kind, shape, order)
    return array


def _scalar(kind: Any, content: Any) -> int | float:
    array = _from_buffer(content, kind, ())
    assert array.value is not None
    return array.value.item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        _refuse("_codecs.encode")
    return text.encode("latin-1")


# What PyTorch writes before the numbers of a tensor: a signature, versions, the type, and the count in 8 bytes.
_STORAGE = re.compile(
    rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\..{0,400}?storageq\x00ctorch\n(\w{1,20})Storage\n.{0,200}?"
    rb"\x80\x02\]q\x00X.{4}\w{1,40}q\x01a\.(.{8})",
    re.DOTALL,
)
_TENSOR_TYPES = {
    b"Float": "<f4", b"Double": "<f8", b"Half": "<f2", b"Long": "<i8", b"Int": "<i4", b"Short": "<i2", b"Char": "i1",
    b"Byte": "u1", b"Bool": "b1",
}  # fmt: skip


def _storage(content: Any) -> _Array:
    """Return the numbers of a tensor, in a row."""
    found = _STORAGE.match(content) if isinstance(content, bytes) else None
    if found is None or found[1] not in _TENSOR_TYPES:
        _refuse("a tensor that PyTorch does not write so")
    array, numbers = _Array(), content[found.end() :]
    array.fill(numbers, _Type(_TENSOR_TYPES[found[1]]), (int.from_bytes(found[2], "little"),), "C")
    return array


def _no_hooks() -> dict[str, Any]:
    """Return what a tensor without hooks has of these."""
    return {}


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Array:
    """Return the part of the numbers that a tensor consists of."""
    values = storage.value if isinstance(storage, _Array) else None
    if values is None or values.ndim != 1 or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        _refuse("a tensor that PyTorch does not write so")
    counts = [offset, *shape, *strides]
    if (
        len(shape) != len(strides)
        or len(shape) > 8
        or not all(type(n) is int and 0 <= n < 2**31 for n in counts)
    ):
        _refuse("a tensor that PyTorch does not write so")
    size, last = (
        math.prod(shape),
        offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)),
    )
    # What repeats numbers would take more memory than the file.
    if size > len(values) or (size and last >= len(values)):
        _refuse(f"a tensor of shape {shape} of {len(values)} numbers")
    array = _Array()
    if not size:
        array.value = np.empty(shape, values.dtype)
        return array
    places = np.full(shape, offset)
    for axis, step in enumerate(strides):
        places += step * np.arange(shape[axis]).reshape(-1, *[1] * (len(shape) - 1 - axis))
    array.value = np.asarray(values[places])
    return array


# What a pickle may name: stand-ins that create nothing but arrays and numbers of the bytes that are in the file.
_ADMITTED: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("collections", "OrderedDict"): _no_hooks,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _new_array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
_CALLED = [one for one in _ADMITTED.values() if one is not _NDARRAY]

_PLAIN = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT "
    "BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES "
    "BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT PUT BINPUT LONG_BINPUT "
    "MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL"
).split()


# Type checkers know the reader in C alone.
_PurePython: Any = pickle._Unpickler


class _Unpickler(_PurePython):
    """Reads arrays, dicts, lists, tuples, strings, numbers and None; names nothing else, and calls nothing else.

    It is Python's own reader in Python, whose memory grows with what is read, where that in C reserves what a file
    announces.
    """

    dispatch: dict[int, Callable[..., Any]]

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for what is admitted."""
        if (module, name) not in _ADMITTED:
            _refuse(f"{module}.{name}"[:80])
        return _ADMITTED[module, name]

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack[-1]
        if not any(function is one for one in _CALLED) or not isinstance(arguments, tuple):
            _refuse("a call of what is no function")
        self.stack[-1] = function(*arguments)

    def _build(self) -> None:
        state, instance = self.stack.pop(), self.stack[-1]
        if not isinstance(instance, _Array | _Type):
            _refuse("the state of what is no array")
        instance.set(state)

    def _fill(self, target: Any, items: list[Any]) -> None:
        keys = items[::2]
        # The hash of tuples within tuples would be computed to any depth.
        if type(target) is not dict or len(items) % 2 or not all(type(key) in (str, int) for key in keys):
            _refuse("a dict whose keys are neither strings nor integers")
        target.update(zip(keys, items[1::2], strict=True))

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill(self.stack[-1], [key, value])

    def _setitems(self) -> None:
        items = self.pop_mark()
        self._fill(self.stack[-1], items)

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._fill(self.stack[-1], items)

    def _bytearray(self) -> None:
        length = int.from_bytes(self.read(8), "little")
        content = self.read(length)
        if len(content) < length:
            raise EOFError("the file ends too early")
        self.append(content)


_Unpickler.dispatch = {
    getattr(pickle, name)[0]: _PurePython.dispatch[getattr(pickle, name)[0]] for name in _PLAIN
}
_Unpickler.dispatch |= {
    pickle.REDUCE[0]: _Unpickler._reduce,
    pickle.BUILD[0]: _Unpickler._build,
    pickle.SETITEM[0]: _Unpickler._setitem,
    pickle.SETITEMS[0]: _Unpickler._setitems,
    pickle.DICT[0]: _Unpickler._dict,
    pickle.BYTEARRAY8[0]: _Unpickler._bytearray,
}


def restricted_load(path: Path) -> Any:
    """Read a pickle that holds arrays and tensors of numbers, dicts, lists, tuples, strings, numbers and None only.

    Raises
    ------
    DataError
        If it holds or names anything else, is damaged, or announces more than it has.
    """
    refused = partial(
        "{}: a pickle must hold arrays, dicts, lists, strings and numbers only, got {}".format, path
    )
    try:
        return _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except _RefusedError as error:
        raise DataError(refused(str(error))) from error
    except KeyError as error:
        raise DataError(refused(f"the instruction {error}")) from error
    except Exception as error:  # a damaged one may fail in any way
        reason = " ".join(str(error).split())[:100]
        raise DataError(
            f"{path}: not a pickle that can be read ({reason or type(error).__name__})"
        ) from error
