"""Losses, and their gradients with respect to the output of a net."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, xlogy

from .arguments import MAX_INTEGER, integer, real
from .values import Array, Value, add_values, floating

_TINY = float(np.finfo(float).tiny)


class Criterion(ABC):
    """A loss: `forward` returns its value, `backward` its gradient with respect to ``input``.

    Parameters
    ----------
    reduction : str
        ``"mean"`` (Torch's ``sizeAverage``) or ``"sum"``.

    Raises
    ------
    ValueError
        If the reduction is another word.
    """

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum")

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            raise ValueError(f"reduction must be one of {', '.join(self.reductions)}, got {reduction!r}")
        self.reduction = reduction

    @abstractmethod
    def forward(self, input: Value, target: Any) -> float:
        """Return the loss of the batch; 0 for an empty one."""

    @abstractmethod
    def backward(self, input: Value, target: Any) -> Value:
        """Return the gradient of `forward` with respect to ``input``, in its shape and `floating` type."""


def check_targets(target: ArrayLike, shape: tuple[int, ...], n_classes: int) -> NDArray[np.intp]:
    """Return class indices, checked.

    Raises
    ------
    ValueError
        If they are not integers from 0 to ``n_classes`` - 1 of that shape.
    """
    target = np.asarray(target)
    if target.shape != shape or not (target.size == 0 or np.issubdtype(target.dtype, np.integer)):
        wanted = f"{shape[0]} integers" if len(shape) == 1 else f"integers of shape {shape}"
        raise ValueError(f"targets must be {wanted}, got {target.dtype} of shape {target.shape}")
    if target.size and (target.min() < 0 or target.max() >= n_classes):
        wrong = target[(target < 0) | (target >= n_classes)]
        raise ValueError(f"target {wrong[0]} is none of the {n_classes} classes 0 to {n_classes - 1}")
    return target.astype(np.intp, copy=False)


class NLLLoss(Criterion):
    """``-log p`` of the target's class, given logarithms of probabilities (Torch's ``ClassNLLCriterion``).

    Scores are (N, C) or (N, ..., C), targets class indices from 0 of shape (N,) or (N, ...).

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        Weight of each class; the mean is weighted by the target's.
    ignore_index : int, optional
        A target that counts nothing.
    reduction : str
        ``"mean"`` or ``"sum"``.

    Raises
    ------
    ValueError
        If a target is no class, or shapes do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> round(nn.NLLLoss().forward(np.log([[0.25, 0.75]]), np.array([1])), 4)
    0.2877
    """

    label_smoothing = 0.0

    def __init__(
        self, weight: ArrayLike | None = None, *, ignore_index: int | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.weight = None if weight is None else np.asarray(weight, float)
        self.ignore_index = (
            None if ignore_index is None else integer("ignore_index", ignore_index, -MAX_INTEGER)
        )

    def _wanted(self, input: Array, target: ArrayLike) -> Array:
        """Return what each logarithm is multiplied by, in the input's shape."""
        if input.ndim < 2:
            raise ValueError(f"scores must be (N, classes), got {input.shape}")
        target, n_classes = np.asarray(target), input.shape[-1]
        if self.weight is not None and self.weight.shape != (n_classes,):
            raise ValueError(f"there are {n_classes} classes and weights of shape {self.weight.shape}")
        kept = None if self.ignore_index is None else target != self.ignore_index
        target = check_targets(
            target if kept is None else np.where(kept, target, 0), input.shape[:-1], n_classes
        )
        wanted = np.full(input.shape, self.label_smoothing / n_classes)
        wanted.reshape(-1, n_classes)[np.arange(target.size), target.reshape(-1)] += 1 - self.label_smoothing
        counts = None if self.weight is None else self.weight[target]
        if self.weight is not None:
            wanted *= self.weight
        if kept is not None:
            counts = kept if counts is None else counts[kept]
            wanted *= kept[..., np.newaxis]
        if self.reduction == "mean":
            wanted *= 1 / max(target.size if counts is None else counts.sum(), _TINY)
        return wanted

    def forward(self, input: Array, target: ArrayLike) -> float:
        """Return the loss."""
        return _expected_loss(self._wanted(input, target), input)

    def backward(self, input: Array, target: ArrayLike) -> Array:
        """Return the gradient."""
        return -self._wanted(input, target).astype(floating(input).dtype)


def _expected_loss(wanted: Array, logarithms: Array) -> float:
    """Sum what is wanted; a class that is not may be impossible, its logarithm infinite."""
    return float(-np.multiply(wanted, logarithms, out=np.zeros_like(wanted), where=wanted != 0).sum())


def _log_softmax(scores: Array) -> Array:
    """Return the logarithms of probabilities; SciPy's function takes longer for its checks than for a batch."""
    top = scores.max(axis=-1, keepdims=True)
    shifted = scores - np.where(np.isfinite(top), top, 0)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class CrossEntropyLoss(NLLLoss):
    """Cross entropy of unnormalised scores and class indices: `LogSoftmax` and `NLLLoss` in one.

    Scores are (N, C) or (N, ..., C), targets class indices from 0 of shape (N,) or (N, ...).

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        Weight of each class; the mean is weighted by the target's.
    label_smoothing : float
        Share of the target's probability that is spread over all classes (Szegedy et al. 2016).
    ignore_index : int, optional
        A target that counts nothing.
    reduction : str
        ``"mean"`` or ``"sum"``.

    Raises
    ------
    ValueError
        If a target is no class, or shapes do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> scores, classes = np.log([[1.0, 3.0]]), np.array([1])
    >>> round(nn.CrossEntropyLoss().forward(scores, classes), 4)
    0.2877
    >>> nn.CrossEntropyLoss().backward(scores, classes).round(4)
    array([[ 0.25, -0.25]])
    """

    def __init__(
        self,
        weight: ArrayLike | None = None,
        label_smoothing: float = 0.0,
        *,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = real("label_smoothing", label_smoothing, 0, 1)

    def forward(self, input: Array, target: ArrayLike) -> float:
        """Return the loss."""
        wanted = self._wanted(input, target)
        return _expected_loss(wanted, _log_softmax(floating(input))) if input.size else 0.0

    def backward(self, input: Array, target: ArrayLike) -> Array:
        """Return the gradient."""
        wanted, input = self._wanted(input, target), floating(input)
        if not input.size:
            return np.zeros_like(input)
        predicted = np.exp(_log_softmax(input))
        return (predicted * wanted.sum(axis=-1, keepdims=True) - wanted).astype(input.dtype)


class _Each(Criterion):
    """A loss of each value and its target."""

    @abstractmethod
    def _loss(self, input: Array, target: Array) -> Array:
        """Return the loss of each value."""

    @abstractmethod
    def _slope(self, input: Array, target: Array) -> Array:
        """Return its derivative."""

    def _check(self, input: Array, target: ArrayLike) -> tuple[Array, Array]:
        """Return input and target of one shape, as floating-point arrays."""
        wanted = floating(np.asarray(target))
        if wanted.shape != input.shape:
            raise ValueError(f"the target must have the shape {input.shape}, got {wanted.shape}")
        return floating(input), wanted

    def _divisor(self, input: Array) -> int:
        return max({"mean": input.size, "batchmean": len(input)}.get(self.reduction, 1), 1)

    def forward(self, input: Array, target: ArrayLike) -> float:
        """Return the loss."""
        losses = self._loss(*self._check(input, target))
        return float(losses.sum(dtype=np.float64)) / self._divisor(input)

    def backward(self, input: Array, target: ArrayLike) -> Array:
        """Return the gradient."""
        x, wanted = self._check(input, target)
        return (self._slope(x, wanted) / self._divisor(input)).astype(x.dtype)


class MSELoss(_Each):
    """``(input - target) ** 2``.

    Parameters
    ----------
    reduction : str
        ``"mean"`` over all values or ``"sum"``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.MSELoss().forward(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    2.0
    """

    def _loss(self, input: Array, target: Array) -> Array:
        return (input - target) ** 2

    def _slope(self, input: Array, target: Array) -> Array:
        return 2 * (input - target)


class L1Loss(_Each):
    """``|input - target|`` (Torch's ``AbsCriterion``); the slope where they are equal is 0.

    Parameters
    ----------
    reduction : str
        ``"mean"`` over all values or ``"sum"``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.L1Loss().forward(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    1.0
    """

    def _loss(self, input: Array, target: Array) -> Array:
        return np.abs(input - target)

    def _slope(self, input: Array, target: Array) -> Array:
        return np.sign(input - target)


class SmoothL1Loss(_Each):
    """``d ** 2 / (2 * beta)`` where ``d = |input - target|`` is below ``beta``, else ``d - beta / 2`` (Girshick 2015).

    Parameters
    ----------
    reduction : str
        ``"mean"`` or ``"sum"``.
    beta : float
        Where the parabola ends, above 0.

    Raises
    ------
    ValueError
        If ``beta`` is not above 0, or the shapes differ.
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if real("beta", beta) <= 0:
            raise ValueError(f"beta must be above 0, got {beta}")
        self.beta = beta

    def _loss(self, input: Array, target: Array) -> Array:
        distance = np.abs(input - target)
        return np.where(distance < self.beta, distance**2 / (2 * self.beta), distance - self.beta / 2)

    def _slope(self, input: Array, target: Array) -> Array:
        return np.clip((input - target) / self.beta, -1, 1)


class BCELoss(_Each):
    """Cross entropy of probabilities and targets in [0, 1]; a logarithm is never below -100, as in PyTorch.

    Parameters
    ----------
    reduction : str
        ``"mean"`` over all values or ``"sum"``.

    Raises
    ------
    ValueError
        If a value is outside [0, 1], or the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> round(nn.BCELoss().forward(np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]])), 4)
    0.6931
    """

    def _check(self, input: Array, target: ArrayLike) -> tuple[Array, Array]:
        x, wanted = super()._check(input, target)
        for name, values in (("probabilities", x), ("targets", wanted)):
            if not ((values >= 0) & (values <= 1)).all():
                raise ValueError(f"{name} must lie in [0, 1], got {values.min()} to {values.max()}")
        return x, wanted

    def _loss(self, input: Array, target: Array) -> Array:
        with np.errstate(divide="ignore"):
            right, wrong = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        return -(target * right + (1 - target) * wrong)

    def _slope(self, input: Array, target: Array) -> Array:
        return (input - target) / np.maximum(input * (1 - input), 1e-12)


class BCEWithLogitsLoss(_Each):
    """`Sigmoid` and `BCELoss` in one, without overflow; targets in [0, 1].

    Parameters
    ----------
    reduction : str
        ``"mean"`` over all values or ``"sum"``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> round(nn.BCEWithLogitsLoss().forward(np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]])), 4)
    0.6931
    """

    def _loss(self, input: Array, target: Array) -> Array:
        return np.logaddexp(0, input) - target * input

    def _slope(self, input: Array, target: Array) -> Array:
        return expit(input) - target


class KLDivLoss(_Each):
    """``target * (log(target) - input)``, where the input holds logarithms of probabilities (Torch's ``DistKLDiv``).

    Parameters
    ----------
    reduction : str
        ``"mean"`` over all values as in Torch, ``"batchmean"`` over the samples (the divergence), or ``"sum"``.
    """

    reductions = ("mean", "batchmean", "sum")

    def _loss(self, input: Array, target: Array) -> Array:
        return xlogy(target, target) - target * input

    def _slope(self, input: Array, target: Array) -> Array:
        return -target


class MarginLoss(_Each):
    """``max(0, margin - target * input)`` for targets of 1 and -1 (Torch's ``MarginCriterion``).

    Parameters
    ----------
    margin : float
        How far on the right side costs nothing.
    reduction : str
        ``"mean"`` or ``"sum"``.

    Raises
    ------
    ValueError
        If a target is neither 1 nor -1, or the shapes differ.
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = real("margin", margin)

    def _check(self, input: Array, target: ArrayLike) -> tuple[Array, Array]:
        x, wanted = super()._check(input, target)
        if wrong := wanted[np.abs(wanted) != 1].tolist():
            raise ValueError(f"each target must be 1 or -1, got {wrong[0]:g}")
        return x, wanted

    def _loss(self, input: Array, target: Array) -> Array:
        return np.maximum(0, self.margin - target * input)

    def _slope(self, input: Array, target: Array) -> Array:
        return np.where(self.margin - target * input > 0, -target, 0)


class MultiMarginLoss(Criterion):
    """``Σ max(0, margin - x[target] + x[j]) ** p / C`` over the other classes j (Crammer and Singer 2001).

    Parameters
    ----------
    p : int
        1 or 2.
    margin : float
        By how much the target's score must exceed the others.
    weight : array_like, shape (C,), optional
        Factor for targets of each class.
    reduction : str
        ``"mean"`` over samples or ``"sum"``.

    Raises
    ------
    ValueError
        If ``p`` is neither 1 nor 2, a target is no class, or shapes do not go together.
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: ArrayLike | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if integer("p", p, -MAX_INTEGER) not in (1, 2):
            raise ValueError(f"p must be 1 or 2, got {p}")
        self.p, self.margin = p, real("margin", margin)
        self.weight = None if weight is None else np.asarray(weight, float)

    def _excess(self, input: Array, target: ArrayLike) -> tuple[Array, Array, NDArray[np.intp]]:
        """Return by how much each other score comes too near, the factor of each sample, and the targets."""
        input = floating(input)
        if input.ndim != 2:
            raise ValueError(f"scores must be (N, classes), got {input.shape}")
        n, n_classes = input.shape
        target = check_targets(target, (n,), n_classes)[:, np.newaxis]
        excess = np.maximum(0, self.margin - np.take_along_axis(input, target, 1) + input)
        np.put_along_axis(excess, target, 0, 1)
        weight = np.ones(n_classes) if self.weight is None else self.weight
        return excess, weight[target] / n_classes / (max(n, 1) if self.reduction == "mean" else 1), target

    def forward(self, input: Array, target: ArrayLike) -> float:
        """Return the loss."""
        excess, factor, _ = self._excess(input, target)
        return float((factor * excess**self.p).sum())

    def backward(self, input: Array, target: ArrayLike) -> Array:
        """Return the gradient."""
        excess, factor, target = self._excess(input, target)
        slope = factor * (2 * excess if self.p == 2 else (excess > 0))
        np.put_along_axis(slope, target, -slope.sum(axis=1, keepdims=True), 1)
        return slope.astype(floating(input).dtype)


class MultiCriterion(Criterion):
    """A weighted sum of losses of the same input and target.

    Parameters
    ----------
    criteria : sequence of Criterion
    weights : sequence of float, optional
        1 for each by default.

    Raises
    ------
    ValueError
        If there is not one weight for each.

    Examples
    --------
    >>> import numpy as np
    >>> MultiCriterion([MSELoss(), L1Loss()], [1.0, 0.5]).forward(np.array([[3.0]]), np.array([[1.0]]))
    5.0
    """

    def __init__(self, criteria: Sequence[Criterion] = (), weights: Sequence[float] | None = None) -> None:
        super().__init__("sum")
        self.criteria = list(criteria)
        given = [1.0] * len(self.criteria) if weights is None else weights
        self.weights = [real("weights", weight) for weight in given]
        if len(self.weights) != len(self.criteria):
            raise ValueError(f"{len(self.criteria)} criteria need as many weights, got {len(self.weights)}")

    def add(self, criterion: Criterion, weight: float = 1.0) -> Self:
        """Append a loss."""
        self.criteria.append(criterion)
        self.weights.append(weight)
        return self

    def forward(self, input: Value, target: Any) -> float:
        """Return the loss."""
        pairs = zip(self.weights, self.criteria, strict=True)
        return sum(weight * criterion.forward(input, target) for weight, criterion in pairs)

    def backward(self, input: Value, target: Any) -> Value:
        """Return the gradient."""
        pairs = zip(self.weights, self.criteria, strict=True)
        return add_values([_scaled(criterion.backward(input, target), weight) for weight, criterion in pairs])


class ParallelCriterion(MultiCriterion):
    """A weighted sum of losses, each of its own entry of the lists ``input`` and ``target``.

    Parameters
    ----------
    criteria : sequence of Criterion
    weights : sequence of float, optional
        1 for each by default.
    repeat_target : bool
        Whether all have the same target, which then is no list.

    Raises
    ------
    ValueError
        If there is not one weight, input and target for each.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> both = nn.ParallelCriterion().add(nn.MSELoss()).add(nn.L1Loss(), 0.5)
    >>> both.forward([np.array([[1.0]]), np.array([[1.0]])], [np.array([[3.0]]), np.array([[3.0]])])
    5.0
    """

    def __init__(
        self,
        criteria: Sequence[Criterion] = (),
        weights: Sequence[float] | None = None,
        repeat_target: bool = False,
    ) -> None:
        super().__init__(criteria, weights)
        self.repeat_target = repeat_target

    def _entries(self, input: list[Value], target: Any) -> list[tuple[float, Criterion, Value, Any]]:
        targets = [target] * len(input) if self.repeat_target else target
        if not len(input) == len(targets) == len(self.criteria):
            raise ValueError(
                f"{len(self.criteria)} criteria need as many inputs and targets, got {len(input)} and {len(targets)}"
            )
        return list(zip(self.weights, self.criteria, input, targets, strict=True))

    def forward(self, input: list[Value], target: Any) -> float:
        """Return the loss."""
        return sum(weight * own.forward(x, t) for weight, own, x, t in self._entries(input, target))

    def backward(self, input: list[Value], target: Any) -> list[Value]:
        """Return the gradients, a list."""
        return [_scaled(own.backward(x, t), weight) for weight, own, x, t in self._entries(input, target)]


def _scaled(value: Value, weight: float) -> Value:
    if isinstance(value, list | tuple):
        return [_scaled(entry, weight) for entry in value]
    return value * value.dtype.type(weight)
