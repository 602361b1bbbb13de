"""Something-Something v2: templates of what is done with objects."""

from __future__ import annotations

import re

import pandas as pd

from ._json import JsonAnnotations


class SomethingSomething(JsonAnnotations):
    """Something-Something v2: ``[{"id", "label", "template", "placeholders"}]``, files ``<id>.webm``.

    The label is the template without its brackets; who filmed a clip is not published, so ``groups = "none"``.
    """

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per entry."""
        try:
            rows = [
                {"path": f"{one['id']}.webm", "label": re.sub(r"[\[\]]", "", one["template"])}
                for one in self.content()
            ]
        except (KeyError, TypeError) as error:
            raise self.refused("Something-Something v2", error) from error
        return pd.DataFrame(rows, columns=["path", "label"])
