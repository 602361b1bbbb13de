"""CVAT for video: people as tracks of boxes, whose action is an attribute."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pandas as pd

from ....errors import DataError
from ..annotations import CROP, AnnotatedVideos


class Cvat(AnnotatedVideos):
    """Tracks of the format "CVAT for video 1.1"; as long as the attribute stays the same, a track is one clip.

    A clip shows what is inside of the smallest box about all boxes of its frames. The column ``track`` has the number
    of the track, ``object`` its label.

    Parameters
    ----------
    path : path
        The XML file.
    groups : str
        As in `AnnotatedVideos`; other attributes are columns.
    attribute : str, optional
        Which attribute has the action; by default the label of the track is the action.
    crop : bool
        Whether clips show the box, or the whole frame.
    **options
        As in `AnnotatedVideos`.
    """

    fixed_options = ("unit",)

    def __init__(
        self,
        path: str | Path,
        *,
        groups: str,
        attribute: str | None = None,
        crop: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(path, groups=groups, unit="frames", **options)
        self._attribute, self._crop = attribute, crop

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per piece of a track with one action."""
        try:
            root = ElementTree.parse(self.annotations).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise DataError(f"{self.annotations}: not an XML file of CVAT ({error})") from error
        source = root.findtext(".//meta//source")
        if not source or root.find("track") is None:
            raise DataError(
                f'{self.annotations}: has no track of a video; it must be exported as "CVAT for video 1.1"'
            )
        return pd.DataFrame(
            [row | {"path": source} for track in root.iter("track") for row in self._pieces(track)]
        )

    def _pieces(self, track: ElementTree.Element) -> Iterator[dict[str, Any]]:
        boxes = [_Box.of(box) for box in track.iter("box")]
        names = {name for box in boxes for name in box.attributes}
        if self._attribute is not None and boxes and self._attribute not in names:
            raise DataError(
                f"{self.annotations}: a track of {track.get('label')!r} has no attribute {self._attribute!r}; it has "
                f"{', '.join(sorted(names)) or 'none'}"
            )

        def kind(box: _Box) -> Any:
            action = track.get("label") if self._attribute is None else box.attributes[self._attribute]
            return box.is_outside, action

        pieces = [(*key, list(some)) for key, some in groupby(boxes, kind)]
        for number, (is_outside, action, some) in enumerate(pieces):
            if is_outside:
                continue
            # A box holds until the next one.
            end = pieces[number + 1][2][0].frame if number + 1 < len(pieces) else some[-1].frame + 1
            others = {key: value for key, value in some[0].attributes.items() if key != self._attribute}
            row = {"label": action, "start": some[0].frame, "end": end, "track": track.get("id", "")}
            if self._crop:
                lefts, tops, rights, bottoms = zip(*(box.corners for box in some), strict=True)
                row |= dict(zip(CROP, (min(lefts), min(tops), max(rights), max(bottoms)), strict=True))
            yield others | row | {"object": track.get("label", "")}


class _Box(NamedTuple):
    frame: int
    is_outside: bool
    corners: tuple[float, float, float, float]
    attributes: dict[str, str]

    @classmethod
    def of(cls, box: ElementTree.Element) -> _Box:
        corners = tuple(float(box.get(name, 0)) for name in ("xtl", "ytl", "xbr", "ybr"))
        attributes = {one.get("name", ""): one.text or "" for one in box.iter("attribute")}
        return cls(int(box.get("frame", 0)), box.get("outside") == "1", corners, attributes)  # type: ignore[arg-type]
