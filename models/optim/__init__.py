"""Optimisers after Torch's ``optim``: ``x, losses = method(opfunc, x, state)``.

``opfunc(x)`` returns the loss and its gradient, which is left as it is. ``x`` is a flat vector of floats, changed in
place. ``state`` holds the options, named in snake case and described with each method, and what the method remembers
between calls: numbers, arrays and lists of arrays, and a NumPy generator under ``rng`` where there is chance. So a
state can be saved, and must not serve two runs. ``func_eval`` counts the evaluations. What a method does not know
is refused; an option may be spelled as Torch does, ``maxIter`` for ``max_iter``. Each method has the option ``verbose``
(False), which prints the loss after each evaluation.

A weight decay is added to the gradient, but for `adamw`. Methods of one step return the loss before it; `cg`, `lbfgs`,
`cmaes` and `de` run to an end of their own and return the losses on the way.
"""

from typing import TYPE_CHECKING

from ..nn import torch_names
from .adaptive import adadelta, adagrad, adam, adamax, adamw, rmsprop, rprop
from .check import checkgrad
from .conjugate import cg
from .descent import asgd, beta_lasso, nag, sgd
from .evolution import cmaes, de
from .line_search import polyinterp
from .quasi_newton import lbfgs
from .schedule import cosine, exponential, linear_warm_up, multi_step, one_cycle, polynomial, step_decay

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "beta_lasso",
    "cg",
    "checkgrad",
    "cmaes",
    "cosine",
    "de",
    "exponential",
    "lbfgs",
    "linear_warm_up",
    "multi_step",
    "nag",
    "one_cycle",
    "polyinterp",
    "polynomial",
    "rmsprop",
    "rprop",
    "sgd",
    "step_decay",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise AttributeError(torch_names.answer("optim", name, torch_names.OF_OPTIM))
