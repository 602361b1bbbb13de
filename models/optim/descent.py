"""Gradient descent: one rate for all parameters, with momentum, an average, or weights that become zero."""

from __future__ import annotations

import numpy as np

from ..nn import functional
from .contract import Array, OpFunc, Result, State, decayed, evaluate, memory, method


@method("velocity")
def sgd(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1e-3,
    learning_rate_decay: float = 0.0,
    weight_decay: float | Array = 0.0,
    momentum: float = 0.0,
    dampening: float | None = None,
    nesterov: bool = False,
) -> Result:
    """Go one step down the gradient, as Torch's ``optim.sgd``.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray, shape (n,)
        Changed in place.
    state : dict
        Options ``learning_rate`` (1e-3; a number, or one per parameter), ``learning_rate_decay`` (0),
        ``weight_decay`` (0; a number, or one per parameter), ``momentum`` (0), ``dampening`` (the momentum; PyTorch
        has 0), ``nesterov`` (False: Sutskever et al. 2013, as rewritten by Bengio et al. 2012). Remembers
        ``velocity``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss before the step.

    Raises
    ------
    ValueError
        If ``nesterov`` comes without momentum or with dampening, or an option makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = sgd(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.25})
    >>> x, losses
    (array([0.5]), [1.0])
    """
    dampening = momentum if dampening is None else dampening
    if nesterov and (momentum == 0 or dampening != 0):
        raise ValueError("nesterov needs momentum > 0 and dampening = 0")
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    if momentum:
        is_first = "velocity" not in state
        velocity = memory(state, "velocity", x)
        velocity *= momentum
        velocity += gradient if is_first else (1 - dampening) * gradient
        gradient = gradient + momentum * velocity if nesterov else velocity
    rate = decayed(state, learning_rate, learning_rate_decay)
    if np.ndim(rate) == 0 and x.flags.c_contiguous:
        functional.descend(x, gradient, rate)
    else:
        x -= rate * gradient
    return x, [loss]


@method("velocity")
def nag(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1e-3,
    learning_rate_decay: float = 0.0,
    weight_decay: float | Array = 0.0,
    momentum: float = 0.9,
) -> Result:
    """Take one step of Nesterov's accelerated gradient: follow the velocity, then the gradient found there.

    Sutskever et al. 2013. `sgd` with ``nesterov`` takes the same way, counted from the points looked at; here
    ``x`` is where the steps lead, and the loss is that of the point looked at.

    Parameters
    ----------
    opfunc, x
        As of `sgd`.
    state : dict
        Options ``learning_rate`` (1e-3; a number, or one per parameter), ``learning_rate_decay`` (0),
        ``weight_decay`` (0), ``momentum`` (0.9). Remembers ``velocity``.

    Returns
    -------
    x, losses
        As of `sgd`.

    Raises
    ------
    ValueError
        If there is no momentum, or an option makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> nag(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.25, "momentum": 0.5})
    (array([0.5]), [1.0])
    """
    if momentum == 0:
        raise ValueError("nag needs momentum > 0, got 0")
    velocity = memory(state, "velocity", x)
    velocity *= momentum
    x += velocity
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    step = decayed(state, learning_rate, learning_rate_decay) * gradient
    x -= step
    velocity -= step
    return x, [loss]


@method("average")
def asgd(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    eta0: float = 1e-4,
    lambda_: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float | Array = 0.0,
) -> Result:
    """Take one step of averaged stochastic gradient descent (Polyak and Juditsky 1992; Bottou 2010).

    The step t = 0, 1, ... has the rate η = η₀ / (1 + λ η₀ t)^α and shortens ``x`` by λ η.

    Parameters
    ----------
    opfunc, x
        As of `sgd`.
    state : dict
        Options ``eta0`` (1e-4), ``lambda`` (1e-4), ``alpha`` (0.75), ``t0`` (1e6: the step from which on is
        averaged; before, the average is ``x``), ``weight_decay`` (0). Remembers ``average``, the outcome.

    Returns
    -------
    x, losses
        As of `sgd`.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = asgd(lambda x: (x @ x, 2 * x), np.array([1.0]), {"eta0": 0.25})
    >>> x.round(3), losses
    (array([0.5]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    done = state["func_eval"] - 1
    eta = eta0 / (1 + lambda_ * eta0 * done) ** alpha
    x *= 1 - lambda_ * eta
    x -= eta * gradient
    average = memory(state, "average", x)
    average += (x - average) / max(1, done - t0)
    return x, [loss]


@method("velocity")
def beta_lasso(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 0.1,
    learning_rate_decay: float = 0.0,
    momentum: float = 0.0,
    lambda_: float | Array = 1e-4,
    beta: float = 50.0,
) -> Result:
    """Take one step of β-LASSO, after which small values are exactly zero (Neyshabur 2020, arXiv 2007.13657).

    A step down the gradient of the loss and of λ Σ ∣x∣, then all that is smaller than βλ becomes zero. A zero comes
    back when one step makes it as large as that.

    Parameters
    ----------
    opfunc, x
        As of `sgd`.
    state : dict
        Options ``learning_rate`` (0.1; a number, or one per parameter), ``learning_rate_decay`` (0), ``momentum``
        (0, as in the paper), ``lambda`` (1e-4; a number, or one per parameter: 0 for what shall not become zero),
        ``beta`` (50; 1 is hardly more than LASSO). Remembers ``velocity``.

    Returns
    -------
    x, losses
        As of `sgd`.

    Examples
    --------
    >>> import numpy as np
    >>> beta_lasso(lambda x: (x @ x, 2 * x), np.array([1.0, 1e-6]), {"learning_rate": 0.25})[0].round(3)
    array([0.5, 0. ])
    """
    loss, gradient = evaluate(opfunc, x, state)
    step: Array = gradient + lambda_ * np.sign(x)
    if momentum:
        velocity = memory(state, "velocity", x)
        velocity *= momentum
        velocity += step
        step = velocity
    x -= decayed(state, learning_rate, learning_rate_decay) * step
    x[np.abs(x) < beta * lambda_] = 0
    return x, [loss]
