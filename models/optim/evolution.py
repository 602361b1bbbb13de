"""Evolution: methods that learn from losses alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .contract import Array, OpFunc, Result, State, check_fits, loss_at, method

Floats = NDArray[np.float64]


def _losses(opfunc: OpFunc, x: Array, state: State, points: Floats) -> Floats:
    """Return the losses of points, each in turn put into ``x``; infinity where it is NaN."""
    losses = np.empty(len(points))
    for i, point in enumerate(points):
        x[:] = point
        losses[i] = loss_at(opfunc, x, state)[0]
    return np.where(np.isnan(losses), np.inf, losses)


class _Weights(NamedTuple):
    """Constants of the strategy (Hansen 2016, table 1, positive weights only)."""

    parents: Floats
    effective: float
    path: float
    step_path: float
    rank_one: float
    rank_many: float
    damping: float


def _weights(n: int, pop_size: int) -> _Weights:
    parents = math.log((pop_size + 1) / 2) - np.log(np.arange(1, pop_size // 2 + 1))
    parents /= parents.sum()
    effective = float(1 / (parents**2).sum())
    path = (4 + effective / n) / (n + 4 + 2 * effective / n)
    step_path = (effective + 2) / (n + effective + 5)
    rank_one = 2 / ((n + 1.3) ** 2 + effective)
    rank_many = min(1 - rank_one, 2 * (effective - 2 + 1 / effective) / ((n + 2) ** 2 + effective))
    damping = 2 * effective / pop_size + 0.3 + step_path
    return _Weights(parents, effective, path, step_path, rank_one, rank_many, damping)


@method("mean", "step", "covariance", "path", "step_path", "generation", "best", "best_loss")
def cmaes(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    sigma: float = 0.5,
    pop_size: int | None = None,
    max_eval: float | None = None,
    f_target: float = -math.inf,
    tol_fun: float = 1e-12,
    tol_x: float = 1e-11,
    rng: np.random.Generator | int = 0,
) -> Result:
    """Minimise by evolution with an adapted covariance matrix, from losses alone (Hansen and Ostermeier 2001).

    For up to some hundred parameters: the memory grows with their square, the time of a generation with their cube.
    Calls go on from where the last one ended. The linear algebra runs in one thread: the outcome depends on the
    seed alone.

    Parameters
    ----------
    opfunc : callable
        Returns the loss at ``x`` and anything.
    x : ndarray, shape (n,)
        The first mean; in the end, the best point that was seen.
    state : dict
        Options ``sigma`` (0.5: the first standard deviation), ``pop_size`` (4 + 3 log n), ``max_eval`` (1000 n²:
        after these, no generation begins), ``f_target`` (a loss that suffices; none), ``tol_fun`` (1e-12: the
        call ends where the losses of a generation differ by less), ``tol_x`` (1e-11: or where it is not wider
        than this), ``rng`` (0: a seed or a generator, which is kept here). Remembers ``mean``, ``step``,
        ``covariance``, ``path``, ``step_path``, ``generation``, ``best``, ``best_loss``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss at the start, and the lowest so far after each generation.

    Raises
    ------
    ValueError
        If the population is less than 2, or an option makes no sense.

    References
    ----------
    Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, 2016; the step size by the squared length
    of its path, as in his ``barecmaes2.py``.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = cmaes(lambda x: ((x - 3) @ (x - 3), None), np.zeros(2), {"f_target": 1e-6})
    >>> x.round(2)
    array([3., 3.])
    """
    pop_size = pop_size or 4 + int(3 * math.log(x.size))
    if pop_size < 2:
        raise ValueError(f"pop_size of cmaes must be 2 or more, got {pop_size}")
    last = state.get("func_eval", 0) + (1000 * x.size**2 if max_eval is None else max_eval)
    weights = _weights(x.size, pop_size)
    state["rng"] = np.random.default_rng(rng)
    if "mean" not in state:
        _begin(opfunc, x, state, sigma)
    check_fits(state["mean"], x)
    losses, done = [state["best_loss"]], False
    with threadpool_limits(1, user_api="blas"):
        while not done and state["func_eval"] < last and losses[-1] > f_target:
            spread, widest, narrowest = _generation(opfunc, x, state, weights, pop_size)
            losses.append(state["best_loss"])
            done = spread < tol_fun or state["step"] * widest < tol_x or widest > 1e7 * narrowest
    x[:] = state["best"]
    return x, losses


def _begin(opfunc: OpFunc, x: Array, state: State, sigma: float) -> None:
    mean = x.astype(np.float64)
    best_loss = float(_losses(opfunc, x, state, mean[None])[0])
    state.update(mean=mean, step=sigma, covariance=np.eye(x.size), path=np.zeros(x.size))
    state.update(step_path=np.zeros(x.size), generation=0, best=mean.copy(), best_loss=best_loss)


def _generation(
    opfunc: OpFunc, x: Array, state: State, weights: _Weights, pop_size: int
) -> tuple[float, float, float]:
    """Draw, evaluate, learn; return the spread of the losses, the widest and the narrowest scale."""
    values, axes = np.linalg.eigh(state["covariance"])
    scales = np.sqrt(np.maximum(values, 1e-16 * values[-1]))
    moves = (state["rng"].standard_normal((pop_size, x.size)) * scales) @ axes.T
    points = state["mean"] + state["step"] * moves
    losses = _losses(opfunc, x, state, points)
    order = np.argsort(losses, kind="stable")
    if losses[order[0]] < state["best_loss"]:
        state["best"], state["best_loss"] = points[order[0]], float(losses[order[0]])
    parents = moves[order[: len(weights.parents)]]
    move = weights.parents @ parents
    state["mean"] = state["mean"] + state["step"] * move
    _adapt(state, weights, parents, move, axes @ ((move @ axes) / scales))
    return float(losses[order[-1]]) - float(losses[order[0]]), float(scales[-1]), float(scales[0])


def _adapt(state: State, weights: _Weights, parents: Floats, move: Floats, white: Floats) -> None:
    """Learn paths, covariance and step size from the moves of the parents, their mean, and that mean made white."""
    w, n = weights, len(move)
    state["generation"] += 1
    state["step_path"] = (1 - w.step_path) * state["step_path"]
    state["step_path"] += math.sqrt(w.step_path * (2 - w.step_path) * w.effective) * white
    length = float((state["step_path"] ** 2).sum()) / n
    grown = 1 - (1 - w.step_path) ** (2 * state["generation"])
    steady = length / grown < 2 + 4 / (n + 1)
    state["path"] = (1 - w.path) * state["path"]
    if steady:
        state["path"] += math.sqrt(w.path * (2 - w.path) * w.effective) * move
    kept = w.rank_one * (1 if steady else 1 - w.path * (2 - w.path))
    state["covariance"] = (
        (1 - kept - w.rank_many) * state["covariance"]
        + w.rank_one * np.outer(state["path"], state["path"])
        + w.rank_many * (parents.T * w.parents) @ parents
    )
    state["step"] *= math.exp(min(0.6, w.step_path / w.damping * (length - 1) / 2))


@method("population", "fitness")
def de(
    opfunc: OpFunc,
    x: Array,
    state: State,
    *,
    pop_size: int | None = None,
    scale_factor: float = 0.7,
    crossover_rate: float = 0.9,
    min_region: float | Array = -30.0,
    max_region: float | Array = 30.0,
    max_eval: float | None = None,
    f_target: float = -math.inf,
    tol_fun: float = 1e-12,
    rng: np.random.Generator | int = 0,
) -> Result:
    """Minimise by differential evolution, from losses alone (Storn and Price 1997, variant best/1/bin).

    Calls go on from where the last one ended.

    Parameters
    ----------
    opfunc : callable
        Returns the loss at ``x`` and anything.
    x : ndarray, shape (n,)
        One of the first population; in the end, the best point that was seen.
    state : dict
        Options ``pop_size`` (10 n), ``scale_factor`` (0.7: of the differences), ``crossover_rate`` (0.9: share of
        the parameters that change), ``min_region`` (-30) and ``max_region`` (30), bounds of the first population,
        numbers or one per parameter, ``max_eval`` (1000 n²: after these, no generation begins), ``f_target`` (a
        loss that suffices; none), ``tol_fun`` (1e-12: the call ends where the losses of the population differ by
        less), ``rng`` (0: a seed or a generator, which is kept here). Remembers ``population``, ``fitness``.

    Returns
    -------
    x : ndarray
        The same object.
    losses : list of float
        The loss at the start, and the lowest so far after each generation.

    Raises
    ------
    ValueError
        If the population is less than 3, the region is empty, or an option makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> x, losses = de(lambda x: ((x - 3) @ (x - 3), None), np.zeros(2), {"f_target": 1e-4})
    >>> x.round(1)
    array([3., 3.])
    """
    pop_size = pop_size or 10 * x.size
    if pop_size < 3:
        raise ValueError(f"pop_size of de must be 3 or more, got {pop_size}")
    if not np.all(np.less(min_region, max_region)):
        raise ValueError(f"min_region must lie below max_region, got {min_region} and {max_region}")
    last = state.get("func_eval", 0) + (1000 * x.size**2 if max_eval is None else max_eval)
    generator = state["rng"] = np.random.default_rng(rng)
    losses = []
    if "population" not in state:
        population = generator.uniform(min_region, max_region, (pop_size, x.size))
        population[0] = x
        state.update(population=population, fitness=_losses(opfunc, x, state, population))
        losses = [float(state["fitness"][0])]
    population, fitness = state["population"], state["fitness"]
    check_fits(population, x)
    losses.append(float(fitness.min()))
    while (
        state["func_eval"] < last and losses[-1] > f_target and float(fitness.max()) - losses[-1] >= tol_fun
    ):
        trials = _trials(population, population[fitness.argmin()], scale_factor, crossover_rate, generator)
        found = _losses(opfunc, x, state, trials)
        better = found <= fitness
        population[better], fitness[better] = trials[better], found[better]
        losses.append(float(fitness.min()))
    x[:] = population[fitness.argmin()]
    return x, losses


def _trials(population: Floats, best: Floats, scale: float, share: float, rng: np.random.Generator) -> Floats:
    """Return for each point one that takes a share of its parameters, one at least, from ``best`` and a difference."""
    size, n = population.shape
    one, other = rng.integers(1, size, size), rng.integers(1, size - 1, size)
    other += other >= one  # three different points: distances on the circle of all
    rows = np.arange(size)
    differences = population[(rows + one) % size] - population[(rows + other) % size]
    changed = rng.random((size, n)) < share
    changed[rows, rng.integers(n, size=size)] = True
    return np.where(changed, best + scale * differences, population)
