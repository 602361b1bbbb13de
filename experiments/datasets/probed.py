"""A data set whose clips lack something, to find out what it asks for and what an attempt uses."""

from __future__ import annotations

import hashlib
from typing import Literal

from ...features.clip import Clip, Clips
from ...features.probes import PROBES, VERSION
from .base import Dataset
from .derived import Derived

#: Which clips lack something: all of them, or those that are tested.
Side = Literal["both", "test"]


class Probed(Derived):
    """A data set all of whose clips, or those that are tested, lack something.

    Parameters
    ----------
    dataset : Dataset
        The whole one.
    probe : str
        One of `PROBES`.
    side : {"both", "test"}
        ``"both"``: training and test clips lack it, which shows what the data offer without it. ``"test"``: test clips
        lack it, which shows how far an attempt relies on it.

    Examples
    --------
    >>> from .figures import Figures
    >>> figures = Figures(subjects=2, clips_per_subject=1)
    >>> first = Probed(figures, "first-third").clips[0]
    >>> len(figures.clips[0]), len(first), len(Probed(figures, "first-third", "test").clips[0])
    (48, 16, 48)
    """

    def __init__(self, dataset: Dataset, probe: str, side: Side = "both") -> None:
        super().__init__(dataset)
        self.probe, self.side = probe, side

    def load(self, index: int) -> Clip:
        """Return the clip of row ``index`` as it is trained on."""
        clip = self.whole.load(index)
        return PROBES[self.probe](clip) if self.side == "both" else clip

    def fingerprint(self, index: int) -> str:
        """Return a hash that changes whenever clip ``index`` would."""
        plain = self.whole.fingerprint(index)
        return _marked(plain, self.probe) if self.side == "both" else plain

    def fingerprint_of(self, plain: str) -> str:
        """Return a hash of the data set, from that of the whole one."""
        return _marked(plain, f"{self.probe} {self.side}")

    @property
    def test_clips(self) -> Clips:
        """All clips as they are tested."""
        return self.clips if self.side == "both" else Probed(self.whole, self.probe).clips


def without_probe(dataset: Dataset) -> Dataset:
    """Return a data set whose clips lack nothing."""
    return dataset.whole if isinstance(dataset, Probed) else dataset


def _marked(fingerprint: str, probe: str) -> str:
    return hashlib.sha256(f"{fingerprint} {probe} {VERSION}".encode()).hexdigest()
