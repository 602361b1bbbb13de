"""Whether a data set is the one that was published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Dataset


@dataclass(frozen=True)
class Publication:
    """What a published data set has.

    Attributes
    ----------
    title : str
        Its name.
    source : str
        Where the counts come from.
    clips, groups, classes : int or None
        Their numbers; None where none was published.
    clip, group : str
        What its clips and groups are called, in the plural.

    Examples
    --------
    >>> from .figures import Figures
    >>> figures = Figures(subjects=4, clips_per_subject=1)
    >>> Publication("Figures", "2026", clips=24, groups=4, classes=6, group="people").differences(figures)
    []
    >>> Publication("Figures", "2026", clips=25, classes=6).differences(figures)
    ['24 clips instead of 25']
    """

    title: str
    source: str
    clips: int | None = None
    groups: int | None = None
    classes: int | None = None
    clip: str = "clips"
    group: str = "groups"

    def differences(self, dataset: Dataset) -> list[str]:
        """Return each count of a data set that differs."""
        table = dataset.table
        counts = (
            (self.clip, len(table), self.clips),
            (self.group, table["group"].nunique(), self.groups),
            ("classes", table["label"].nunique(), self.classes),
        )
        return [
            f"{found:,} {what} instead of {published:,}"
            for what, found, published in counts
            if published is not None and found != published
        ]

    def __str__(self) -> str:
        counts = ((self.clip, self.clips), (self.group, self.groups), ("classes", self.classes))
        words = ", ".join(f"{number:,} {what}" for what, number in counts if number is not None)
        return f"{self.title} as published ({self.source}): {words}"


def compare_with_published(dataset: Dataset) -> tuple[str | None, str | None]:
    """Return a sentence that says that a data set is as it was published, or one that says what differs.

    Of several versions that were published the one that fits is named, else that with the fewest differences.
    """
    versions = [(version.differences(dataset), version) for version in dataset.publications]
    if not versions:
        return None, None
    different, version = min(versions, key=lambda one: len(one[0]))
    if not different:
        return f"This is {version}.", None
    return None, f"This is not {version}; it has {' and '.join(different)}."
