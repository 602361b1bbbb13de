"""A data set without the clips that cannot be decoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...features.clip import Clip
from .base import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .publication import Publication


class WithoutClips(Dataset):
    """A data set without some of its clips.

    Parameters
    ----------
    dataset : Dataset
        The whole one.
    reasons : mapping of str to str
        Why each clip that is left out cannot be used, by its name.

    Examples
    --------
    >>> from .figures import Figures
    >>> figures = Figures(subjects=2, clips_per_subject=1)
    >>> smaller = WithoutClips(figures, {figures.table["clip"][0]: "it is damaged"})
    >>> len(figures), len(smaller), smaller.labels[0] == figures.labels[1]
    (12, 11, True)
    """

    def __init__(self, dataset: Dataset, reasons: Mapping[str, str]) -> None:
        self.whole, self.reasons = dataset, reasons
        self._kept = np.flatnonzero(~dataset.table["clip"].isin(list(reasons)).to_numpy())
        self.groups_known, self.decoding = dataset.groups_known, dataset.decoding

    @property
    def publications(self) -> Sequence[Publication]:  # type: ignore[override]
        """What was published under the name of the data set."""
        return self.whole.publications

    @property
    def published_folds_are_alternatives(self) -> bool:  # type: ignore[override]
        """Whether each published fold is a protocol of its own."""
        return self.whole.published_folds_are_alternatives

    @property
    def left_out(self) -> str:
        """Which clips are missing, in words."""
        return (
            f"Left out: {len(self.reasons)} of {len(self.whole)} clips, which cannot be decoded: "
            f"{', '.join(self.reasons)}."
        )

    @property
    def warnings(self) -> list[str]:
        """Sentences below every table that is made from this data set."""
        return self.whole.warnings

    def read_table(self) -> pd.DataFrame:
        """Return the rows of the clips that are used."""
        return self.whole.table.iloc[self._kept]

    def load(self, index: int) -> Clip:
        """Return the clip of row ``index``."""
        return self.whole.load(int(self._kept[index]))

    def fingerprint(self, index: int) -> str:
        """Return a hash that changes whenever clip ``index`` would."""
        return self.whole.fingerprint(int(self._kept[index]))

    def files(self) -> list[Path] | None:
        """Return the files and folders of the whole data set."""
        return self.whole.files()

    def published_folds(self) -> Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return the folds of the whole data set, as far as the clips are used."""
        return {
            name: (np.asarray(train)[self._kept], np.asarray(test)[self._kept])
            for name, (train, test) in self.whole.published_folds().items()
        }


def without(dataset: Dataset, reasons: Mapping[str, str] | None) -> Dataset:
    """Return a data set without the clips for which there are reasons."""
    return WithoutClips(dataset, reasons) if reasons else dataset


def described_class(dataset: Dataset) -> type[Any]:
    """Return the class that reads a data set."""
    return type(dataset.whole) if isinstance(dataset, WithoutClips) else type(dataset)
