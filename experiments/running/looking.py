"""The look at data sets before any cell runs: each clip is decoded once, by all workers, in processes of their own."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..audit.leaks import look_at, unreadable
from ..audit.near_duplicates import Fingerprint
from ..datasets.base import Dataset
from ..isolation.fork_server import ForkServer
from ..isolation.pool import Task, run_isolated
from ..planning.cells import DatasetSource

# Clips that one process looks at: enough that its start counts little, few enough that progress is seen; parts that
# each worker gets at least, and those of a process that died.
_LEAST, _MOST, _PARTS = 16, 512, 8
# Clips of which a process may die before others are not tried any more.
_MOST_DEATHS = 50


@dataclass(frozen=True)
class Looked:
    """A data set to look at, and what makes it in another process."""

    dataset: Dataset
    source: DatasetSource


@dataclass
class Look:
    """What was seen of a data set.

    Attributes
    ----------
    fingerprints : dict
        Of the clips that can be decoded, by their positions.
    unreadable : dict
        Sentences on the others, by their positions.
    """

    fingerprints: dict[int, Fingerprint] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)

    def reasons(self, dataset: Dataset) -> dict[str, str]:
        """Return why clips cannot be decoded, by their names."""
        names = dataset.table["clip"]
        return {names[position]: self.unreadable[position] for position in sorted(self.unreadable)}

    def in_order(self) -> list[Fingerprint]:
        """Return the fingerprints in the order of the clips."""
        return [self.fingerprints[position] for position in sorted(self.fingerprints)]

    def check(self) -> None:
        """Raise DataError where clips cannot be decoded; it names all of them."""
        if self.unreadable:
            raise DataError(*(self.unreadable[position] for position in sorted(self.unreadable)))


def look(
    datasets: Mapping[str, Looked],
    *,
    workers: int,
    fork_server: ForkServer | None = None,
    progress: Callable[[str, int], None] = lambda key, n_done: None,
) -> dict[str, Look]:
    """Decode all clips of some data sets.

    What a process that died was to look at is divided again and again, so that the clip that it died of is known.

    Parameters
    ----------
    datasets : mapping of str to Looked
        By names of the caller's.
    workers : int
        How many processes decode at a time.
    fork_server : ForkServer, optional
        As for `run_isolated`.
    progress : callable
        Called with the name of a data set and the number of its clips that have been seen, from 0 to all.

    Returns
    -------
    dict
        A `Look` for each name.

    Raises
    ------
    DataError
        If a data set cannot be made in another process, or processes die of very many clips.
    """
    return {key: _look(one, workers, fork_server, partial(progress, key)) for key, one in datasets.items()}


def _look(one: Looked, workers: int, fork_server: ForkServer | None, progress: Callable[[int], None]) -> Look:
    with contextlib.ExitStack() as stack:
        return _looked(one, workers, fork_server, progress, _Spill(stack))


def _looked(
    one: Looked,
    workers: int,
    fork_server: ForkServer | None,
    progress: Callable[[int], None],
    spill: _Spill,
) -> Look:
    seen = Look()
    progress(0)
    parts, deaths = _parts(len(one.dataset), workers), list[str]()
    while parts:
        tasks = [Task("", look_at_some, (one.source, part)) for part in parts]
        parts = []
        for task, result in run_isolated(tasks, workers=workers, fork_server=fork_server):
            positions = task.arguments[1]
            if isinstance(result.outcome, DataError):
                raise result.outcome
            if result.kind == "error":
                # What goes wrong with a clip is an outcome.
                raise DataError(
                    f"it cannot be made in a process of its own: {result.error}: {result.message}"
                )
            if result.outcome is None and len(positions) > 1:
                step = -(-len(positions) // _PARTS)
                parts += [positions[start : start + step] for start in range(0, len(positions), step)]
                continue
            if result.outcome is None:
                deaths.append(unreadable(one.dataset, positions[0], result.message))
                if len(deaths) > _MOST_DEATHS:
                    raise DataError(
                        *deaths[:-1], f"and others; after {_MOST_DEATHS} such clips no more are tried"
                    )
            clips = result.outcome or deaths[-1:]
            for position, clip in zip(positions, clips, strict=True):
                if isinstance(clip, str):
                    seen.unreadable[position] = clip
                else:
                    seen.fingerprints[position] = spill.take(position, clip)
            progress(len(seen.fingerprints) + len(seen.unreadable))
    seen.fingerprints = spill.give_back(seen.fingerprints)
    return seen


def _parts(n_clips: int, workers: int) -> list[list[int]]:
    size = min(max(-(-n_clips // (_PARTS * workers)), _LEAST), _MOST)
    return [list(range(start, min(start + size, n_clips))) for start in range(0, n_clips, size)]


def look_at_some(source: DatasetSource, positions: Iterable[int]) -> list[Fingerprint | str] | DataError:
    """Return what is seen of some clips, or what is wrong with each; called in a process of its own."""
    try:
        dataset = source.make_unchanged()
    except DataError as error:
        return error
    return [_seen(dataset, position) for position in positions]


def _seen(dataset: Dataset, position: int) -> Fingerprint | str:
    try:
        return look_at(dataset, position)
    except DataError as error:
        return str(error)


class _Spill:
    """Keeps the changes of fingerprints, which are most of them, in a temporary file that is read where it is used."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._file: IO[bytes] | None = None
        self._places: dict[int, tuple[int, tuple[int, ...]]] = {}

    def take(self, position: int, fingerprint: Fingerprint) -> Fingerprint:
        """Return a fingerprint without its changes, or as it is where there is no room on the disk."""
        with contextlib.suppress(OSError):
            if self._file is None:
                file = tempfile.TemporaryFile(prefix="actionbench-", buffering=0)  # noqa: SIM115 (closed by the stack)
                self._file = self._stack.enter_context(file)
            offset = self._file.seek(0, os.SEEK_END)
            if self._file.write(fingerprint.changes.tobytes()) == fingerprint.changes.size:
                self._places[position] = offset, fingerprint.changes.shape
                return replace(fingerprint, changes=fingerprint.changes[:0])
        return fingerprint

    def give_back(self, fingerprints: dict[int, Fingerprint]) -> dict[int, Fingerprint]:
        """Return fingerprints with their changes, as views of the file."""
        if self._file is None or not self._file.seek(0, os.SEEK_END):
            return fingerprints
        content = np.memmap(self._file, np.int8, "r")
        return fingerprints | {
            position: replace(fingerprints[position], changes=_view(content, *place))
            for position, place in self._places.items()
        }


def _view(content: NDArray[np.int8], offset: int, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return content[offset : offset + math.prod(shape)].reshape(shape)
