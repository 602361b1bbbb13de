"""The training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from . import nn, optim
from .nn.module import Array

#: What is kept of a clip between the epochs, decoded once.
Sample = Any


class Samples(Protocol):
    """What can be asked for its length and for a sample by its number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@dataclass(frozen=True)
class Training:
    """How a net is trained: mini-batches, AdamW, a one-cycle rate, label smoothing, clipped gradients.

    Parameters
    ----------
    epochs : int
        Passes over the samples.
    batch_size : int
        Samples of a step, at most.
    learning_rate : float
        Peak of the cycle.
    weight_decay : float
        Of arrays of two and more axes; biases and scales stay.
    label_smoothing : float
        Of the cross entropy.
    clip_norm : float, optional
        Longest gradient that is followed as it is; a longer one is shortened to this.
    validation : float
        Share of the groups that is held out to choose the epoch; 0 keeps the last.
    patience : int, optional
        Epochs without a lower validation loss after which the training ends.
    balanced : bool
        Whether classes weigh alike however many samples they have.
    random_state : int
        Seed of initial values, order, augmentation, dropout and held-out groups.

    Raises
    ------
    ValueError
        If a number makes no sense.
    """

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    clip_norm: float | None = 5.0
    validation: float = 0.0
    patience: int | None = None
    balanced: bool = True
    random_state: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size) < 1:
            raise ValueError(
                f"epochs and batch_size must be 1 or more, got {self.epochs} and {self.batch_size}"
            )
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation must be a share in [0, 1), got {self.validation}")

    def fit(
        self,
        net: nn.Module,
        samples: Samples,
        targets: NDArray[np.integer],
        draw: Callable[[Sample, np.random.Generator], Array],
        views: Callable[[Sample], Array],
        groups: NDArray | None = None,
    ) -> pd.DataFrame:
        """Train ``net`` in place and leave it in evaluation mode.

        The outcome is the same for any number of threads.

        Parameters
        ----------
        net : Module
            Gives scores (N, n_classes).
        samples : sequence
            What `draw` and `views` take, such as the small frames of each clip.
        targets : ndarray of int, shape (n,)
            Class numbers from 0.
        draw : callable
            Makes one input of the net from a sample, changed at random (augmentation).
        views : callable
            Makes the inputs (n_views, ...) of one sample whose predictions are averaged.
        groups : ndarray, shape (n,), optional
            Group of each sample; needed where ``validation`` holds groups out.

        Returns
        -------
        DataFrame
            One row per epoch: ``epoch``, ``learning_rate``, ``loss``, ``accuracy`` on the augmented training samples
            and, with validation, ``validation_loss`` and ``validation_accuracy``.

        Raises
        ------
        ValueError
            If validation is asked for without two groups, or there is no sample.
        """
        if not len(samples):
            raise ValueError("there is no sample to train on")
        rng = np.random.default_rng(self.random_state)
        held_out = self._hold_out(groups, rng)
        with threadpool_limits(1, user_api="blas"):
            net.reset(rng)
            run = _Run(self, net, samples, targets, draw, views, rng, held_out)
            return run.train()

    def _hold_out(self, groups: NDArray | None, rng: np.random.Generator) -> NDArray[np.bool_] | None:
        """Return which samples are held out: all those of some groups."""
        if not self.validation:
            return None
        names = np.unique(groups) if groups is not None else np.zeros(0)
        if len(names) < 2:
            raise ValueError(f"validation needs two groups or more, got {len(names)}")
        n = min(max(round(self.validation * len(names)), 1), len(names) - 1)
        return np.isin(np.asarray(groups), rng.permutation(names)[:n])


class _Run:
    """One training from start to end."""

    def __init__(
        self,
        how: Training,
        net: nn.Module,
        samples: Samples,
        targets: NDArray[np.integer],
        draw: Callable[[Sample, np.random.Generator], Array],
        views: Callable[[Sample], Array],
        rng: np.random.Generator,
        held_out: NDArray[np.bool_] | None,
    ) -> None:
        self.how, self.net, self.samples, self.targets = how, net, samples, np.asarray(targets)
        self.draw, self.views, self.rng = draw, views, rng
        aside = np.zeros(len(samples), bool) if held_out is None else held_out
        self.train_on, self.validate_on = np.flatnonzero(~aside), np.flatnonzero(aside)
        self.criterion = nn.CrossEntropyLoss(self._class_weights(), how.label_smoothing)
        self.x, self.gradient = net.get_parameters()
        self.state: dict[str, Any] = {"weight_decay": how.weight_decay, "decays": _decays(net)}
        self.n_batches = ceil(len(self.train_on) / how.batch_size)
        self.step = 0

    def _class_weights(self) -> Array | None:
        if not self.how.balanced:
            return None
        counts = np.bincount(self.targets[self.train_on], minlength=int(self.targets.max()) + 1)
        return counts.sum() / np.maximum(counts, 1) / max(np.count_nonzero(counts), 1)

    def train(self) -> pd.DataFrame:
        """Go through the epochs and leave the best parameters in the net."""
        rows: list[dict[str, float]] = []
        best = np.inf
        kept: tuple[int, dict[str, Array]] | None = None
        for epoch in range(1, self.how.epochs + 1):
            rows.append({"epoch": float(epoch), **self._epoch()})
            if len(self.validate_on):
                rows[-1] |= self._validate()
                if rows[-1]["validation_loss"] < best:
                    best, kept = rows[-1]["validation_loss"], (epoch, self.net.state_dict())
                if kept and self.how.patience is not None and epoch - kept[0] >= self.how.patience:
                    break
        if kept:
            self.net.load_state_dict(kept[1])
        self.net.evaluate()
        return pd.DataFrame(rows)

    def _epoch(self) -> dict[str, float]:
        self.net.training()
        loss, right = 0.0, 0
        # Batches of nearly one size: none is a lone sample that batch normalisation could not use.
        for batch in np.array_split(self.rng.permutation(self.train_on), self.n_batches):
            batch_loss, batch_right = self._step(batch)
            loss, right = loss + batch_loss * len(batch), right + batch_right
        n = len(self.train_on)
        return {"learning_rate": self.state["learning_rate"], "loss": loss / n, "accuracy": right / n}

    def _step(self, batch: NDArray[np.intp]) -> tuple[float, int]:
        x = np.stack([self.draw(self.samples[int(index)], self.rng) for index in batch])
        targets, right = self.targets[batch], 0

        def evaluate(_: Array) -> tuple[float, Array]:
            nonlocal right
            scores = self.net.forward(x)
            right = int((scores.argmax(axis=1) == targets).sum())
            self.gradient.fill(0)
            self.net.backward(x, self.criterion.backward(scores, targets), input_grad=False)
            self._clip()
            return self.criterion.forward(scores, targets), self.gradient

        n_steps = self.how.epochs * self.n_batches
        self.state["learning_rate"] = optim.one_cycle(self.step, n_steps, self.how.learning_rate)
        self.step += 1
        _, losses = optim.adamw(evaluate, self.x, self.state)
        self.net.clear_state()
        return losses[0], right

    def _clip(self) -> None:
        norm = float(np.linalg.norm(self.gradient))
        if self.how.clip_norm is not None and norm > self.how.clip_norm:
            self.gradient *= self.gradient.dtype.type(self.how.clip_norm / norm)

    def _validate(self) -> dict[str, float]:
        self.net.evaluate()
        scores = np.stack(
            [self.net.forward(self.views(self.samples[int(i)])).mean(axis=0) for i in self.validate_on]
        )
        targets = self.targets[self.validate_on]
        return {
            "validation_loss": self.criterion.forward(scores, targets),
            "validation_accuracy": float((scores.argmax(axis=1) == targets).mean()),
        }


def _decays(net: nn.Module) -> Array:
    """Return 1 for the parameters of filters and matrices, 0 for biases and scales."""
    values = [parameter.value for parameter in net.parameters().values()]
    return np.concatenate([np.full(value.size, value.ndim > 1, value.dtype) for value in values])


def predict_proba(net: nn.Module, samples: Samples, views: Callable[[Sample], Array]) -> NDArray[np.float64]:
    """Return class probabilities, each the mean over the sample's views.

    Parameters
    ----------
    net : Module
        In evaluation mode; gives scores (n_views, n_classes).
    samples : sequence
        May be lazy: each is looked at once, in order.
    views : callable
        Makes the inputs of one sample.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
    """
    softmax = nn.Softmax()
    with threadpool_limits(1, user_api="blas"):
        rows = []
        for index in range(len(samples)):
            scores = net.forward(views(samples[index]))
            rows.append(softmax.forward(scores.astype(np.float64)).mean(axis=0))
    probabilities = np.stack(rows)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
