"""Optimisers after Torch's ``optim``: ``x, losses = method(opfunc, x, state)``.

``opfunc(x)`` returns the loss and its gradient; ``x`` is a flat vector that is changed in place; ``state`` holds
the options (snake case) and what the method remembers between calls, so that it must not serve two runs.
"""

from .adaptive import adam, adamw
from .check import checkgrad
from .descent import sgd
from .schedule import cosine, one_cycle

__all__ = ["adam", "adamw", "checkgrad", "cosine", "one_cycle", "sgd"]
