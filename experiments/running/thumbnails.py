"""Film strips: a few frames of a clip side by side, as a picture small enough for a store to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...features.clip import Clip
from ..audit.preview import spread
from ..datasets.registry import dataset_registry, make_dataset
from ..isolation.fork_server import ForkServer
from ..isolation.pool import Task, run_isolated
from ..planning.cells import PlannedDataset, table_fingerprint
from ..store import Store

#: Frames of a strip, and pixels of each from top to bottom and from left to right, at most.
FRAMES, HEIGHT, WIDTH = 8, 64, 160

# Qualities to try until a strip takes at most so many bytes. For the same error JPEG is larger than WebP.
_QUALITIES, _BYTES = (60, 30, 10, 0), 10_000

#: A clip by the fingerprint of its data set and its position.
_Place = tuple[str, int]


def film_strip(clip: Clip) -> bytes:
    """Return frames of a clip side by side as a WebP picture.

    Parameters
    ----------
    clip : Clip
        The first frame, the last, and those evenly between, each once; a frame is scaled down to `HEIGHT` and `WIDTH`
        where it is larger.
    """
    from PIL import Image

    scale = min(1.0, HEIGHT / clip.height, WIDTH / clip.width)
    size = max(1, round(scale * clip.width)), max(1, round(scale * clip.height))
    frames = [Image.fromarray(clip.frames[place]) for place in spread(len(clip), FRAMES)]
    scaled = [np.asarray(frame.resize(size, Image.Resampling.LANCZOS)) for frame in frames]
    strip = Image.fromarray(np.concatenate(scaled, axis=1))
    for quality in _QUALITIES:
        file = BytesIO()
        strip.save(file, "WEBP", quality=quality)
        if file.tell() <= _BYTES:
            break
    return file.getvalue()


def keep_strips(
    store: Store,
    wanted: Iterable[tuple[int, PlannedDataset, list[int]]],
    *,
    plugins: Iterable[str | Path] = (),
    fork_server: ForkServer | None = None,
) -> None:
    """Make the film strips that a store lacks, and take away those of its data sets that are not wanted.

    Clips are decoded in a process of their own. One that cannot be decoded has no strip.

    Parameters
    ----------
    store : Store
        Where they are kept.
    wanted : iterable of (int, PlannedDataset, list of int)
        Number of a data set in the store, the data set, and positions of clips.
    plugins : iterable of path
        As for `plan_cells`.
    fork_server : ForkServer, optional
        As for `run_isolated`.
    """
    lacking: dict[_Place, PlannedDataset] = {}
    gaps: list[tuple[int, list[_Place]]] = []
    for number, data, positions in wanted:
        store.drop_strips(number, but=positions)
        known = store.strips(number)
        places = [(data.fingerprint, position) for position in positions if position not in known]
        lacking.update(dict.fromkeys(places, data))
        gaps.append((number, places))
    if lacking:
        made = _made(lacking, [str(Path(path).resolve()) for path in plugins], fork_server)
        for number, places in gaps:
            store.add_strips(number, {place[1]: made[place] for place in places if place in made})


def _made(
    lacking: Mapping[_Place, PlannedDataset], plugins: list[str], fork_server: ForkServer | None
) -> dict[_Place, bytes]:
    """Return strips of the clips that can be decoded: all by one process, or where that dies each by its own."""
    made: dict[_Place, bytes] = {}
    for attempt in ([list(lacking)], [[place] for place in lacking]):
        tasks = (Task("strips", _draw, (plugins, _asked(lacking, places))) for places in attempt)
        outcomes = [result.outcome for _, result in run_isolated(tasks, fork_server=fork_server)]
        for outcome in outcomes:
            made.update(outcome or {})
        if None not in outcomes:
            break
    return made


def _asked(lacking: Mapping[_Place, PlannedDataset], places: list[_Place]) -> list[tuple[Any, ...]]:
    """Return what makes each data set in another process, with the positions of some of its clips."""
    parts: dict[str, list[int]] = {}
    for fingerprint, position in places:
        parts.setdefault(fingerprint, []).append(position)
    data = [lacking[fingerprint, positions[0]] for fingerprint, positions in parts.items()]
    return [
        (one.fingerprint, one.entry.name, one.entry.options, one.table_fingerprint, parts[one.fingerprint])
        for one in data
    ]


def _draw(plugins: list[str], asked: list[tuple[Any, ...]]) -> dict[_Place, bytes]:
    registry, made = dataset_registry(plugins), {}
    for fingerprint, name, options, of_table, positions in asked:
        # What a plug-in or a decoder raises must not end a run.
        with suppress(Exception):
            dataset = make_dataset(registry.get(name), name, options)
            if table_fingerprint(dataset) != of_table:
                continue
            for position in positions:
                with suppress(Exception):
                    made[fingerprint, position] = film_strip(dataset.load(position))
    return made
