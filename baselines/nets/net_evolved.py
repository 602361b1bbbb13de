"""A net whose architecture is found by evolution."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ...literals import Input, NonNegativeInt, Positive, PositiveInt, View
from ...progress import tell
from .._training import encode, inner_folds
from ..base import Clips, Explanation
from .net import VideoNet, cached_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...models import nn, search
    from ...models.training import Samples

__all__ = ["NetEvolved"]

Method = Literal["evolution", "random"]

# The architecture where no groups can be held out for a search.
_DEFAULT = "conv 8, pool, conv 16, pool"
# Smallest number of training clips of a candidate.
_MIN_CLIPS = 4


@dataclass(kw_only=True, eq=False, repr=False)
class _Expressed(VideoNet):
    """The net of a genome."""

    genome: str = _DEFAULT
    max_operations: Positive = np.inf

    def _space(self, n_classes: int) -> search.Space:
        from ...models import search

        return search.Space(self._reader().shape, n_classes, most_operations=self.max_operations)

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import search

        return self._space(n_classes).build(search.read_genome(self.genome), self.random_state)


@dataclass(kw_only=True, eq=False, repr=False)
class NetEvolved(VideoNet):
    """A small net whose stages are found by regularised evolution on held-out training groups (Real et al. 2019).

    Each candidate is trained briefly on two thirds of the training groups and evaluated by its loss on the others; the
    best is trained on all. Possible stages are those of `search.Space`: convolutions in space, time or both, random
    wiring, fully connected layers, pooling. Other parameters and attributes are those of `VideoNet`.

    Parameters
    ----------
    method : {"evolution", "random"}
        Whether genomes evolve or, as a control with the same budget, are drawn at random.
    evaluations : int
        Number of candidates.
    population, sample : int
        See `search.evolve`.
    search_epochs : int
        Epochs of training of a candidate.
    max_operations : float
        Largest number of floating-point operations of a candidate for one volume.
    seconds : float, optional
        Time limit of the search; the result then depends on the speed of the machine.

    Attributes
    ----------
    genome_ : str
        The chosen genome, see `search.read_genome`.
    trials_ : dict of str to list
        ``genome``, ``fitness`` (the negative loss on the held-out groups) and ``parent`` (-1 if drawn at random) of
        each candidate, in order; empty if there are too few clips or groups to hold any out.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = NetEvolved(evaluations=2, search_epochs=1, epochs=1, population=2, sample=1)
    >>> attempt = attempt.fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    family = "convnet"

    input: Input = "flow"
    view: View = "person"
    frames: PositiveInt = 12
    size: PositiveInt = 16
    margin: NonNegativeInt = 2
    n_views: PositiveInt = 10
    method: Method = "evolution"
    evaluations: PositiveInt = 30
    population: PositiveInt = 10
    sample: PositiveInt = 4
    search_epochs: PositiveInt = 12
    max_operations: Positive = 2e7
    seconds: Positive | None = None

    def _expressed(self, genome: str) -> _Expressed:
        own = {field.name for field in fields(_Expressed)} - {"genome"}
        return _Expressed(genome=genome, **{name: getattr(self, name) for name in own})

    def _untrained(self, n_classes: int) -> nn.Module:
        return self._expressed(self.genome_)._untrained(n_classes)

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Search for a net and train it; see `Attempt.fit`."""
        from ...models import search

        if self.method not in get_args(Method):
            raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {self.method!r}")
        classes, targets = encode(clips, labels)
        folds = inner_folds(len(clips), groups, 3)
        trials: list[search.Trial] = []
        if folds and len(folds[0][0]) >= _MIN_CLIPS:
            trials = self._search(cached_samples(self._reader(), clips), targets, len(classes), *folds[0])
        genome = _genome_text(search.best(trials).genome) if trials else _DEFAULT
        fitted = self._expressed(genome).fit(clips, labels, groups)
        for name, value in vars(fitted).items():
            if name.endswith("_"):
                setattr(self, name, value)
        self.genome_ = genome
        self.trials_: dict[str, list[Any]] = {
            "genome": [_genome_text(trial.genome) for trial in trials],
            "fitness": [trial.fitness for trial in trials],
            "parent": [trial.parent for trial in trials],
        }
        return self

    def _search(
        self,
        samples: Samples,
        targets: NDArray[np.intp],
        n_classes: int,
        train: NDArray[np.intp],
        test: NDArray[np.intp],
    ) -> list[search.Trial]:
        from ...models import search

        space = self._expressed(_DEFAULT)._space(n_classes)
        known: dict[str, float] = {}

        def fitness(genome: search.Genome) -> float:
            name = _genome_text(genome)
            if name not in known:
                tell("nets", len(known), self.evaluations)
                known[name] = -self._loss(space.build(genome), samples, targets, train, test)
            return known[name]

        rng = np.random.default_rng(self.random_state)
        if self.method == "random":
            return search.random_search(fitness, space.draw, self.evaluations, rng, seconds=self.seconds)
        return search.evolve(
            fitness,
            space.draw,
            space.mutate,
            self.evaluations,
            rng,
            population=self.population,
            sample=self.sample,
            seconds=self.seconds,
        )

    def _loss(
        self,
        net: nn.Module,
        samples: Samples,
        targets: NDArray[np.intp],
        train: NDArray[np.intp],
        test: NDArray[np.intp],
    ) -> float:
        """Return the cross entropy of a candidate on clips of held-out groups."""
        from ...models.training import LazySamples, predict_proba

        how = replace(self._training(net), epochs=self.search_epochs, validation=0.0, patience=None)
        augment = self._reader().augment
        how.fit(net, LazySamples(train.tolist(), samples.__getitem__), targets[train], augment, self._views)
        probabilities = predict_proba(net, LazySamples(test.tolist(), samples.__getitem__), self._views)
        return float(-np.log(np.maximum(probabilities[np.arange(len(test)), targets[test]], 1e-7)).mean())

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {**super().search_space(), "evaluations": [15, 30, 60]}

    def explain(self) -> Explanation:
        """Describe the chosen net and the search, with figures of both."""
        explanation = super().explain()
        n = len(self.trials_["fitness"])
        how = "evolution" if self.method == "evolution" else "random search"
        outcome = (
            f"It had the lowest loss of {n} candidates of {how} on held-out groups, "
            f"{-max(self.trials_['fitness']):.3f}."
            if n
            else "It is the default architecture, as there are too few clips or groups for a search."
        )
        return Explanation(f"{explanation}\nGenome: {self.genome_}. {outcome}", explanation.figures)

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        from ...models import nn, visualize

        # The weights of a fully connected layer behind pooling cannot be drawn as patches.
        layers = [module for _, module in net.named_modules() if isinstance(module, nn.Conv3d)]
        pictures = super()._pictures(net) if layers else {}
        pictures["graph"] = visualize.graph(net, np.zeros((1, *self._reader().shape), np.float32))
        if self.trials_["fitness"]:
            pictures["search"] = visualize.search_curve(self.trials_["fitness"], self.trials_["parent"])
        return pictures


def _genome_text(genome: search.Genome) -> str:
    return ", ".join(map(str, genome))
