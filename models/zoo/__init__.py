"""Nets by name; each function returns a module."""

from .dense import mlp
from .video import tiny3d

__all__ = ["mlp", "tiny3d"]
