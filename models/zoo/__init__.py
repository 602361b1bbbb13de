"""Nets by name; each function returns a module."""

from .dense import mlp
from .image import alexnet, inception, overfeat
from .sequence import lstm_classifier
from .video import c3d, c3d_full, tiny3d

__all__ = ["alexnet", "c3d", "c3d_full", "inception", "lstm_classifier", "mlp", "overfeat", "tiny3d"]
