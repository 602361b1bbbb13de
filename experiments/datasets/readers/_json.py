"""Annotations in JSON of a known structure."""

from __future__ import annotations

import json
from typing import Any

from ....errors import DataError
from ..annotations import AnnotatedVideos


class JsonAnnotations(AnnotatedVideos):
    """Annotations in JSON of a known structure."""

    def content(self) -> Any:
        """Return what the file has."""
        try:
            return json.loads(self.annotations.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.annotations}: not a JSON file ({error})") from error

    def refused(self, what: str, error: Exception) -> DataError:
        """Return what to raise where the file has another structure."""
        return DataError(f"{self.annotations}: not annotations of {what} ({type(error).__name__}: {error})")
