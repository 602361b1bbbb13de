"""Structure that a net finds by itself: weights that are pruned, and where those that stay look.

What is pruned is exactly zero, so that a net on disk holds its structure, and any net can be asked for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft

from ..literals import Criterion
from ..progress import each
from . import nn
from .nn.values import Array
from .training import Progress, Sample, Samples, Training

__all__ = [
    "Masked",
    "Masks",
    "Pruning",
    "Round",
    "chance_locality",
    "connections",
    "count_parameters",
    "curvature",
    "effective_density",
    "flat",
    "keep",
    "locality",
    "magnitude",
    "obd",
    "prune",
    "random",
    "shared_locality",
    "weights",
]

#: Which weights of each layer stay, by the paths of the parameters.
Masks = dict[str, NDArray[np.bool_]]
#: How much each weight matters, likewise.
Scores = dict[str, NDArray[np.floating]]

# Inputs of which the second derivatives are means.
_N_CURVED = 200
# Numbers transformed at once.
_CHUNK = 2**22


def weights(net: nn.Module) -> dict[str, Array]:
    """Return what can be pruned, by path: the parameters of two and more axes, which are filters and matrices.

    Examples
    --------
    >>> list(weights(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))))
    ['0.weight', '2.weight']
    """
    return {path: own.value for path, own in net.parameters().items() if own.value.ndim > 1}


def connections(net: nn.Module) -> Masks:
    """Return which weights are not zero, by path.

    Examples
    --------
    >>> from actionbench.models import nn
    >>> connections(nn.Linear(4, 3))
    {'weight': array([[ True,  True,  True,  True],
           [ True,  True,  True,  True],
           [ True,  True,  True,  True]])}
    """
    return {path: value != 0 for path, value in weights(net).items()}


def count_parameters(net: nn.Module) -> int:
    """Return how many values are learnt, weights that are zero excepted.

    Examples
    --------
    >>> from actionbench.models import nn
    >>> count_parameters(nn.Linear(4, 3))
    15
    """
    zeros = sum(int(np.count_nonzero(~mask)) for mask in connections(net).values())
    return net.count_parameters() - zeros


def flat(net: nn.Module, values: Mapping[str, NDArray], rest: float) -> NDArray:
    """Return values by path as one vector in the order of ``net.get_parameters()``, with ``rest`` where none are."""
    parameters = net.parameters()
    dtype = np.result_type(*values.values()) if values else np.dtype(bool)
    parts = [values.get(path, np.full(own.value.shape, rest, dtype)) for path, own in parameters.items()]
    return np.concatenate([np.ravel(part) for part in parts])


class Masked:
    """A method of `optim` that keeps some values at zero, whatever the method adds to them or remembers of them.

    Parameters
    ----------
    method : callable
        Such as ``optim.adamw``.
    mask : ndarray of bool, shape (n,)
        False where ``x`` stays zero; see `flat`.

    Examples
    --------
    >>> from actionbench.models import optim
    >>> step = Masked(optim.sgd, np.array([True, False]))
    >>> step(lambda x: (0.0, np.ones(2)), np.array([1.0, 1.0]), {"learning_rate": 0.5})
    (array([0.5, 0. ]), [0.0])
    """

    def __init__(self, method: Callable[..., tuple[Array, list[float]]], mask: NDArray[np.bool_]) -> None:
        self.method, self.pruned = method, ~np.asarray(mask, bool)
        self.options = getattr(method, "options", None)

    def __call__(
        self, opfunc: Callable[[Array], tuple[float, Any]], x: Array, state: dict[str, Any]
    ) -> tuple[Array, list[float]]:
        """Take one step; see `optim`."""

        def without(point: Array) -> tuple[float, Array]:
            np.copyto(point, 0, where=self.pruned)
            loss, gradient = opfunc(point)
            return loss, np.where(self.pruned, 0, gradient).astype(x.dtype, copy=False)

        np.copyto(x, 0, where=self.pruned)
        x, losses = self.method(without, x, state)
        np.copyto(x, 0, where=self.pruned)
        return x, losses

    def __repr__(self) -> str:
        """Tell two masks apart, as the checkpoint of a training must."""
        return f"Masked({self.method!r}, {hashlib.sha256(np.packbits(self.pruned).tobytes()).hexdigest()})"


def magnitude(net: nn.Module) -> Scores:
    """Return the size of each weight (Han et al. 2015)."""
    return {path: np.abs(value) for path, value in weights(net).items()}


def random(net: nn.Module, rng: np.random.Generator) -> Scores:
    """Return random numbers: the control of all that claims to know which weights matter."""
    return {path: rng.random(value.shape) for path, value in weights(net).items()}


def obd(net: nn.Module, inputs: Array) -> Scores:
    """Return the saliencies of optimal brain damage (LeCun, Denker and Solla 1989).

    That is h w² / 2 for a weight w with the second derivative h of the loss: about what the loss rises when that
    weight alone becomes zero at a minimum. For h see `curvature`.

    Parameters
    ----------
    net : Module
        A trained classifier that gives scores (N, n_classes).
    inputs : ndarray
        Training inputs, a batch.
    """
    second = curvature(net, inputs)
    return {path: second[path] * value**2 / 2 for path, value in weights(net).items()}


def curvature(net: nn.Module, inputs: Array) -> dict[str, NDArray[np.float64]]:
    """Return the mean diagonal of the Gauss-Newton matrix of the cross entropy, by path.

    LeCun et al. drop the same terms, those with second derivatives of the net itself. The matrix is that of Fisher
    too, with labels from the net, not from the data (Martens 2020, Kunstner et al. 2019); the mean over labels is
    taken in full, so that nothing is drawn: one backward for each sample and class.

    Parameters
    ----------
    net, inputs
        See `obd`. The net is in evaluation mode afterwards.
    """
    total = {path: np.zeros(value.shape) for path, value in weights(net).items()}
    parameters = net.parameters()
    # Backward needs the mode of training, but nothing by chance and no moments of the batch.
    net.training().apply(_settle)
    softmax = nn.Softmax()
    for index in range(len(inputs)):
        x = inputs[index : index + 1]
        probabilities = softmax.evaluate().forward(net.forward(x).astype(np.float64))
        for label, p in enumerate(probabilities[0]):
            net.zero_grad_parameters()
            net.backward(x, np.eye(len(probabilities[0]))[[label]] - probabilities, input_grad=False)
            for path, sums in total.items():
                sums += p * np.square(parameters[path].grad)
        net.clear_state()
    net.zero_grad_parameters()
    net.evaluate()
    return {path: sums / max(len(inputs), 1) for path, sums in total.items()}


def _settle(module: nn.Module) -> None:
    if hasattr(module, "rng") or "running_mean" in module.buffer_names:
        module.is_training = False


def keep(scores: Scores, density: float, within: Masks | None = None) -> Masks:
    """Return masks that keep the largest scores of each layer.

    All layers keep the same share, so that none is cut off whatever the scores are; only the last stays whole, as it
    has few weights, each of which is all that the net sees of a unit.

    Parameters
    ----------
    scores : dict of str to ndarray
        By path, the last layer last, such as `magnitude` gives.
    density : float
        Share of the weights of a layer that stay, in (0, 1].
    within : dict of str to ndarray of bool, optional
        Masks of before: what they prune stays pruned.

    Raises
    ------
    ValueError
        If the density is no such share.

    Examples
    --------
    >>> scores = {"hidden": np.array([[3.0, 1.0], [2.0, 4.0]]), "out": np.array([[1.0, 1.0]])}
    >>> keep(scores, 0.5)["hidden"]
    array([[ True, False],
           [False,  True]])
    """
    _check_density(density)
    last = list(scores)[-1] if len(scores) > 1 else None
    masks = {}
    for path, values in scores.items():
        n = values.size if path == last else max(round(density * values.size), 1)
        ranked = values if within is None else np.where(within[path], values, -np.inf)
        mask = np.zeros(values.size, bool)
        mask[np.argsort(-ranked, axis=None, kind="stable")[:n]] = True
        masks[path] = mask.reshape(values.shape)
    return masks


def _check_density(density: float) -> None:
    if not 0 < density <= 1:
        raise ValueError(f"density must be a share above 0 and up to 1, got {density}")


class Round(NamedTuple):
    """A training of `prune`, which leaves the net as trained.

    Attributes
    ----------
    density : float
        Share of the weights of the layers that are pruned, which it had.
    masks : dict of str to ndarray of bool
        Which these are, by path.
    log : DataFrame
        What the training returned.
    """

    density: float
    masks: Masks
    log: pd.DataFrame


def prune(
    train: Callable[[Masks | None], pd.DataFrame],
    net: nn.Module,
    score: Callable[[nn.Module], Scores],
    density: float,
    rounds: int,
) -> Iterator[Round]:
    """Train, drop the weights of the lowest scores, and train again from the initial values, round after round.

    The weights that stay are rewound to where they began (iterative magnitude pruning, Frankle and Carbin 2019).

    Parameters
    ----------
    train : callable
        Trains the net in index from its initial values, the same each time, with masks or, given None, without.
    net : Module
        What ``train`` trains.
    score : callable
        Says of the trained net how much each weight matters, such as `magnitude`.
    density : float
        Share that stays in the end; see `keep`.
    rounds : int
        Trainings after the first; each keeps the same share of the weights before.

    Yields
    ------
    Round
        Of each training, the dense one first.
    """
    log = train(None)
    masks = {path: np.ones(value.shape, bool) for path, value in weights(net).items()}
    yield Round(1.0, masks, log)
    for number in each("rounds", range(1, rounds + 1), rounds):
        share = density ** (number / rounds)
        masks = keep(score(net), share, masks)
        log = train(masks)
        yield Round(share, masks, log)


@dataclass(frozen=True)
class Pruning(Training):
    """A training that prunes: again and again from the initial values, each time with fewer weights; see `prune`.

    Other parameters are those of `Training`.

    Parameters
    ----------
    density : float
        Share of the weights of each layer but the last that stays; 1 prunes nothing.
    rounds : int
        Trainings after the dense one. A random mask, which learns nothing from a training, is drawn at once.
    criterion : {"magnitude", "obd", "random"}
        Which weights stay: those that are large, those without which the loss would rise (`obd`, with the second
        derivatives at 200 training inputs or fewer), or any.
    measure : callable
        Returns what is to be noted of the trained net in the log, by name.

    Raises
    ------
    ValueError
        If a parameter makes no sense.
    """

    density: float = 0.1
    rounds: int = 5
    criterion: Criterion = "magnitude"
    measure: Callable[[nn.Module], Mapping[str, float]] = lambda net: {}

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_density(self.density)
        if self.rounds < 1:
            raise ValueError(f"rounds must be 1 or more, got {self.rounds}")
        if self.criterion not in get_args(Criterion):
            raise ValueError(
                f"criterion must be one of {', '.join(get_args(Criterion))}, got {self.criterion!r}"
            )

    def fit(
        self,
        net: nn.Module,
        samples: Samples,
        targets: NDArray[np.integer],
        augment: Callable[[Sample, np.random.Generator], Array],
        test_views: Callable[[Sample], Array],
        groups: NDArray | None = None,
        *,
        checkpoint: str | Path | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
        initial: nn.Module | None = None,
    ) -> pd.DataFrame:
        """Train and prune ``net`` in index; see `Training.fit`.

        A checkpoint is a file for each training, with its number behind the name. Each training begins with the same
        values.

        Returns
        -------
        DataFrame
            The logs of all trainings one behind the other, with the columns ``density`` and what is measured.
        """
        plain = Training(**{field.name: getattr(self, field.name) for field in fields(Training)})
        done, start = 0, None if initial is None else initial.clone()

        def train(masks: Masks | None) -> pd.DataFrame:
            nonlocal done
            how = (
                plain if masks is None else replace(plain, method=Masked(plain.steps, flat(net, masks, True)))
            )
            path = None if checkpoint is None else f"{checkpoint}.{done}"
            log = how.fit(
                net,
                samples,
                targets,
                augment,
                test_views,
                groups,
                checkpoint=path,
                progress=progress,
                initial=start,
            )
            done += 1
            return log

        logs = [
            found.log.assign(density=found.density, **self.measure(net))
            for found in self._rounds(train, net, samples, test_views)
        ]
        log = pd.concat(logs, ignore_index=True)
        return log.assign(epoch=np.arange(1.0, len(log) + 1))

    def _rounds(
        self,
        train: Callable[[Masks | None], pd.DataFrame],
        net: nn.Module,
        samples: Samples,
        test_views: Callable[[Sample], Array],
    ) -> Iterator[Round]:
        if self.criterion == "random" and self.density < 1:
            # Not those that the initial values are made from.
            masks = keep(random(net, np.random.default_rng([self.random_state, 1])), self.density)
            yield Round(self.density, masks, train(masks))
            return

        def score(net: nn.Module) -> Scores:
            if self.criterion == "magnitude":
                return magnitude(net)
            n = min(len(samples), _N_CURVED)
            indices = np.linspace(0, len(samples) - 1, n).round().astype(int)
            inputs = (test_views(samples[int(index)]) for index in indices)
            return obd(net, np.stack([several[len(several) // 2] for several in inputs]))

        yield from prune(train, net, score, self.density, self.rounds if self.density < 1 else 0)


def locality(
    mask: NDArray[np.bool_], shape: Sequence[int], scale: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return how near to each other the inputs of each unit lie: 1 as by chance, less where they are neighbours.

    The mean distance between two inputs of a unit, over that between any two inputs of the layer, which is what
    inputs drawn at random have on average. Inputs that are channels of one pixel have the distance 0.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_units, n_inputs)
        Which inputs each unit has.
    shape : sequence of int
        Of an input before it was flattened, channels last, such as (T, H, W, C).
    scale : sequence of float, optional
        How far apart neighbours along each axis are, channels excepted; 0 leaves an axis out. By default 1, which
        takes a frame for a cell. (1, 0, 0) measures in time only, (0, 1, 1) in space only.

    Returns
    -------
    ndarray of float64, shape (n_units,)
        NaN for a unit with less than two inputs, and where all inputs are of one pixel.

    Examples
    --------
    >>> locality(np.array([[1, 1, 0, 0], [1, 0, 0, 1]], bool), (4, 1)).round(2)
    array([0.6, 1.8])
    """
    counts, scale = _places(mask, shape, scale)
    n = mask.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 1, _distances(counts, scale) / (n * (n - 1)), np.nan) / _any_distance(
            shape, scale
        )


def shared_locality(
    mask: NDArray[np.bool_], shape: Sequence[int], scale: Sequence[float] | None = None
) -> float:
    """Return how local units would be if each drew its inputs by how many units look at them.

    Where all units look at one part of the input, such as the middle, `locality` is below 1 although no unit has a
    index of its own. That part of it is this; what units have beyond it is theirs.

    Parameters
    ----------
    mask, shape, scale
        As of `locality`.

    Returns
    -------
    float
        NaN where there are no two inputs, or all are of one pixel.

    Examples
    --------
    >>> shared_locality(np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool), (4, 1))
    0.6
    >>> shared_locality(np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool), (4, 1))
    1.0
    """
    _, scale = _places(mask, shape, scale)
    popularity = mask.sum(axis=0)
    pairs = float(popularity.sum()) ** 2 - float((popularity.astype(np.float64) ** 2).sum())
    counts = popularity.reshape(1, *shape).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _distances(counts, scale) / pairs / _any_distance(shape, scale)
    return float(np.round(found[0], 12))


def chance_locality(
    mask: NDArray[np.bool_], shape: Sequence[int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return `locality` of units that have as many inputs as those of a mask, at random."""
    return locality(rng.permuted(mask, axis=1), shape)


def _places(
    mask: NDArray[np.bool_], shape: Sequence[int], scale: Sequence[float] | None
) -> tuple[NDArray[np.integer], Sequence[float]]:
    """Return how many inputs of each unit are of each pixel, (n_units, *grid), and the scale of each axis."""
    *grid, _ = shape
    scale = (1.0,) * len(grid) if scale is None else scale
    if len(scale) != len(grid) or mask.shape[1:] != (int(np.prod(shape)),):
        raise ValueError(
            f"the mask needs a column for each number of {tuple(shape)} and a scale for each axis but channels, got "
            f"{mask.shape} and {len(scale)}"
        )
    return mask.reshape(len(mask), *shape).sum(axis=-1), scale


def _any_distance(shape: Sequence[int], scale: Sequence[float]) -> float:
    """Return the mean distance between two different inputs."""
    *grid, channels = shape
    n = float(np.prod(shape))
    return float(_distances(np.full((1, *grid), channels), scale)[0]) / max(n * (n - 1), 1.0)


def _distances(counts: NDArray[np.integer], scale: Sequence[float]) -> NDArray[np.float64]:
    """Return the sum of the distances between all inputs of each unit, both ways, counted at each pixel (n, *grid)."""
    left_out = tuple(axis for axis, step in enumerate(scale, 1) if not step)
    counts, scale = counts.sum(axis=left_out), [step for step in scale if step]
    axes = tuple(range(1, counts.ndim))
    # How many pairs lie how far apart is the correlation with itself; padded, so that no end meets the other.
    size = [2 * length for length in counts.shape[1:]]
    away = [np.minimum(np.arange(length), length - np.arange(length)) for length in size]
    offsets = np.meshgrid(*away, indexing="ij")
    distance = np.sqrt(sum((step * offset) ** 2 for step, offset in zip(scale, offsets, strict=True)))
    sums = np.empty(len(counts))
    step = max(_CHUNK // int(np.prod(size)), 1)
    for start in range(0, len(counts), step):
        spectrum = fft.rfftn(counts[start : start + step].astype(np.float64), size, axes)
        pairs = np.rint(fft.irfftn(np.abs(spectrum) ** 2, size, axes))
        sums[start : start + step] = (pairs * distance).reshape(len(pairs), -1).sum(axis=1)
    return sums


def effective_density(layers: Sequence[NDArray[np.bool_]]) -> float:
    """Return the share of weights that are on a path from an input to an output (Vysogorets and Kempe 2023).

    Parameters
    ----------
    layers : sequence of ndarray of bool
        Masks (n_out, n_in) of fully connected layers one behind the other.

    Examples
    --------
    The second unit of the middle has an input, but nobody listens to it:

    >>> effective_density([np.array([[True], [True]]), np.array([[True, False]])])
    0.5
    """
    reached: list[NDArray] = [np.ones(layers[0].shape[1], bool)]
    for mask in layers:
        reached.append(np.any(mask & reached[-1], axis=1))
    heard: NDArray = np.ones(layers[-1].shape[0], bool)
    n = 0
    for mask, fed in zip(layers[::-1], reached[-2::-1], strict=True):
        used = mask & fed & heard[:, np.newaxis]
        n += int(np.count_nonzero(used))
        heard = np.any(used, axis=0)
    return n / sum(mask.size for mask in layers)
