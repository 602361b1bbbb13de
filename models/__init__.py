"""Nets: the library ``nn``, optimisers (``optim``), known architectures (``zoo``), training, files and pictures."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import nn, optim, zoo
    from .export import to_onnx
    from .storage import load, save

__all__ = ["load", "nn", "optim", "save", "to_onnx", "zoo"]

# Whoever asks which kernels there are needs none of these.
_HOMES = {"load": ".storage", "save": ".storage", "to_onnx": ".export"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
