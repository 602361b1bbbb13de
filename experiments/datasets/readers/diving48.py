"""Diving48: dives without a difference in their scenes."""

from __future__ import annotations

import pandas as pd

from ._json import JsonAnnotations


class Diving48(JsonAnnotations):
    """Diving48 V2: ``[{"vid_name", "label", "start_frame", "end_frame"}]``, files ``<vid_name>.mp4``.

    ``groups = "source"`` is the video on YouTube that a clip was cut from.
    """

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per entry."""
        try:
            rows = [
                (one["vid_name"], one["label"], one["vid_name"].rpartition("_")[0]) for one in self.content()
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise self.refused("Diving48", error) from error
        return pd.DataFrame(rows, columns=["path", "label", "source"])
