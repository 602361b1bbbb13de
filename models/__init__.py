"""The net library: ``nn`` (modules and criteria), ``optim``, ``zoo`` and the training loop."""

from . import nn, optim, zoo

__all__ = ["nn", "optim", "zoo"]
