"""A data set at a glance: a sheet of frames, and counts of what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ...features.clip import Clip
from ..datasets.base import Dataset
from ..datasets.publication import compare_with_published
from ..datasets.splits import Split, usual_split
from .leaks import (
    audit,
    class_warnings,
    dataset_warnings,
    decoding_warnings,
    group_warnings,
    look_at_all,
    pair_warnings,
    protocol_warnings,
)
from .near_duplicates import Fingerprint
from .warnings import format_warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def contact_sheet(
    dataset: Dataset, path: str | Path | None = None, per_class: int = 1, frames: int = 8
) -> Figure:
    """Draw frames of some clips of each class.

    Parameters
    ----------
    dataset : Dataset
        What to look at.
    path : str or Path, optional
        A PNG file to write.
    per_class : int
        Rows of each class; its first clips, from different groups as far as there are.
    frames : int
        Frames of each clip, evenly spaced from its first to its last.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If ``per_class`` or ``frames`` is below 1, or the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if per_class < 1 or frames < 1:
        raise DataError(
            f"a contact sheet needs per_class and frames of at least 1, got {per_class} and {frames}"
        )
    rows = _chosen(dataset, per_class)
    first = dataset.load(rows[0])
    width = 1.5 * frames
    row_height = 1.5 * first.height / first.width + 0.3
    figure = Figure(figsize=(width, row_height * len(rows) + 0.1), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    strips = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, row in zip(strips, rows, strict=True):
        clip = first if row == rows[0] else dataset.load(row)
        _strip(strip, clip, frames, 0.26 / row_height, *_caption(dataset, row, clip))
    if path is not None:
        try:
            figure.savefig(Path(path), format="png", metadata={"Software": None})
        except OSError as error:
            raise DataError(f"the contact sheet {path} cannot be written: {error.strerror}") from error
    return figure


def _chosen(dataset: Dataset, per_class: int) -> list[int]:
    """Return the rows to show: of each class one clip from each of its first groups, then the others."""
    table = dataset.table
    rows: list[int] = []
    for name in dataset.classes:
        clips = table[table["label"] == name]
        turn = clips.groupby("group").cumcount()
        rows += [int(row) for row in turn.sort_values(kind="stable").index[:per_class]]
    return rows


def _caption(dataset: Dataset, row: int, clip: Clip) -> tuple[str, str]:
    name, label, group = (str(dataset.table[column][row]) for column in ("clip", "label", "group"))
    size = f"{clip.width} × {clip.height}, {len(clip)} frames at {clip.fps:g} per second"
    return _plain(label), _plain(f"{name}   group {group if dataset.groups_known else 'unknown'}   {size}")


def _plain(text: str) -> str:
    """Keep a dollar sign from starting a formula."""
    return text.replace("$", r"\$")


def _strip(strip: Any, clip: Clip, count: int, head: float, label: str, detail: str) -> None:
    axes = strip.subplots(1, count, squeeze=False)[0]
    strip.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=1 - head, wspace=0.03)
    title = strip.text(0.01, 1 - 0.28 * head, label, va="top", weight="bold", size=9)
    strip.canvas.draw()
    edge = title.get_window_extent().transformed(strip.transSubfigure.inverted()).x1
    strip.text(edge + 0.01, 1 - 0.32 * head, detail, va="top", size=7.5, color="0.35")
    shown = spread(len(clip), count)
    for axis in axes:
        axis.set_axis_off()
    for axis, frame in zip(axes, shown, strict=False):
        axis.imshow(clip.frames[frame], cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
        axis.text(
            0.02, 0.03, f"{frame / clip.fps:.2f} s", transform=axis.transAxes, size=6, color="white",
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "black", "alpha": 0.45, "linewidth": 0},
        )  # fmt: skip


def spread(length: int, count: int) -> list[int]:
    """Return at most ``count`` different frames, evenly from the first to the last."""
    return sorted({int(place) for place in np.linspace(0, length - 1, count).round()})


def describe(
    dataset: Dataset, fingerprints: Sequence[Fingerprint] | None = None, split: Split | None = None
) -> dict[str, Any]:
    """Count what is in a data set.

    Parameters
    ----------
    dataset : Dataset
        What to look at.
    fingerprints : sequence of Fingerprint, optional
        One per clip; by default each clip is decoded, one at a time.
    split : Split, optional
        That under which warnings are given; by default `usual_split`.

    Returns
    -------
    dict
        ``clips``: their number; ``classes``: clips of each; ``groups``: number of groups, None where unknown;
        ``clips_per_group``, ``frames``, ``seconds``: minimum, median and maximum; ``sizes``: clips of each width and
        height (``"80x60"``); ``fps``: clips of each frame rate; ``decoded_mib``: size of all frames in memory;
        ``fingerprint``: the hash of the data; ``published``: a sentence where the counts are those that were
        published, else None; ``split``: the name of the split; ``warnings``: sentences, as a run under that split has
        them.

    Raises
    ------
    DataError
        If clips cannot be read; it names each of them.
    """
    if fingerprints is None:
        fingerprints = look_at_all(dataset)
    split = split or usual_split(dataset)
    sizes = Counter(f"{one.width}x{one.height}" for one in fingerprints)
    rates = Counter(one.fps for one in fingerprints)
    groups = dataset.table["group"].value_counts()
    return {
        "clips": len(dataset),
        "classes": {
            str(name): int(count)
            for name, count in dataset.table["label"].value_counts().sort_index().items()
        },
        "groups": len(groups) if dataset.groups_known else None,
        "clips_per_group": _range(groups.tolist()) if dataset.groups_known else None,
        "frames": _range([one.n_frames for one in fingerprints]),
        "seconds": _range([one.n_frames / one.fps for one in fingerprints]),
        "sizes": dict(sizes.most_common()),
        "fps": {f"{rate:g}": count for rate, count in rates.most_common()},
        "decoded_mib": sum(one.n_bytes for one in fingerprints) / 2**20,
        "fingerprint": dataset.clips.fingerprint,
        "published": compare_with_published(dataset)[0],
        "split": None if split is None else split.label(),
        "warnings": _warnings(dataset, fingerprints, split),
    }


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"min": float(min(values)), "median": float(np.median(values)), "max": float(max(values))}


def _warnings(dataset: Dataset, fingerprints: Sequence[Fingerprint], split: Split | None) -> list[str]:
    if split is None:
        found = [
            *dataset_warnings(dataset),
            *class_warnings(dataset),
            *group_warnings(dataset),
            *decoding_warnings(dataset, fingerprints),
            *pair_warnings(dataset, fingerprints),
        ]
    else:
        found = [*protocol_warnings(dataset, split), *audit(dataset, split.folds(dataset), fingerprints)]
    return format_warnings(found)
