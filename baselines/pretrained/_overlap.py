"""The warning that a pretrained net may have seen test clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...features.net_description import NetDescription

__all__ = ["overlap_warning"]


def overlap_warning(net: Path, description: NetDescription) -> dict[str, str]:
    """Return the warning by its code; none where nothing is said of the training, or that nothing overlaps."""
    if not description.pretrained_on or description.overlap == "none":
        return {}
    return {
        "pretraining-overlap": f"{net.name} was trained on {description.pretrained_on}, which may hold classes or "
        'clips of this data set; where it does not, its TOML file may say overlap = "none".'
    }
