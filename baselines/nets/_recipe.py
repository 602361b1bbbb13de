"""The recipes by which nets on video are trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...literals import Aspect

__all__ = ["QUICK", "RECIPES", "THOROUGH", "Recipe", "RecipeName"]

RecipeName = Literal["quick", "thorough"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe sets; the names are those of the parameters of `ConvNet`, of `Training` and of `VolumeReader`."""

    epochs: int
    dropout: float
    label_smoothing: float
    learning_rate: float
    weight_decay: float
    batch_size: int
    frames: int
    rate: float
    zoom: float
    aspect: Aspect
    n_views: int
    mirrored_views: bool


#: A short schedule with little regularisation.
QUICK = Recipe(
    epochs=60,
    dropout=0.3,
    label_smoothing=0.1,
    learning_rate=5e-3,
    weight_decay=1e-2,
    batch_size=16,
    frames=16,
    rate=12.5,
    zoom=0.0,
    aspect="squeezed",
    n_views=5,
    mirrored_views=False,
)

#: A long schedule with strong regularisation, and more inputs at test.
THOROUGH = replace(
    QUICK,
    epochs=300,
    dropout=0.5,
    weight_decay=5e-2,
    frames=32,
    rate=25.0,
    zoom=0.25,
    aspect="kept",
    n_views=18,
    mirrored_views=True,
)

RECIPES: dict[RecipeName, Recipe] = {"quick": QUICK, "thorough": THOROUGH}
