"""Segments of long videos, from predictions of their windows, as tables, annotations and pictures."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError
from .prediction import Prediction
from .rejection import NONE

__all__ = ["Segment", "check_outputs", "find_segments", "write_segments"]

# What XML 1.0 cannot hold.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Largest number of clips in one picture.
_MAX_ROWS = 200


@dataclass(frozen=True)
class Segment:
    """A part of a video with one label.

    Attributes
    ----------
    clip : str
        The file.
    start, end : float
        In seconds.
    label : str
        The class, or ``"none of these"``.
    probability : float or None
        Mean of that of the class; None where there is no class.
    """

    clip: str
    start: float
    end: float
    label: str
    probability: float | None


def find_segments(predictions: Sequence[Prediction], min_seconds: float = 0.0) -> list[Segment]:
    """Join windows of equal label.

    At each moment the window counts whose middle is nearest, as in an annotated video.

    Parameters
    ----------
    predictions : sequence of Prediction
        Of one video, in order of time, from `predict_video`.
    min_seconds : float
        The shortest segment, and then the next, is given to the longer one beside it while it is shorter than this.

    Returns
    -------
    list of Segment
        Without gaps, from the start of the first window to the end of the last; neighbours differ in their labels.
    """
    if not predictions:
        return []
    bounds = _bounds(predictions)
    labels = [one.label for one in predictions]
    while True:
        runs = _runs(labels)
        lengths = [bounds[stop] - bounds[start] for start, stop in runs]
        shortest = int(np.argmin(lengths))
        if len(runs) == 1 or lengths[shortest] >= min_seconds:
            return [_segment(predictions, bounds, labels[start], start, stop) for start, stop in runs]
        beside = [number for number in (shortest - 1, shortest + 1) if 0 <= number < len(runs)]
        longer = max(beside, key=lengths.__getitem__)
        start, stop = runs[shortest]
        labels[start:stop] = [labels[runs[longer][0]]] * (stop - start)


def _bounds(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """Return where the parts of a video begin in which one window counts, and its end, in seconds."""
    middles = np.array([(one.start + one.end) / 2 for one in predictions])
    between = (middles[1:] + middles[:-1]) / 2
    return np.array([predictions[0].start, *between, predictions[-1].end])


def _runs(labels: Sequence[str]) -> list[tuple[int, int]]:
    changes = [number for number in range(1, len(labels)) if labels[number] != labels[number - 1]]
    return list(pairwise([0, *changes, len(labels)]))


def _segment(
    predictions: Sequence[Prediction], bounds: NDArray[np.float64], label: str, start: int, stop: int
) -> Segment:
    probability = None
    if label != NONE:
        shares = [one.probabilities[label] for one in predictions[start:stop]]
        probability = float(np.average(shares, weights=np.diff(bounds[start : stop + 1])))
    return Segment(predictions[start].clip, float(bounds[start]), float(bounds[stop]), label, probability)


def check_outputs(outputs: Sequence[str | Path], clips: Sequence[str | Path]) -> None:
    """Refuse files of segments whose kind is unknown, or that cannot hold so many clips.

    Raises
    ------
    ActionbenchError
        In one sentence that names the file.
    """
    for output in map(Path, outputs):
        suffix = output.suffix.lower()
        if suffix not in _WRITERS:
            raise ActionbenchError(
                f"{output}: segments are written as {', '.join(_WRITERS)}; its name must end with one of these"
            )
        if suffix == ".eaf" and len(clips) != 1:
            raise ActionbenchError(f"{output}: a file of ELAN is for one clip, got {len(clips)}")
        if suffix in _PICTURES and len(clips) > _MAX_ROWS:
            raise ActionbenchError(f"{output}: a picture has up to {_MAX_ROWS} clips, got {len(clips)}")
        if not output.parent.is_dir():
            raise ActionbenchError(f"{output}: there is no folder {output.parent}; make it first")


def write_segments(segments: Sequence[Segment], output: str | Path) -> None:
    """Write segments as the name of a file says.

    Parameters
    ----------
    segments : sequence of Segment
        Of one clip or several, in their order.
    output : path
        ``.csv`` or ``.json`` (a row or record per segment), ``.eaf`` (a tier ``actions`` of ELAN, for one clip), or a
        timeline as ``.png`` or ``.svg``. A file that is there is replaced.

    Raises
    ------
    ActionbenchError
        If the kind is unknown, or the file cannot be written.
    """
    output = Path(output)
    check_outputs([output], list(dict.fromkeys(one.clip for one in segments)))
    try:
        _WRITERS[output.suffix.lower()](segments, output)
    except OSError as error:
        raise ActionbenchError(
            f"{output}: the segments cannot be written there ({error.strerror})"
        ) from error


def _write_csv(segments: Sequence[Segment], output: Path) -> None:
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Segment)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, segments))


def _write_json(segments: Sequence[Segment], output: Path) -> None:
    text = json.dumps([asdict(one) for one in segments], indent=1, ensure_ascii=False)
    output.write_text(text + "\n", encoding="utf-8")


def _write_eaf(segments: Sequence[Segment], output: Path) -> None:
    video = Path(segments[0].clip)
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "actionbench",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = ElementTree.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    relative = Path(os.path.relpath(video.absolute(), output.absolute().parent)).as_posix()
    ElementTree.SubElement(
        header,
        "MEDIA_DESCRIPTOR",
        {
            "MEDIA_URL": video.absolute().as_uri(),
            "MIME_TYPE": "video/mp4" if video.suffix.lower() == ".mp4" else "unknown",
            "RELATIVE_MEDIA_URL": f"./{quote(relative)}",
        },
    )
    order = ElementTree.SubElement(root, "TIME_ORDER")
    tier = ElementTree.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": "actions"})
    for number, one in enumerate(segments):
        names = [f"ts{2 * number + 1}", f"ts{2 * number + 2}"]
        for name, seconds in zip(names, (one.start, one.end), strict=True):
            slot = {"TIME_SLOT_ID": name, "TIME_VALUE": str(round(1000 * seconds))}
            ElementTree.SubElement(order, "TIME_SLOT", slot)
        annotation = ElementTree.SubElement(
            ElementTree.SubElement(tier, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            {"ANNOTATION_ID": f"a{number + 1}", "TIME_SLOT_REF1": names[0], "TIME_SLOT_REF2": names[1]},
        )
        ElementTree.SubElement(annotation, "ANNOTATION_VALUE").text = _NO_XML.sub("\ufffd", one.label)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"}
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", kind)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(output, encoding="UTF-8", xml_declaration=True)


def _write_timeline(segments: Sequence[Segment], output: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    clips = list(dict.fromkeys(one.clip for one in segments))
    colours = dict(_colours(sorted({one.label for one in segments})))
    rows = -(-len(colours) // 4)
    figure = Figure(figsize=(9, 0.9 + 0.42 * len(clips) + 0.25 * rows), layout="constrained")
    axes = figure.subplots()
    for one in segments:
        where = (one.start, one.end - one.start), (clips.index(one.clip) - 0.4, 0.8)
        axes.broken_barh([where[0]], where[1], color=colours[one.label], edgecolor="white", linewidth=0.5)
    with matplotlib.rc_context({"text.parse_math": False, "svg.hashsalt": "actionbench"}):
        axes.set_yticks(range(len(clips)), [Path(clip).name for clip in clips])
        axes.set_ylim(len(clips) - 0.5, -0.5)
        axes.set_xlim(min(one.start for one in segments), max(one.end for one in segments))
        axes.set_xlabel("seconds")
        axes.spines[["top", "right", "left"]].set_visible(False)
        patches = [Patch(color=colour, label=label) for label, colour in colours.items()]
        figure.legend(handles=patches, loc="outside upper left", ncols=min(4, len(patches)), frameon=False)
        facts: dict[str, Any] = {"Date": None} if output.suffix.lower() == ".svg" else {"Software": None}
        figure.savefig(output, dpi=150, metadata=facts)


def _colours(labels: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield labels with distinct colours, grey for what is none of the classes."""
    import matplotlib

    classes = [label for label in labels if label != NONE]
    if len(classes) <= 10:
        palette = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    else:
        palette = matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, len(classes)))
    yield from zip(classes, palette, strict=False)
    if NONE in labels:
        yield NONE, "0.8"


_PICTURES = (".png", ".svg")
_WRITERS: dict[str, Callable[[Sequence[Segment], Path], None]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".eaf": _write_eaf,
    **dict.fromkeys(_PICTURES, _write_timeline),
}
