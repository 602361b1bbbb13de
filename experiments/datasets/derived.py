"""Data sets that are made from another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from ...features.clip import Clip
from .base import Dataset

if TYPE_CHECKING:
    from .publication import Publication


class Derived(Dataset):
    """A data set made from another one, all of which it takes over.

    Parameters
    ----------
    whole : Dataset
        The other one.
    """

    def __init__(self, whole: Dataset) -> None:
        self.whole = whole
        self.groups_known, self.decoding = whole.groups_known, whole.decoding

    @property
    def publications(self) -> Sequence[Publication]:  # type: ignore[override]
        """What was published under the name of the data set."""
        return self.whole.publications

    @property
    def published_folds_are_alternatives(self) -> bool:  # type: ignore[override]
        """Whether each published fold is a protocol of its own."""
        return self.whole.published_folds_are_alternatives

    @property
    def warnings(self) -> list[str]:
        """Sentences below every table that is made from this data set."""
        return self.whole.warnings

    @property
    def has_poses(self) -> bool:
        """Whether clips come with the pose of people."""
        return self.whole.has_poses

    def read_table(self) -> pd.DataFrame:
        """Return the rows."""
        return self.whole.table

    def load(self, index: int) -> Clip:
        """Return the clip of row ``index``."""
        return self.whole.load(index)

    def fingerprint(self, index: int) -> str:
        """Return a hash that changes whenever clip ``index`` would."""
        return self.whole.fingerprint(index)

    def files(self) -> list[Path] | None:
        """Return the files and folders."""
        return self.whole.files()

    def published_folds(self) -> Mapping[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Return the published folds."""
        return self.whole.published_folds()


def original_class(dataset: Dataset) -> type[Dataset]:
    """Return the class of the data set that one is made from."""
    return original_class(dataset.whole) if isinstance(dataset, Derived) else type(dataset)
