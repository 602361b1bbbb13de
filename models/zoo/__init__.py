"""Nets by name; each function returns a module."""

from .dense import mlp
from .image import alexnet, inception, overfeat, tiny2d
from .sequence import lstm_classifier, pose_tcn
from .video import c3d, c3d_full, frames_lstm, inception3d, s3d_small, tiny3d

__all__ = [
    "alexnet",
    "c3d",
    "c3d_full",
    "frames_lstm",
    "inception",
    "inception3d",
    "lstm_classifier",
    "mlp",
    "overfeat",
    "pose_tcn",
    "s3d_small",
    "tiny2d",
    "tiny3d",
]
