"""Methods with a step size per parameter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..nn import functional
from .contract import Array, OpFunc, Result, State, decayed, evaluate, memory, method


def _blend(mean: Array, share: float, value: Array) -> None:
    """Keep that share of the mean, and take the rest from the value."""
    mean *= share
    mean += (1 - share) * value


def _adam(
    x: Array,
    gradient: Array,
    state: State,
    rate: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    amsgrad: bool,
    decay: float | Array = 0.0,
) -> None:
    first, second, done = memory(state, "first", x), memory(state, "second", x), state["func_eval"]
    corrected = rate * (math.sqrt(1 - beta2**done) / (1 - beta1**done))
    arrays = (x, gradient, first, second)
    if np.ndim(rate) == 0 and not amsgrad and all(array.flags.c_contiguous for array in arrays):
        if np.ndim(decay) == 0 and decay:
            x *= 1 - rate * decay
        shares = decay if isinstance(decay, np.ndarray) and decay.ndim else None
        functional.adam(*arrays, corrected, beta1, beta2, epsilon, shares, rate)
        return
    x *= 1 - rate * decay
    _blend(first, beta1, gradient)
    _blend(second, beta2, gradient * gradient)
    if amsgrad:
        largest = memory(state, "largest", x)
        second = np.maximum(largest, second, out=largest)
    step = np.sqrt(second)
    step += epsilon
    np.divide(first, step, out=step)
    step *= corrected
    x -= step


@method("first", "second", "largest")
def adam(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1e-3,
    learning_rate_decay: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float | Array = 0.0,
    amsgrad: bool = False,
) -> Result:
    """Take one step of Adam (Kingma and Ba 2015); epsilon is added before the correction of the bias, as in Torch.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray, shape (n,)
        Changed in place.
    state : dict
        Options ``learning_rate`` (1e-3; a number, or one per parameter), ``learning_rate_decay`` (0),
        ``beta1`` (0.9), ``beta2`` (0.999), ``epsilon`` (1e-8), ``weight_decay`` (0, added to the gradient; a
        number, or one per parameter), ``amsgrad`` (False; Reddi et al. 2018). Remembers ``first``, ``second``,
        ``largest``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss before the step.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = adam(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.1})
    >>> x.round(4), losses
    (array([0.9]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    rate = decayed(state, learning_rate, learning_rate_decay)
    _adam(x, gradient, state, rate, beta1, beta2, epsilon, amsgrad)
    return x, [loss]


@method("first", "second", "largest")
def adamw(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1e-3,
    learning_rate_decay: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float | Array = 1e-2,
    amsgrad: bool = False,
) -> Result:
    """Take one step of `adam` with decay of the weights apart from the gradient (Loshchilov and Hutter 2019).

    Parameters
    ----------
    opfunc, x
        As of `adam`.
    state : dict
        Options of `adam`, but ``weight_decay`` (0.01; a number, or one per parameter) times the rate shortens ``x``
        itself.

    Returns
    -------
    x, losses
        As of `adam`.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = adamw(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.1})
    >>> x.round(4), losses
    (array([0.899]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state)
    rate = decayed(state, learning_rate, learning_rate_decay)
    _adam(x, gradient, state, rate, beta1, beta2, epsilon, amsgrad, weight_decay)
    return x, [loss]


@method("first", "largest")
def adamax(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 2e-3,
    learning_rate_decay: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-38,
    weight_decay: float | Array = 0.0,
) -> Result:
    """Take one step of AdaMax, Adam with the largest gradient in place of the mean square (Kingma and Ba 2015).

    Parameters
    ----------
    opfunc, x
        As of `adam`.
    state : dict
        Options ``learning_rate`` (2e-3), ``learning_rate_decay`` (0), ``beta1`` (0.9), ``beta2`` (0.999),
        ``epsilon`` (1e-38), ``weight_decay`` (0). Remembers ``first``, ``largest``.

    Returns
    -------
    x, losses
        As of `adam`.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = adamax(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.1})
    >>> x.round(4), losses
    (array([0.9]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    first, largest = memory(state, "first", x), memory(state, "largest", x)
    _blend(first, beta1, gradient)
    largest *= beta2
    np.maximum(largest, np.abs(gradient) + epsilon, out=largest)
    rate = decayed(state, learning_rate, learning_rate_decay)
    x -= rate / (1 - beta1 ** state["func_eval"]) * first / largest
    return x, [loss]


@method("second")
def adagrad(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1e-3,
    learning_rate_decay: float = 0.0,
    epsilon: float = 1e-10,
    weight_decay: float | Array = 0.0,
) -> Result:
    """Take one step of AdaGrad (Duchi, Hazan and Singer 2011).

    Parameters
    ----------
    opfunc, x
        As of `adam`.
    state : dict
        Options ``learning_rate`` (1e-3), ``learning_rate_decay`` (0), ``epsilon`` (1e-10), ``weight_decay``
        (0). Remembers ``second``, the sum of squares.

    Returns
    -------
    x, losses
        As of `adam`.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = adagrad(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.1})
    >>> x.round(4), losses
    (array([0.9]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    second = memory(state, "second", x)
    second += gradient * gradient
    rate = decayed(state, learning_rate, learning_rate_decay)
    x -= rate * gradient / (np.sqrt(second) + epsilon)
    return x, [loss]


@method("second", "moves")
def adadelta(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1.0,
    learning_rate_decay: float = 0.0,
    rho: float = 0.9,
    epsilon: float = 1e-6,
    weight_decay: float | Array = 0.0,
) -> Result:
    """Take one step of ADADELTA (Zeiler 2012): the size of past steps over that of past gradients.

    Parameters
    ----------
    opfunc, x
        As of `adam`.
    state : dict
        Options ``rho`` (0.9), ``epsilon`` (1e-6), ``weight_decay`` (0), ``learning_rate`` (1),
        ``learning_rate_decay`` (0). Remembers ``second`` and ``moves``, means of squares.

    Returns
    -------
    x, losses
        As of `adam`.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = adadelta(lambda x: (x @ x, 2 * x), np.array([1.0]), {})
    >>> x.round(4), losses
    (array([0.9968]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    second, moves = memory(state, "second", x), memory(state, "moves", x)
    _blend(second, rho, gradient * gradient)
    move = np.sqrt((moves + epsilon) / (second + epsilon)) * gradient
    _blend(moves, rho, move * move)
    x -= decayed(state, learning_rate, learning_rate_decay) * move
    return x, [loss]


@method("first", "second", "velocity")
def rmsprop(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    learning_rate: float | Array = 1e-2,
    learning_rate_decay: float = 0.0,
    alpha: float = 0.99,
    epsilon: float = 1e-8,
    weight_decay: float | Array = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> Result:
    """Take one step of RMSprop (Tieleman and Hinton 2012).

    Parameters
    ----------
    opfunc, x
        As of `adam`.
    state : dict
        Options ``learning_rate`` (1e-2), ``learning_rate_decay`` (0), ``alpha`` (0.99), ``epsilon`` (1e-8),
        ``weight_decay`` (0), ``momentum`` (0), ``centered`` (False: by the variance in place of the mean square,
        Graves 2013). Remembers ``first``, ``second``, ``velocity``.

    Returns
    -------
    x, losses
        As of `adam`.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = rmsprop(lambda x: (x @ x, 2 * x), np.array([1.0]), {"learning_rate": 0.1})
    >>> x.round(4), losses
    (array([0.]), [1.0])
    """
    loss, gradient = evaluate(opfunc, x, state, weight_decay)
    second = memory(state, "second", x)
    _blend(second, alpha, gradient * gradient)
    if centered:
        first = memory(state, "first", x)
        _blend(first, alpha, gradient)
        second = np.maximum(second - first * first, 0)  # rounding must not make it negative
    step = gradient / (np.sqrt(second) + epsilon)
    if momentum:
        velocity = memory(state, "velocity", x)
        velocity *= momentum
        step = np.add(velocity, step, out=velocity)
    x -= decayed(state, learning_rate, learning_rate_decay) * step
    return x, [loss]


@method("signs", "sizes")
def rprop(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    step_size: float = 0.1,
    eta_plus: float = 1.2,
    eta_minus: float = 0.5,
    step_size_min: float = 1e-6,
    step_size_max: float = 50.0,
    n_iter: int = 1,
    weight_decay: float | Array = 0.0,
) -> Result:
    """Take steps of Rprop, by the signs of the gradient alone; for whole batches (Riedmiller and Braun 1993).

    Parameters
    ----------
    opfunc, x
        As of `adam`.
    state : dict
        Options ``step_size`` (0.1, the first), ``eta_plus`` (1.2) and ``eta_minus`` (0.5), its factors where the
        sign of the gradient stays and where it turns, ``step_size_min`` (1e-6), ``step_size_max`` (50),
        ``n_iter`` (1, steps of a call), ``weight_decay`` (0). Remembers ``signs``, ``sizes``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss before each step.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = rprop(lambda x: (x @ x, 2 * x), np.array([1.0]), {})
    >>> x.round(4), losses
    (array([0.9]), [1.0])
    """
    signs, sizes = memory(state, "signs", x), memory(state, "sizes", x, step_size)
    losses = []
    for _ in range(n_iter):
        loss, gradient = evaluate(opfunc, x, state, weight_decay)
        sign = np.sign(gradient)
        agreement = sign * signs
        sizes *= np.where(agreement > 0, eta_plus, np.where(agreement < 0, eta_minus, 1))
        np.clip(sizes, step_size_min, step_size_max, out=sizes)
        signs[:] = np.where(agreement < 0, 0, sign)
        x -= signs * sizes
        losses.append(loss)
    return x, losses
