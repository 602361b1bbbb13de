"""A cache of features on disk: each is computed once per clip, and shared by all attempts, folds and seeds.

An entry is a file named by a hash of all that can change its content: the clip, the feature with its parameters, its
code. Entries are written atomically, and a process that needs what another is computing computes later ones meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..progress import each
from .clip import Clip, Clips, LazyClip
from .cost import Cost, current_costs, track_costs

__all__ = [
    "NO_CACHE",
    "TEMPORARY_PREFIX",
    "Feature",
    "FeatureCache",
    "cache_folder",
    "compute",
    "compute_one",
    "temporary_cache",
    "use_cache",
    "user_cache",
]

Arrays = Mapping[str, NDArray[Any]]

#: Prefix of the names of temporary folders with features.
TEMPORARY_PREFIX = "actionbench-features-"

#: The name that stands for no cache.
NO_CACHE = "none"

_SUFFIX = ".safetensors"
# Share of the limit that is written between two checks of the folder's size, and share that is left after an eviction.
_CHECK_AFTER, _KEEP = 0.02, 0.8


def cache_folder(wished: str | Path | None = None) -> str:
    """Return the folder that is asked for, else that of ``ACTIONBENCH_CACHE``, else the user's."""
    return str(wished or os.environ.get("ACTIONBENCH_CACHE") or user_cache())


def user_cache() -> Path:
    """Return the folder for those who name none."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actionbench"


class Feature(Protocol):
    """A description of a clip: a frozen dataclass whose fields are all its parameters."""

    def extract(self, clip: Clip) -> Arrays:
        """Return named arrays that depend on the clip and the fields only."""


class FeatureCache:
    """Entries in a folder; the largest of them that are used least are removed when it is full.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; several processes may share it.
    limit : int
        Bytes that the entries may take.
    code : callable
        Returns a hash of all code that can change what a feature's class computes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.motion import Observation
    >>> clips = examples()[0][:2]
    >>> with TemporaryDirectory() as folder, use_cache(FeatureCache(Path(folder), 2**30, lambda cls: "version 1")):
    ...     first, again = (list(compute(Observation(), clips)) for _ in range(2))
    >>> np.array_equal(first[0]["boxes"], again[0]["boxes"])
    True
    """

    def __init__(self, folder: Path, limit: int, code: Callable[[type], str]) -> None:
        self.folder, self.limit, self._code = folder, limit, code
        self._written = float("inf")
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, feature: Feature, fingerprint: str, load: Callable[[], Clip]) -> Arrays:
        """Return a feature of a clip, which is loaded if the feature is not cached."""
        found = self._get(feature, fingerprint, load, wait=True)
        assert found is not None
        return found

    def get_each(
        self, feature: Feature, fingerprints: Sequence[str], load: Callable[[int], Clip]
    ) -> Iterator[Arrays]:
        """Yield a feature of some clips, in order.

        While another process computes one of them, this one computes later ones, which it reads when their turn comes:
        processes that need the same features share the work.
        """
        ahead = 0
        for index, fingerprint in enumerate(fingerprints):
            found = self._get(feature, fingerprint, partial(load, index), wait=False)
            ahead = max(ahead, index + 1)
            while found is None and ahead < len(fingerprints):
                if not self._path(feature, fingerprints[ahead]).exists():
                    self._get(feature, fingerprints[ahead], partial(load, ahead), wait=False)
                    found = self._get(feature, fingerprint, partial(load, index), wait=False)
                ahead += 1
            yield self.get(feature, fingerprint, partial(load, index)) if found is None else found

    def _get(
        self, feature: Feature, fingerprint: str, load: Callable[[], Clip], *, wait: bool
    ) -> Arrays | None:
        """Return a feature of a clip; None where another process computes it and this one is not to wait."""
        tracked = current_costs()
        if tracked is None:
            with track_costs():
                return self._get(feature, fingerprint, load, wait=wait)
        path = self._path(feature, fingerprint)
        with tracked.reading() as costs:
            found = self._read(path, costs)
            if found is not None:
                return found
            with _locked(path.with_suffix(".lock"), wait) as is_ours:
                if not is_ours:
                    return None
                # Another process may have computed it while this one waited.
                found = self._read(path, costs)
                if found is not None:
                    return found
                with tracked.measuring(costs, path.stem):
                    arrays = feature.extract(load())
                self._write(path, arrays, costs)
        return arrays

    def _path(self, feature: Feature, fingerprint: str) -> Path:
        cls = type(feature)
        parts = (cls.__module__, cls.__qualname__, repr(feature), self._code(cls), fingerprint)
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return self.folder / key[:2] / f"{key}{_SUFFIX}"

    def _read(self, path: Path, costs: dict[str, Cost]) -> Arrays | None:
        try:
            with safe_open(path, "numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
                found = {key: Cost(*cost) for key, cost in json.loads(file.metadata()["costs"]).items()}
            os.utime(path)
        # A missing, just removed or damaged entry is computed.
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        costs.update(found)
        return arrays

    def _write(self, path: Path, arrays: Arrays, costs: dict[str, Cost]) -> None:
        content = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            save_file(content, part, {"costs": json.dumps(costs)})
            os.replace(part, path)
            self._written += path.stat().st_size
            if self._written > _CHECK_AFTER * self.limit:
                self._evict()
        except (OSError, SafetensorError) as error:
            warnings.warn(f"{path}: a feature could not be cached ({error})", RuntimeWarning, stacklevel=2)
            with suppress(OSError):
                part.unlink()

    def _evict(self) -> None:
        """Remove the largest entries if all together take more than the limit, of equally large ones those least used.

        The largest are optical flow and the like, of which much smaller features have been computed that take as long.
        """
        self._written = 0
        entries = []
        for path in self.folder.glob(f"??/*{_SUFFIX}"):
            with suppress(OSError):
                found = path.stat()
                entries.append((-(found.st_size.bit_length() // 4), found.st_mtime_ns, found.st_size, path))
        total = sum(size for *_, size, _ in entries)
        if total <= self.limit:
            return
        for *_, size, path in sorted(entries):
            if total <= _KEEP * self.limit:
                break
            with suppress(OSError):
                path.unlink()
            total -= size


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[bool]:
    """Hold an exclusive file lock, which the system releases however the process ends; False where another holds it."""
    try:
        import fcntl
    except ImportError:  # without locks two processes may compute the same
        path.parent.mkdir(exist_ok=True)
        yield True
        return
    while True:
        try:
            path.parent.mkdir(exist_ok=True)
            handle = os.open(path, os.O_CREAT | os.O_RDWR)
        except OSError:  # a full disk: two processes may compute the same
            yield True
            return
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            # If the previous holder has removed the file, no other process would see this lock.
            if _is_at(handle, path):
                try:
                    yield True
                finally:
                    with suppress(OSError):
                        path.unlink()
                return
        finally:
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


_CACHE: ContextVar[FeatureCache | None] = ContextVar("feature cache", default=None)


@contextmanager
def temporary_cache() -> Iterator[None]:
    """Compute each feature once inside of a ``with`` block: by a temporary cache where none is in use."""
    if _CACHE.get() is not None:
        yield
        return
    with ExitStack() as stack, use_cache(_TemporaryCache(stack)):
        yield


class _TemporaryCache(FeatureCache):
    """A cache in a folder that is made when the first feature is wanted, and removed as a stack closes."""

    def __init__(self, stack: ExitStack) -> None:
        # It needs neither a hash of the code nor a limit.
        self.limit, self._code, self._written = sys.maxsize, lambda _: "", 0.0
        self._stack = stack

    def _path(self, feature: Feature, fingerprint: str) -> Path:
        if not hasattr(self, "folder"):
            self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix=TEMPORARY_PREFIX)))
        return super()._path(feature, fingerprint)


@contextmanager
def use_cache(cache: FeatureCache | None) -> Iterator[None]:
    """Use a cache inside of a ``with`` block; with None everything is computed."""
    token = _CACHE.set(cache)
    try:
        yield
    finally:
        _CACHE.reset(token)


def compute(feature: Feature, clips: Clips) -> Iterator[Arrays]:
    """Yield a feature of each clip, in order.

    A clip is not decoded where its feature is cached, or only needs another feature that is.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.history import MotionHistory
    >>> clips, _, _ = examples()
    >>> [found["moments"].shape for found in compute(MotionHistory(), clips[:2])]
    [(14,), (14,)]
    """
    cache = _CACHE.get()
    if cache is None:
        found: Iterator[Arrays] = (feature.extract(clip) for clip in clips)
    else:
        fingerprints = clips.fingerprints
        found = cache.get_each(
            feature,
            fingerprints,
            lambda index: LazyClip(fingerprints[index], partial(_decode, clips, index, fingerprints[index])),
        )
    yield from each("clips", found, len(clips))


def _decode(clips: Clips, index: int, fingerprint: str) -> Clip:
    """Return a clip; the time counts once for all features that it is decoded for."""
    tracked = current_costs()
    assert tracked is not None
    with tracked.reading() as costs, tracked.measuring(costs, f"decoding {fingerprint}"):
        return clips[index]


def compute_one(feature: Feature, clip: Clip) -> Arrays:
    """Return a feature of one clip, for use in another feature's ``extract``.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.history import MotionHistory
    >>> compute_one(MotionHistory(), examples()[0][0])["history"].shape
    (64, 64)
    """
    cache = _CACHE.get()
    if cache is None:
        return feature.extract(clip)
    return cache.get(feature, clip.fingerprint(), lambda: clip)
