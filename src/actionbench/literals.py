"""Values that parameters of attempts may have; light, so that a plan knows them before anything is computed."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

__all__ = [
    "Aspect",
    "BelowOne",
    "CalibrationMethod",
    "Channel",
    "Criterion",
    "Flow",
    "Input",
    "NonNegative",
    "NonNegativeInt",
    "Pooling",
    "Positive",
    "PositiveInt",
    "ProbeKind",
    "Region",
    "Share",
    "View",
]

#: How probabilities are calibrated.
CalibrationMethod = Literal["temperature", "isotonic"]
#: What is histogrammed.
Channel = Literal["hog", "hof", "mbh", "hmg"]
#: Where motion is taken from.
Flow = Literal["dis", "farneback", "codec"]
#: What a grid of cells covers.
Region = Literal["person", "people", "frame"]
#: What a net sees of a video, and of which part of its frames.
Input = Literal["grey", "colour", "gradients", "flow"]
View = Literal["frame", "person"]
Aspect = Literal["kept", "squeezed"]
#: By what weights are pruned.
Criterion = Literal["magnitude", "obd", "random"]
#: What the vectors of a clip become, and the classifier on them.
Pooling = Literal["mean", "std", "delta", "thirds"]
ProbeKind = Literal["linear", "knn", "prototype"]

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
#: A share above none, and one below the whole.
Share = Annotated[float, Gt(0), Le(1)]
BelowOne = Annotated[float, Ge(0), Lt(1)]
