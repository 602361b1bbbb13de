"""Check a gradient."""

from __future__ import annotations

import numpy as np

from .contract import Array, OpFunc


def checkgrad(opfunc: OpFunc, x: Array, eps: float = 1e-7) -> tuple[float, Array, Array]:
    """Compare the gradient of ``opfunc`` at ``x`` with central differences.

    Parameters
    ----------
    opfunc : callable
        Returns loss and gradient at ``x``.
    x : ndarray, shape (n,)
        Moved in place, and put back.
    eps : float
        Half the distance between the points compared.

    Returns
    -------
    difference : float
        ‖given - estimated‖ / ‖given + estimated‖, 0 where both vanish.
    given, estimated : ndarray, shape (n,)

    Raises
    ------
    ValueError
        If ``eps`` is lost in the rounding of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> checkgrad(lambda x: (x @ x, 2 * x), np.array([1.0, 2.0]))[0] < 1e-6
    True
    """
    if (x + x.dtype.type(eps) == x).any():
        raise ValueError(f"eps must change x, which is {x.dtype} up to {abs(x).max()}: {eps} is too small")
    given = np.array(opfunc(x)[1], float)
    estimated = np.zeros(x.size)
    for i in range(x.size):
        kept = x[i]
        x[i] = kept + eps
        above = opfunc(x)[0]
        x[i] = kept - eps
        estimated[i] = (above - opfunc(x)[0]) / (2 * eps)
        x[i] = kept
    size = float(np.linalg.norm(given + estimated))
    return float(np.linalg.norm(given - estimated)) / size if size else 0.0, given, estimated
