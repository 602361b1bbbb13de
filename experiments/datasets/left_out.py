"""A data set without the clips that cannot be decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...features.clip import Clip
from .base import Dataset
from .derived import Derived


class WithoutClips(Derived):
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
        super().__init__(dataset)
        self.reasons = reasons
        self._kept = np.flatnonzero(~dataset.table["clip"].isin(list(reasons)).to_numpy())

    @property
    def left_out(self) -> str:
        """Which clips are missing, in words."""
        return (
            f"Left out: {len(self.reasons)} of {len(self.whole)} clips, which cannot be decoded: "
            f"{', '.join(self.reasons)}."
        )

    def read_table(self) -> pd.DataFrame:
        """Return the rows of the clips that are used."""
        return self.whole.table.iloc[self._kept]

    def load(self, index: int) -> Clip:
        """Return the clip of row ``index``."""
        return self.whole.load(int(self._kept[index]))

    def fingerprint(self, index: int) -> str:
        """Return a hash that changes whenever clip ``index`` would."""
        return self.whole.fingerprint(int(self._kept[index]))

    def published_folds(self) -> Mapping[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Return the folds of the whole data set, as far as the clips are used."""
        return {
            name: (np.asarray(train)[self._kept], np.asarray(test)[self._kept])
            for name, (train, test) in self.whole.published_folds().items()
        }


def without(dataset: Dataset, reasons: Mapping[str, str] | None) -> Dataset:
    """Return a data set without the clips for which there are reasons."""
    return WithoutClips(dataset, reasons) if reasons else dataset
