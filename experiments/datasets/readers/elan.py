"""ELAN: annotations of the tiers of ``.eaf`` files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pandas as pd

from ....errors import DataError
from ..annotations import AnnotatedVideos


class Elan(AnnotatedVideos):
    """Pieces of videos that are annotated on a tier of ELAN (Max Planck Institute for Psycholinguistics).

    A column ``participant`` has what the tier says of its participant, for ``groups = "participant"``; ``tier`` and
    ``media`` are further ones.

    Parameters
    ----------
    path : path
        An ``.eaf`` file, or a folder of such.
    groups : str
        As in `AnnotatedVideos`.
    tier : str, optional
        Name of the tier whose annotations are the labels, or its linguistic type; needed where several have any.
    **options
        As in `AnnotatedVideos`.
    """

    takes_folder = True

    def __init__(self, path: str | Path, *, groups: str, tier: str | None = None, **options: Any) -> None:
        super().__init__(path, groups=groups, **options)
        self._tier = tier

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per annotation of the tier."""
        rows = [row for file in self.annotation_files(".eaf") for row in self._rows_of(file)]
        return pd.DataFrame(rows, columns=["path", "label", "start", "end", "participant", "tier"])

    def _rows_of(self, file: Path) -> Iterator[tuple[Any, ...]]:
        try:
            root = ElementTree.parse(file).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise DataError(f"{file}: not a file of ELAN ({error})") from error
        media = root.find("HEADER/MEDIA_DESCRIPTOR")
        if media is None:
            raise DataError(f"{file}: names no video; link one in ELAN")
        url = media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or ""
        video = unquote(url).replace("\\", "/").removeprefix("file://").removeprefix("./").rsplit("/", 1)[-1]
        shift = float(media.get("TIME_ORIGIN") or 0)
        slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
        times = _times(root, slots)
        for tier in self._tiers(file, root):
            for annotation in _annotations(tier):
                start, end = times.get(annotation.get("ANNOTATION_ID"), (None, None))
                if start is None or end is None:
                    continue
                limits = ((float(time) + shift) / 1000 for time in (start, end))
                label = annotation.findtext("ANNOTATION_VALUE") or ""
                yield video, label, *limits, tier.get("PARTICIPANT") or "", tier.get("TIER_ID")

    def _tiers(self, file: Path, root: ElementTree.Element) -> list[ElementTree.Element]:
        used = [tier for tier in root.iter("TIER") if any(True for _ in _annotations(tier))]
        wanted = [
            tier
            for tier in used
            if self._tier in (tier.get("TIER_ID"), tier.get("LINGUISTIC_TYPE_REF")) or self._tier is None
        ]
        names = ", ".join(repr(tier.get("TIER_ID")) for tier in used)
        if self._tier is None and len(used) > 1:
            raise DataError(f"{file}: has annotations on the tiers {names}; tier must be one of these")
        if not wanted and self._tier is not None:
            raise DataError(
                f"{file}: there is no annotation on a tier {self._tier!r}, but on {names or 'none'}"
            )
        return wanted


def _annotations(tier: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for annotation in tier.iter("ANNOTATION"):
        yield from annotation


def _times(root: ElementTree.Element, slots: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """Return start and end of each annotation; one that refers to another has the times of that."""
    times = {
        annotation.get("ANNOTATION_ID"): tuple(slots.get(annotation.get(f"TIME_SLOT_REF{n}")) for n in (1, 2))
        for annotation in root.iter("ALIGNABLE_ANNOTATION")
    }
    references = {one.get("ANNOTATION_ID"): one.get("ANNOTATION_REF") for one in root.iter("REF_ANNOTATION")}
    for name in references:
        ancestor, seen = name, set[Any]()
        while ancestor in references and ancestor not in seen:
            seen.add(ancestor)
            ancestor = references[ancestor]
        times[name] = times.get(ancestor, (None, None))
    return times  # type: ignore[return-value]
