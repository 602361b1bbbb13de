"""Thumbnails: film strips of a few frames of a clip, each a picture small enough for a store to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from operator import itemgetter

import numpy as np

from ...features.clip import Clip
from ..audit.preview import spread
from ..isolation.fork_server import ForkServer
from ..isolation.pool import Task, run_isolated
from ..planning.cells import DatasetSource, PlannedDataset
from ..store import Store

#: Frames of a strip, and pixels of each from top to bottom and from left to right, at most.
FRAMES, HEIGHT, WIDTH = 8, 96, 160
# Pixels between frames, and their grey.
_GAP, _GREY = 4, 128

# Qualities to try until a strip takes at most so many bytes. For the same error JPEG is larger than WebP.
_QUALITIES, _BYTES = (60, 30, 10, 0), 15_000

#: A clip by the fingerprint of its data set and its position.
_Key = tuple[str, int]


@dataclass(frozen=True)
class WantedThumbnails:
    """A data set with its number in a store, and the positions of the clips that get thumbnails there."""

    dataset_id: int
    data: PlannedDataset
    positions: list[int]


def film_strip(clip: Clip) -> bytes:
    """Return frames of a clip side by side as a WebP picture.

    Parameters
    ----------
    clip : Clip
        The first frame, the last, and those evenly between, each once, with a gap between them; a frame is scaled down
        to `HEIGHT` and `WIDTH` where it is larger.
    """
    from PIL import Image

    scale = min(1.0, HEIGHT / clip.height, WIDTH / clip.width)
    size = max(1, round(scale * clip.width)), max(1, round(scale * clip.height))
    frames = [Image.fromarray(clip.frames[frame]) for frame in spread(len(clip), FRAMES)]
    scaled = [np.asarray(frame.resize(size, Image.Resampling.LANCZOS)) for frame in frames]
    gap = np.full((size[1], _GAP, *scaled[0].shape[2:]), _GREY, np.uint8)
    parts = [part for frame in scaled for part in (gap, frame)]
    strip = Image.fromarray(np.concatenate(parts[1:], axis=1))
    for quality in _QUALITIES:
        file = BytesIO()
        strip.save(file, "WEBP", quality=quality)
        if file.tell() <= _BYTES:
            break
    return file.getvalue()


def keep_thumbnails(
    store: Store,
    wanted: Iterable[WantedThumbnails],
    *,
    plugins: list[str],
    fork_server: ForkServer | None = None,
) -> None:
    """Make the thumbnails that a store lacks, and remove those of its data sets that are not wanted.

    Clips are decoded in a process of their own. One that cannot be decoded has none.

    Parameters
    ----------
    store : Store
        Where they are kept.
    wanted : iterable of WantedThumbnails
        For each data set under each split.
    plugins : list of str
        Python files with data sets.
    fork_server : ForkServer, optional
        As for `run_isolated`.
    """
    sources: dict[str, DatasetSource] = {}
    lacking: dict[int, list[_Key]] = {}
    for one in wanted:
        store.drop_thumbnails(one.dataset_id, but=one.positions)
        known = store.thumbnails(one.dataset_id)
        fingerprint = one.data.fingerprint
        sources[fingerprint] = one.data.source(plugins)
        lacking[one.dataset_id] = [
            (fingerprint, position) for position in one.positions if position not in known
        ]
    keys = list(dict.fromkeys(key for keys in lacking.values() for key in keys))
    made = _made(sources, keys, fork_server) if keys else {}
    for dataset_id, wished in lacking.items():
        store.add_thumbnails(dataset_id, {key[1]: made[key] for key in wished if key in made})


def _made(
    sources: Mapping[str, DatasetSource], keys: list[_Key], fork_server: ForkServer | None
) -> dict[_Key, bytes]:
    """Return thumbnails of the clips that can be decoded: all by one process, or where that dies each by its own."""
    made: dict[_Key, bytes] = {}
    for parts in ([keys], [[key] for key in keys]):
        tasks = (Task("thumbnails", _film_strips, (sources, part)) for part in parts)
        outcomes = [result.outcome for _, result in run_isolated(tasks, fork_server=fork_server)]
        for outcome in outcomes:
            made.update(outcome or {})
        if None not in outcomes:
            break
    return made


def _film_strips(sources: Mapping[str, DatasetSource], keys: list[_Key]) -> dict[_Key, bytes]:
    made = {}
    for fingerprint, ours in groupby(keys, key=itemgetter(0)):
        # What a plug-in or a decoder raises must not end a run.
        with suppress(Exception):
            dataset = sources[fingerprint].make_unchanged()
            for key in ours:
                with suppress(Exception):
                    made[key] = film_strip(dataset.load(key[1]))
    return made
