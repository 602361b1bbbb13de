"""The net library: ``nn`` (modules and criteria), ``optim``, ``zoo``, the training loop, nets on disk, pictures."""

from . import nn, optim, zoo
from .export import to_onnx
from .storage import load, save

__all__ = ["load", "nn", "optim", "save", "to_onnx", "zoo"]
