"""The training loop."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..errors import ActionbenchError, did_you_mean
from ..progress import each, tell
from . import checkpoint as files
from . import nn, optim
from .nn.values import Array

#: What `augment` and `test_views` make inputs from, such as the small frames of a clip.
Sample = Any


class Samples(Protocol):
    """A sequence of samples: it has a length, and a sample at each index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class LazySamples:
    """Samples that are made when they are asked for, and not kept.

    Parameters
    ----------
    sources : sequence
        What they are made from, such as `Clips`, or indices of clips.
    read : callable
        Makes one, such as ``reader.read``.

    Examples
    --------
    >>> LazySamples([3, 4], lambda source: source**2)[1]
    16
    """

    def __init__(self, sources: Sequence[Any], read: Callable[[Any], Sample]) -> None:
        self._sources, self._read = sources, read

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> Sample:
        return self._read(self._sources[index])


class CachedSamples:
    """Samples of which the first ones asked for stay in memory, up to a limit; the others are read each time.

    Parameters
    ----------
    samples : sequence
        Reads a sample when it is asked for.
    size : callable
        Returns the bytes of a sample.
    limit : int
        Bytes to keep, at most.

    Examples
    --------
    >>> cached = CachedSamples(["read", "when", "asked"], size=len, limit=8)
    >>> cached[2], cached[1], len(cached)
    ('asked', 'when', 3)
    """

    # As each epoch asks for all samples in a new order, evicting some for others would save nothing.

    def __init__(self, samples: Samples, size: Callable[[Sample], int], limit: int) -> None:
        self._samples, self._size, self._free = samples, size, limit
        self._cached: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        if index in self._cached:
            return self._cached[index]
        sample = self._samples[index]
        size = self._size(sample)
        if size <= self._free:
            self._cached[index] = sample
            self._free -= size
        return sample


class Interrupted(KeyboardInterrupt):
    """A training was interrupted; its net is in evaluation mode, with the best parameters until then.

    It is raised as any interrupt is, so that nobody takes a half-trained net for a trained one without catching it.

    Attributes
    ----------
    log : DataFrame
        One row per finished epoch, as `Training.fit` returns it; the initial values are the best before the first.
    """

    def __init__(self, log: pd.DataFrame) -> None:
        super().__init__(f"the training was interrupted after {len(log)} finished epochs")
        self.log = log


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    epoch, epochs : int
        The epoch, from 1, and how many there are.
    batch, n_batches : int
        Mini-batches of this epoch that are done, and how many there are. When all are, the epoch has ended: it is
        validated and its checkpoint written.
    loss : float
        Mean over the samples of this epoch until now.
    validation_loss : float or None
        Of the last epoch that has ended.
    seconds_left : float
        Until the last epoch ends, at the pace until now.
    """

    epoch: int
    epochs: int
    batch: int
    n_batches: int
    loss: float
    validation_loss: float | None
    seconds_left: float

    @property
    def share(self) -> float:
        """Share of all mini-batches that are done."""
        return (self.epoch - 1 + self.batch / self.n_batches) / self.epochs

    def __str__(self) -> str:
        validation = "" if self.validation_loss is None else f", validation loss {self.validation_loss:.4g}"
        minutes, seconds = divmod(ceil(self.seconds_left), 60)
        left = f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"
        return f"epoch {self.epoch}/{self.epochs}: loss {self.loss:.4g}{validation}, {left}"


@contextmanager
def progress_line() -> Iterator[Callable[[Progress], None]]:
    """Give what `Training.fit` takes as ``progress``: on standard error, a bar on a terminal, else a line per epoch.

    Examples
    --------
    >>> with progress_line() as progress:  # doctest: +SKIP
    ...     Training().fit(net, samples, targets, augment, test_views, progress=progress)
    """
    if not sys.stderr.isatty():
        yield lambda now: print(now, file=sys.stderr) if now.batch == now.n_batches else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=1)
        yield lambda now: bar.update(task, completed=now.share, description=str(now))


@dataclass(frozen=True)
class Training:
    """How a net is trained: mini-batches, AdamW, a one-cycle rate, label smoothing, clipped gradients.

    Parameters
    ----------
    epochs : int
        Passes over the samples.
    batch_size : int
        Samples of a step, at most.
    learning_rate : float, optional
        Peak of the cycle; 3e-3 by default, if the method has such an option.
    weight_decay : float, optional
        Of arrays of two and more axes; biases and scales stay. 1e-2 by default, if the method has such an option.
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
    method : callable or str
        One of `optim`, such as ``optim.sgd``, or its name.
    options : mapping of str
        Options of the method, such as ``{"momentum": 0.9}``.
    schedule : callable
        Returns the learning rate from the step, the number of steps and the peak, such as ``optim.cosine``.
    trained : str
        Path of the module whose parameters change, such as ``"15"``; all others keep their initial values. Empty for
        all. Where `fit` is given ``initial``, all others are in evaluation mode too: no dropout, and their running
        moments stay.

    Raises
    ------
    ValueError
        If a value makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import zoo
    >>> samples, targets = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> net, training = zoo.mlp(4, 8, 2), Training(epochs=2, batch_size=2)
    >>> log = training.fit(net, samples, targets, lambda sample, rng: sample, lambda sample: sample[np.newaxis])
    >>> log.columns.tolist()
    ['epoch', 'learning_rate', 'loss', 'accuracy']
    >>> predict_proba(net, samples, lambda sample: sample[np.newaxis]).shape
    (4, 2)
    """

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float = 0.1
    clip_norm: float | None = 5.0
    validation: float = 0.0
    patience: int | None = None
    balanced: bool = True
    random_state: int = 0
    method: Callable[..., tuple[Array, list[float]]] | str = optim.adamw
    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: Callable[[int, int, float], float] = optim.one_cycle
    trained: str = ""

    def __post_init__(self) -> None:
        self._check_integer("epochs", 1)
        self._check_integer("batch_size", 1)
        self._check_integer("random_state", 0)
        if not isinstance(self.balanced, bool | np.bool_):
            raise ValueError(f"balanced must be True or False, got {self.balanced!r}")
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation must be a share in [0, 1), got {self.validation}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be a share in [0, 1), got {self.label_smoothing}")
        rate, decay = 1.0 if self.learning_rate is None else self.learning_rate, self.weight_decay or 0.0
        if not (0 < rate < np.inf and 0 <= decay < np.inf):
            raise ValueError(
                f"learning_rate must be above 0 and weight_decay 0 or more, and both finite, got "
                f"{self.learning_rate} and {self.weight_decay}"
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0, or None, got {self.clip_norm}")
        if self.patience is not None:
            self._check_integer("patience", 1)
        if self.patience is not None and not self.validation:
            raise ValueError(
                f"patience must be 1 or more and needs validation, got {self.patience} and {self.validation}"
            )
        self._check_method()

    def _check_integer(self, name: str, minimum: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
            raise ValueError(f"{name} must be an integer of {minimum} or more, got {value!r}")

    def _check_method(self) -> None:
        method = self.method
        if isinstance(method, str):
            known = [name for name in optim.__all__ if hasattr(getattr(optim, name), "options")]
            if method not in known:
                raise ValueError(f"optim has no method {method!r}; {did_you_mean(method, known)}")
            object.__setattr__(self, "method", getattr(optim, method))
        options = getattr(self.method, "options", None)
        for name in ("learning_rate", "weight_decay"):
            if options is not None and name not in options and getattr(self, name):
                raise ValueError(
                    f"{self._method_name()} has no {name}, leave it out; its options are: {', '.join(options)}"
                )
        for name in self.options:
            if name == "learning_rate":
                raise ValueError("the learning rate is no entry of options, but learning_rate and schedule")
            if options is not None and name not in options:
                raise ValueError(
                    f"{self._method_name()} has no option {name!r}; {did_you_mean(name, options)}"
                )

    @property
    def steps(self) -> Callable[..., tuple[Array, list[float]]]:
        """The method itself, also where it was given by name."""
        return getattr(optim, self.method) if isinstance(self.method, str) else self.method

    def _method_name(self) -> str:
        return str(getattr(self.method, "__name__", self.method))

    def _option(self, name: str, usual: float) -> float | None:
        """Return an option that is a parameter of the training, or None if the method has none."""
        given, options = getattr(self, name), getattr(self.method, "options", None)
        if options is not None and name not in options:
            return None
        return usual if given is None else given

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
        """Train ``net`` in place and leave it in evaluation mode.

        The result does not depend on the number of threads.

        Parameters
        ----------
        net : Module
            Gives scores (N, n_classes).
        samples : sequence
            What `augment` and `test_views` take, such as the small frames of each clip. Each is asked for when it is
            needed and not kept; see `LazySamples` and `CachedSamples`.
        targets : ndarray of int, shape (n,)
            Class indices from 0.
        augment : callable
            Makes one input of the net from a sample, changed at random (augmentation).
        test_views : callable
            Makes the inputs (n_views, ...) of one sample whose predictions are averaged.
        groups : ndarray, shape (n,), optional
            Group of each sample; needed where ``validation`` holds groups out.
        checkpoint : path, optional
            File with the state after each epoch. If it exists, the training goes on from there, and
            ends with the same bits as one that never stopped, also where that one was interrupted or killed. What
            ``augment`` and ``test_views`` do is not in it: they must be the same.
        progress : callable
            Told a `Progress` after each mini-batch; see `progress_line`.
        initial : Module, optional
            With whose parameters and buffers the training begins, such as ``net`` itself (fine-tuning); by default
            they are drawn anew.

        Returns
        -------
        DataFrame
            One row per epoch: ``epoch``, ``learning_rate``, ``loss``, ``accuracy`` on the augmented training samples
            and, with validation, ``validation_loss`` and ``validation_accuracy``.

        Raises
        ------
        ValueError
            If validation is asked for without two groups, there is no sample, targets or groups are not one for
            each, the checkpoint is damaged or of a training with other parameters, net or data, or the net was
            loaded and nothing is said of ``initial``.
        ActionbenchError
            If an input, the loss, its gradient or a parameter is no longer finite. The net then holds the parameters
            of the best epoch until then, as after an interrupt.
        Interrupted
            At a KeyboardInterrupt. The net then holds the parameters of the best epoch until then with validation,
            of the last finished one without.
        """
        targets = _check(samples, targets, groups)
        path = None if checkpoint is None else _check_path(Path(checkpoint))
        rng = np.random.default_rng(self.random_state)
        held_out = self._hold_out(groups, rng)
        with threadpool_limits(1, user_api="blas"):
            _begin(net, initial, rng)
            run = _Run(self, net, samples, targets, augment, test_views, rng, held_out, progress)
            run.tunes = initial is not None
            return run.train(path)

    def _hold_out(self, groups: NDArray | None, rng: np.random.Generator) -> NDArray[np.bool_] | None:
        """Return which samples are held out: all those of some groups."""
        if not self.validation:
            return None
        names = np.unique(groups) if groups is not None else np.zeros(0)
        if len(names) < 2:
            raise ValueError(f"validation needs two groups or more, got {len(names)}")
        n = min(max(round(self.validation * len(names)), 1), len(names) - 1)
        return np.isin(np.asarray(groups), rng.permutation(names)[:n])


def _begin(net: nn.Module, initial: nn.Module | None, rng: np.random.Generator) -> None:
    """Give the net its initial values."""
    if initial is None and net.is_loaded():
        raise ValueError(
            "the net was loaded, and a training draws its parameters anew: give initial=net to go on from those that "
            "it has, or call net.reset() first"
        )
    state = None if initial is None else initial.state_dict()
    net.reset(rng)
    if state is not None:
        net.load_state_dict(state)


def _check(samples: Samples, targets: NDArray[np.integer], groups: NDArray | None) -> NDArray[np.integer]:
    """Return the targets as an array, if they and the groups fit the samples."""
    n, targets = len(samples), np.asarray(targets)
    if not n:
        raise ValueError("there is no sample to train on")
    if targets.shape != (n,) or targets.dtype.kind not in "iu" or targets.min() < 0:
        raise ValueError(
            f"targets must be a class index from 0 for each of the {n} samples, got {targets.dtype} of shape "
            f"{targets.shape}"
        )
    if groups is not None and len(groups) != n:
        raise ValueError(f"groups must be one for each of the {n} samples, got {len(groups)}")
    return targets


def _check_path(path: Path) -> Path:
    if not path.parent.is_dir():
        raise ValueError(f"{path}: no checkpoint can be written there, {path.parent} is not a folder")
    return path


class _Run:
    """One training from start to end."""

    def __init__(
        self,
        how: Training,
        net: nn.Module,
        samples: Samples,
        targets: NDArray[np.integer],
        augment: Callable[[Sample, np.random.Generator], Array],
        test_views: Callable[[Sample], Array],
        rng: np.random.Generator,
        held_out: NDArray[np.bool_] | None,
        progress: Callable[[Progress], None],
    ) -> None:
        self.how, self.net, self.samples, self.targets = how, net, samples, targets
        self.augment, self.test_views, self.rng, self.progress = augment, test_views, rng, progress
        aside = np.zeros(len(samples), bool) if held_out is None else held_out
        self.train_on, self.validate_on = np.flatnonzero(~aside), np.flatnonzero(aside)
        self.x, self.gradient = net.get_parameters()
        self.trains = _of_module(net, how.trained)
        decay, self.rate = how._option("weight_decay", 1e-2), how._option("learning_rate", 3e-3)
        decays = {} if decay is None else {"weight_decay": decay * _decays(net) * self.trains}
        self.options = {**decays, **how.options}
        self.tunes = False
        self.state: dict[str, Any] = dict(self.options)
        self.n_batches = ceil(len(self.train_on) / how.batch_size)
        self.rows: list[dict[str, float]] = []
        self.kept = net.state_dict()
        self.initial = hashlib.sha256(self.x.tobytes()).hexdigest()

    def train(self, path: Path | None) -> pd.DataFrame:
        """Go through the epochs that are left, and leave the best parameters in the net."""
        if path is not None and path.exists():
            self._resume(path)
        self.begun, self.first = time.monotonic(), len(self.rows) * self.n_batches
        try:
            while len(self.rows) < self.how.epochs and not self._is_stale():
                row = self._epoch()
                self.rows.append(row | (self._validate() if len(self.validate_on) else {}))
                if self._best() == len(self.rows):
                    self.kept = self.net.state_dict()
                if path is not None:
                    files.write(path, self._content())
                self._tell(len(self.rows), self.n_batches, row["loss"])
        except KeyboardInterrupt as interrupt:
            raise Interrupted(self._end()) from interrupt
        except ActionbenchError:
            self._end()
            raise
        return self._end()

    def _end(self) -> pd.DataFrame:
        self.net.load_state_dict(self.kept).evaluate()
        self.net._is_loaded = False
        names = ["epoch", "learning_rate", "loss", "accuracy"]
        if len(self.validate_on):
            names += ["validation_loss", "validation_accuracy"]
        return pd.DataFrame(self.rows, columns=names)

    def _best(self) -> int:
        """Return the epoch whose parameters are kept: the last one where nothing is held out."""
        losses = [row.get("validation_loss", -row["epoch"]) for row in self.rows]
        return int(np.argmin(np.nan_to_num(losses, nan=np.inf))) + 1

    def _is_stale(self) -> bool:
        patience = self.how.patience
        return patience is not None and bool(self.rows) and len(self.rows) - self._best() >= patience

    def _epoch(self) -> dict[str, float]:
        self.net.training()
        if self.tunes and self.how.trained:
            self._freeze()
        epoch, loss, right, seen = len(self.rows) + 1, 0.0, 0, 0
        # Batches of nearly one size: none is a lone sample that batch normalisation could not use.
        batches = np.array_split(self.rng.permutation(self.train_on), self.n_batches)
        for done, batch in enumerate(batches, 1):
            batch_loss, batch_right = self._step(batch, (epoch - 1) * self.n_batches + done - 1)
            loss, right, seen = loss + batch_loss * len(batch), right + batch_right, seen + len(batch)
            if done < self.n_batches:
                self._tell(epoch, done, loss / seen)
        if not np.isfinite(self.x).all():
            raise self._diverged("parameters are", epoch * self.n_batches - 1)
        rate = self.state.get("learning_rate", np.nan)
        return {"epoch": float(epoch), "learning_rate": rate, "loss": loss / seen, "accuracy": right / seen}

    def _step(self, batch: NDArray[np.intp], step: int) -> tuple[float, int]:
        x = np.stack([self.augment(self.samples[int(index)], self.rng) for index in batch])
        self._check_input(x, batch, step)
        targets, right, looks = self.targets[batch], 0, 0

        def evaluate(_: Array) -> tuple[float, Array]:
            nonlocal right, looks
            scores = self.net.forward(x)
            criterion = self._criterion(scores)
            right = int((scores.argmax(axis=1) == targets).sum())
            self.gradient.fill(0)
            self.net.backward(x, criterion.backward(scores, targets), input_grad=False)
            if self.how.trained:
                self.gradient *= self.trains
            norm, loss = self._clip(), criterion.forward(scores, targets)
            # A line search may look further than it goes.
            if not looks and not np.isfinite(norm + loss):
                raise self._diverged("loss or its gradient is", step)
            looks += 1
            return loss, self.gradient

        n_steps = self.how.epochs * self.n_batches
        if self.rate is not None:
            self.state["learning_rate"] = self.how.schedule(step, n_steps, self.rate)
        _, losses = self.how.steps(evaluate, self.x, self.state)
        self.net.clear_state()
        return losses[0], right

    def _freeze(self) -> None:
        """Put all modules into evaluation but the trained one, those around it and those inside."""
        for path, module in self.net.named_modules():
            inside = f"{path}.".startswith(f"{self.how.trained}.")
            if path and not inside and not self.how.trained.startswith(f"{path}."):
                module.is_training = False

    def _where(self, step: int) -> str:
        return f"epoch {step // self.n_batches + 1}, batch {step % self.n_batches + 1}"

    def _check_input(self, x: Array, batch: NDArray[np.intp], step: int) -> None:
        # The sum is a quick look: it is finite only where all is.
        with np.errstate(all="ignore"):
            if x.dtype.kind != "f" or np.isfinite(x.sum()):
                return
        wrong = [int(index) for index, one in zip(batch, x, strict=True) if not np.isfinite(one).all()]
        if wrong:
            raise ActionbenchError(
                f"{self._where(step)}: the input of sample {wrong[0]} has values that are not finite; mend or leave "
                f"out the sample, and look at what augment makes of it"
            )

    def _diverged(self, what: str, step: int) -> ActionbenchError:
        rate = "" if self.rate is None else f" a learning_rate below {self.rate:g},"
        return ActionbenchError(
            f"{self._where(step)}: the {what} no longer finite, the training diverges; try{rate} a clip_norm, or "
            f"inputs of about mean 0 and deviation 1"
        )

    def _criterion(self, scores: Array) -> nn.CrossEntropyLoss:
        weights = None
        if self.how.balanced:
            n_classes = scores.shape[1]
            counts = np.bincount(self.targets[self.train_on], minlength=n_classes)[:n_classes]
            # A class without samples weighs as much as a sample does on average.
            weights = np.where(counts, counts.sum() / np.maximum(counts, 1) / np.count_nonzero(counts), 1)
        return nn.CrossEntropyLoss(weights, self.how.label_smoothing)

    def _clip(self) -> float:
        """Shorten the gradient, and return how long it was."""
        norm = float(np.linalg.norm(self.gradient))
        if self.how.clip_norm is not None and norm > self.how.clip_norm:
            self.gradient *= self.gradient.dtype.type(self.how.clip_norm / norm)
        return norm

    def _validate(self) -> dict[str, float]:
        self.net.evaluate()
        scores = np.stack(
            [self.net.forward(self.test_views(self.samples[int(i)])).mean(axis=0) for i in self.validate_on]
        )
        targets = self.targets[self.validate_on]
        loss = self._criterion(scores).forward(scores, targets)
        if not np.isfinite(loss):
            raise self._diverged("validation loss is", (len(self.rows) + 1) * self.n_batches - 1)
        return {
            "validation_loss": loss,
            "validation_accuracy": float((scores.argmax(axis=1) == targets).mean()),
        }

    def _tell(self, epoch: int, batch: int, loss: float) -> None:
        done, n_steps = (epoch - 1) * self.n_batches + batch, self.how.epochs * self.n_batches
        left = (n_steps - done) * (time.monotonic() - self.begun) / (done - self.first)
        validation = self.rows[-1].get("validation_loss") if self.rows else None
        tell("epochs", done / self.n_batches, self.how.epochs)
        self.progress(Progress(epoch, self.how.epochs, batch, self.n_batches, loss, validation, left))

    def _identity(self) -> dict[str, str]:
        """Return what must be the same in a training that goes on."""
        how = {entry.name: getattr(self.how, entry.name) for entry in fields(self.how)}
        # Functions by their names: where they lie in memory says nothing.
        return {name: re.sub(" at 0x[0-9a-f]+", "", repr(value)) for name, value in how.items()} | {
            "net": f"{self.net.tree()} {self.x.dtype}",
            "initial parameters": self.initial if self.tunes else "drawn",
            "number of samples": str(len(self.targets)),
            "targets": hashlib.sha256(self.targets.astype("<i8").tobytes()).hexdigest(),
            "held-out samples": hashlib.sha256(self.validate_on.astype("<i8").tobytes()).hexdigest(),
        }

    def _generators(self) -> dict[str, np.random.Generator]:
        """Return the sources of chance: the loop's, and those that are attributes of modules."""
        inside = {
            f"{path}.{name}": value
            for path, module in self.net.named_modules()
            for name, value in vars(module).items()
            if isinstance(value, np.random.Generator)
        }
        return {"training": self.rng, **inside}

    def _content(self) -> dict[str, Any]:
        return {
            "identity": self._identity(),
            "rows": self.rows,
            "net": self.net.state_dict(),
            "kept": None if self._best() == len(self.rows) else self.kept,
            "optimiser": {name: value for name, value in self.state.items() if name not in self.options},
            "generators": {name: rng.bit_generator.state for name, rng in self._generators().items()},
        }

    def _resume(self, path: Path) -> None:
        content, own = files.read(path), self._identity()
        there = content.get("identity", {})
        differing = [name for name in own if there.get(name) != own[name]]
        if differing:
            raise ValueError(
                f"{path}: is the checkpoint of a training with other {', '.join(differing)}; train as there, or name "
                f"another file"
            )
        self.rows, self.state = content["rows"], self.options | content["optimiser"]
        self.net.load_state_dict(content["net"])
        self.kept = content["kept"] or content["net"]
        for name, rng in self._generators().items():
            rng.bit_generator.state = content["generators"][name]


def _of_module(net: nn.Module, path: str) -> Array:
    """Return 1 for the parameters of a module and of those inside, 0 for others."""
    parameters = net.parameters()
    inside = [not path or name.startswith(f"{path}.") for name in parameters]
    if not any(inside):
        raise ValueError(f"the net has no module {path!r} with parameters; they are {', '.join(parameters)}")
    values = [parameter.value for parameter in parameters.values()]
    return np.concatenate([np.full(v.size, part, v.dtype) for v, part in zip(values, inside, strict=True)])


def _decays(net: nn.Module) -> Array:
    """Return 1 for the parameters of filters and matrices, 0 for biases and scales."""
    values = [parameter.value for parameter in net.parameters().values()]
    return np.concatenate([np.full(value.size, value.ndim > 1, value.dtype) for value in values])


def predict_proba(
    net: nn.Module, samples: Samples, test_views: Callable[[Sample], Array]
) -> NDArray[np.float64]:
    """Return class probabilities, each the mean over the sample's views.

    Parameters
    ----------
    net : Module
        In evaluation mode; gives scores (n_views, n_classes).
    samples : sequence
        May be lazy: each is looked at once, in order.
    test_views : callable
        Makes the inputs of one sample.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
    """
    softmax = nn.Softmax()
    with threadpool_limits(1, user_api="blas"):
        rows = []
        for index in each("clips", range(len(samples)), len(samples)):
            scores = net.forward(test_views(samples[index]))
            rows.append(softmax.forward(scores.astype(np.float64)).mean(axis=0))
    probabilities = np.stack(rows)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
