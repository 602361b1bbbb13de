"""Search for an architecture: regularised evolution beside random search, over a small genome of nets for video."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from . import nn
from .zoo._parts import Seed

__all__ = ["OPERATIONS", "Gene", "Genome", "Space", "Trial", "best", "evolve", "random_search", "read_genome"]

#: What a gene can be.
OPERATIONS = ("conv", "space", "time", "wired", "dense", "pool", "none")

_GENE = re.compile(r"(pool|none)|(conv|space|time|dense) ([1-9]\d*)|(wired) ([1-9]\d*) #(\d+)")
# Taps along time, height and width.
_TAPS = {"conv": (3, 3, 3), "space": (1, 3, 3), "time": (3, 1, 1)}
# A random wiring: its nodes, the neighbours of each, and the share of edges that are moved.
_WIRING = (5, 2, 0.5)


class Gene(NamedTuple):
    """One stage of a net.

    Attributes
    ----------
    operation : str
        One of `OPERATIONS`.
    width : int
        Channels or units it gives; a pooling and nothing have none of their own.
    wiring : int
        Which random graph, where it is wired.
    """

    operation: str
    width: int
    wiring: int

    def __str__(self) -> str:
        """Return the gene as `read_genome` takes it."""
        if self.operation in ("pool", "none"):
            return self.operation
        return f"{self.operation} {self.width}" + (f" #{self.wiring}" if self.operation == "wired" else "")


Genome = tuple[Gene, ...]


def read_genome(text: str) -> Genome:
    """Return the genome that is written as its genes, such as ``"space 8, pool, wired 16 #3"``.

    Raises
    ------
    ValueError
        If it is not written so.
    """
    genes = []
    for part in map(str.strip, text.split(",")):
        written = _GENE.fullmatch(part)
        if written is None:
            raise ValueError(
                f"a gene is 'pool', 'none', one of conv, space, time and dense with a width, such as 'conv 8', or "
                f"'wired 8 #1', got {part!r}"
            )
        bare, layer, width, wired, nodes, wiring = written.groups()
        genes.append(Gene(bare or layer or wired, int(width or nodes or 0), int(wiring or 0)))
    return tuple(genes)


class Space:
    """The nets that a search may try: stages one behind the other for volumes (T, H, W, C), then the scores.

    A stage is a convolution in space and time (``conv``), in one of them (``space``, ``time``), five of them wired at
    random (``wired``: a graph after Watts and Strogatz, as Xie et al. 2019), a fully connected layer (``dense``), a
    pooling that halves each axis (``pool``), or nothing. Layers are normalised and rectified. Behind a dense layer
    only dense ones can be; other genes are silent there. The last layer sees the mean over time and space.

    Parameters
    ----------
    shape : sequence of int
        Of a volume, (T, H, W, C).
    n_classes : int
        Scores at the output.
    n_genes : int
        Stages of each net.
    widths : sequence of int
        Which widths a stage can have.
    most_operations : float
        Floating-point operations of a forward of one volume, at most; a net beyond is drawn or changed anew.

    Raises
    ------
    ValueError
        If there is no stage, or not even a net of nothing computes so little.
    """

    def __init__(
        self,
        shape: Sequence[int],
        n_classes: int,
        n_genes: int = 4,
        widths: Sequence[int] = (4, 8, 16),
        most_operations: float = 2e7,
    ) -> None:
        self.shape, self.n_classes, self.n_genes = tuple(shape), n_classes, n_genes
        self.widths, self.most_operations = tuple(widths), most_operations
        if n_genes < 1 or not self.fits((Gene("none", 0, 0),)):
            raise ValueError(
                f"there is no net of {n_genes} stages for volumes of {self.shape} with at most {most_operations:g} "
                f"operations"
            )

    def draw(self, rng: np.random.Generator) -> Genome:
        """Return a random genome."""
        while True:
            genome = tuple(self._gene(rng) for _ in range(self.n_genes))
            if self.fits(genome):
                return genome

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        """Return a genome with one gene drawn anew, or only its width or its wiring."""
        while True:
            index, part = int(rng.integers(len(genome))), int(rng.integers(3))
            drawn, old = self._gene(rng), genome[index]
            gene = (drawn, old._replace(width=drawn.width), old._replace(wiring=drawn.wiring))[part]
            child = (*genome[:index], gene, *genome[index + 1 :])
            # What is not expressed may not be told apart from the parent.
            if str(gene) != str(old) and self.fits(child):
                return child

    def _gene(self, rng: np.random.Generator) -> Gene:
        operation, width = rng.choice(OPERATIONS), rng.choice(self.widths)
        return Gene(str(operation), int(width), int(rng.integers(1000)))

    def fits(self, genome: Genome) -> bool:
        """Return whether the net of a genome computes no more than it may."""
        volume = np.zeros((1, *self.shape), np.float32)
        return self.build(genome).count_operations(volume) <= self.most_operations

    def build(self, genome: Genome, rng: Seed = None) -> nn.Sequential:
        """Return the net of a genome, with initial values from ``rng``."""
        net, (*grid, channels), is_flat = nn.Sequential(), self.shape, False
        for operation, width, wiring in genome:
            if operation == "dense":
                net.add(nn.Flatten())
                net.add(nn.Linear(channels if is_flat else int(np.prod(grid)) * channels, width, bias=False))
                net.add(nn.BatchNorm1d(width)).add(nn.ReLU())
                is_flat, channels = True, width
            elif operation == "pool" and not is_flat:
                window = tuple(2 if length > 1 else 1 for length in grid)
                net.add(nn.MaxPool3d(window))
                grid = [length // n for length, n in zip(grid, window, strict=True)]
            elif operation == "wired" and not is_flat:
                net.add(nn.Conv3d(channels, width, 1, bias=False)).add(_wired(width, wiring))
                channels = width
            elif operation in _TAPS and not is_flat:
                for module in _convolution(channels, width, _TAPS[operation]):
                    net.add(module)
                net.add(nn.ReLU())
                channels = width
        if not is_flat:
            net.add(nn.Mean((1, 2, 3)))
        return net.add(nn.Linear(channels, self.n_classes)).reset(rng)


def _convolution(channels: int, width: int, taps: tuple[int, int, int]) -> tuple[nn.Module, nn.Module]:
    padding = tuple(n // 2 for n in taps)
    return nn.Conv3d(channels, width, taps, padding=padding, bias=False), nn.BatchNorm3d(width)


def _wired(width: int, wiring: int) -> nn.Graph:
    """Return a random graph whose nodes rectify, convolve and normalise, in this order (Xie et al. 2019)."""
    nodes = [nn.Sequential(nn.ReLU(), *_convolution(width, width, (3, 3, 3))) for _ in range(_WIRING[0])]
    return nn.Graph(nn.connections.small_world(*_WIRING, rng=wiring), *nodes)


class Trial(NamedTuple):
    """One evaluation of a search.

    Attributes
    ----------
    genome : tuple of Gene
        What was tried.
    fitness : float
        What it gave, more is better.
    parent : int
        The trial that it is a mutation of; -1 where it was drawn.
    """

    genome: Genome
    fitness: float
    parent: int


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the highest fitness, the first of equals; NaN is the lowest."""
    return trials[int(np.argmax([-np.inf if np.isnan(trial.fitness) else trial.fitness for trial in trials]))]


def evolve(
    fitness: Callable[[Genome], float],
    draw: Callable[[np.random.Generator], Genome],
    mutate: Callable[[Genome, np.random.Generator], Genome],
    evaluations: int,
    rng: np.random.Generator,
    *,
    population: int = 10,
    sample: int = 4,
    seconds: float | None = None,
) -> list[Trial]:
    """Search by regularised evolution (Real et al. 2019, algorithm 1).

    The population begins with random genomes. Then, each time, of some that are drawn from it, with replacement, the
    fittest has a mutated child, which joins, and the oldest leaves, however fit it is.

    Parameters
    ----------
    fitness : callable
        Returns how good a genome is; asked as often as there are evaluations.
    draw, mutate : callable
        Make a genome from a generator, and from another genome and a generator; see `Space`.
    evaluations : int
        The budget, the first population included.
    rng : numpy.random.Generator
        Source of chance.
    population, sample : int
        How many live at a time, and how many are drawn to find a parent.
    seconds : float, optional
        After which no evaluation begins but the first; the outcome then depends on the machine.

    Returns
    -------
    list of Trial
        In the order they were evaluated; see `best`.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    _check(evaluations, population, sample)
    trials: list[Trial] = []
    alive: deque[int] = deque()
    begun = time.monotonic()
    while len(trials) < evaluations and not (trials and _is_over(begun, seconds)):
        parent, genome = -1, None
        if len(trials) >= population:
            drawn = [alive[int(index)] for index in rng.integers(len(alive), size=sample)]
            parent = max(drawn, key=lambda index: np.nan_to_num(trials[index].fitness, nan=-np.inf))
            genome = mutate(trials[parent].genome, rng)
            alive.popleft()
        genome = draw(rng) if genome is None else genome
        alive.append(len(trials))
        trials.append(Trial(genome, float(fitness(genome)), parent))
    return trials


def random_search(
    fitness: Callable[[Genome], float],
    draw: Callable[[np.random.Generator], Genome],
    evaluations: int,
    rng: np.random.Generator,
    *,
    seconds: float | None = None,
) -> list[Trial]:
    """Search among random genomes: the control of `evolve` for the same budget (Li and Talwalkar 2019).

    Parameters
    ----------
    fitness, draw, evaluations, rng, seconds
        As of `evolve`.

    Returns
    -------
    list of Trial

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> trials = random_search(lambda genome: -abs(genome - 3), lambda rng: int(rng.integers(9)), 60, rng)
    >>> best(trials).genome, best(trials).fitness
    (3, 0.0)
    """
    return evolve(
        fitness, draw, lambda genome, _: genome, evaluations, rng, population=evaluations, seconds=seconds
    )


def _is_over(begun: float, seconds: float | None) -> bool:
    return seconds is not None and time.monotonic() - begun >= seconds


def _check(evaluations: int, population: int, sample: int) -> None:
    if min(evaluations, population, sample) < 1:
        raise ValueError(
            f"evaluations, population and sample must be 1 or more, got {evaluations}, {population} and {sample}"
        )
