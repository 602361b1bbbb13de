"""Values that parameters of attempts have by name; light, so that a plan knows them before anything is computed."""

from __future__ import annotations

from typing import Literal

__all__ = ["Aspect", "CalibrationMethod", "Channel", "Criterion", "Input", "Region", "View"]

#: How probabilities are calibrated.
CalibrationMethod = Literal["temperature", "isotonic"]
#: What is histogrammed.
Channel = Literal["hog", "hof", "mbh"]
#: What a grid of cells covers.
Region = Literal["person", "people", "frame"]
#: What a net sees of a video, and of which part of its frames.
Input = Literal["grey", "colour", "gradients", "flow"]
View = Literal["frame", "person"]
Aspect = Literal["kept", "squeezed"]
#: By what weights are pruned.
Criterion = Literal["magnitude", "obd", "random"]
