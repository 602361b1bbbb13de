"""Splits: which groups train and which test."""

from __future__ import annotations

import hashlib
import re
import warnings
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...errors import SplitError, did_you_mean
from .base import Dataset

# How many groups are left out one at a time where no split is named; more of them make fewer folds.
_MOST_LEFT_OUT = 25

#: The warning of `LeakyRandom`.
LEAKY_RANDOM = (
    "The split leaky-random puts clips of the same group on both sides of a fold: it shows how much a leak flatters, "
    "and does not show how well new people or new videos are recognised."
)


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of the training and the test clips of one fold, and what the fold is called."""

    name: str
    train: NDArray[np.intp]
    test: NDArray[np.intp]

    def fingerprint(self) -> str:
        """Return a hash of the training and the test clips."""
        digest = hashlib.sha256(repr((len(self.train), len(self.test))).encode())
        for side in (self.train, self.test):
            digest.update(side.astype("<i8").tobytes())
        return digest.hexdigest()


def with_fewer_groups(fold: Fold, groups: NDArray[np.str_], n_groups: int, seed: int) -> Fold:
    """Return a fold whose training side is that of some of its groups, drawn at random.

    Under one seed, fewer groups are some of those that are drawn when there are more.

    Parameters
    ----------
    fold : Fold
        The whole fold.
    groups : ndarray of str, shape (n_clips,)
        Group of each clip of the data set.
    n_groups : int
        How many training groups it gets.
    seed : int
        Seed of the draw.

    Raises
    ------
    SplitError
        If the fold has fewer training groups.
    """
    names = np.unique(groups[fold.train])
    if n_groups > len(names):
        raise SplitError(
            f"train_groups = {n_groups}, but fold {fold.name!r} has {len(names)} training groups; it must be "
            f'that many or fewer, or "all"'
        )
    # Each fold draws by itself.
    rng = np.random.default_rng([seed, *fold.name.encode()])
    chosen = rng.permutation(names)[:n_groups]
    return Fold(fold.name, fold.train[np.isin(groups[fold.train], chosen)], fold.test)


class Split(BaseModel):
    """How the clips of a data set are divided into folds; the fields are the keys of ``split`` in a matrix."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def label(self) -> str:
        """Return the name of the split in tables."""
        return str(getattr(self, "name"))  # noqa: B009 (each subclass has its own literal type)

    def files(self) -> list[Path]:
        """Return the files that the folds are read from."""
        return []

    def warning(self, dataset: Dataset) -> str | None:
        """Return why results under this split must not be believed, where it leaks by design."""
        return None

    @abstractmethod
    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return the folds, unchecked."""

    def folds(self, dataset: Dataset) -> list[Fold]:
        """Return the folds of a data set.

        Raises
        ------
        SplitError
            If the data set has too few groups or classes, if a side is empty, or if a group is on both sides
            of a fold; the message names the group.
        """
        if len(dataset.classes) < 2:
            raise SplitError(
                f"the data set has one class only, {str(dataset.classes[0])!r}; there must be two or more"
            )
        folds = self.divide(dataset)
        for fold in folds:
            self.check(fold, dataset)
        return folds

    def check(self, fold: Fold, dataset: Dataset) -> None:
        """Raise SplitError where a fold has an empty side, one class to learn from, or a group on both sides."""
        for side, positions in (("train", fold.train), ("test", fold.test)):
            if not len(positions):
                raise SplitError(f"fold {fold.name!r} has no {side} clips")
        trained = np.unique(dataset.labels[fold.train])
        if len(trained) < 2:
            raise SplitError(f"fold {fold.name!r} has training clips of one class only, {str(trained[0])!r}")
        self.check_groups(fold, dataset)

    def check_groups(self, fold: Fold, dataset: Dataset) -> None:
        """Raise SplitError where a group is on both sides."""
        shared = np.intersect1d(dataset.groups[fold.train], dataset.groups[fold.test])
        if len(shared):
            clips = dataset.table["clip"].to_numpy()
            train, test = (
                clips[side][dataset.groups[side] == shared[0]][0] for side in (fold.train, fold.test)
            )
            raise SplitError(
                f"fold {fold.name!r}: group {str(shared[0])!r} is on both sides (train: {train}, test: {test}"
                f"{f'; and {len(shared) - 1} more groups' if len(shared) > 1 else ''}); "
                "a group must be wholly in train or wholly in test"
            )


class LeaveOneGroupOut(Split):
    """As many folds as groups; each tests on one group.

    Examples
    --------
    >>> from .figures import Figures
    >>> [fold.name for fold in LeaveOneGroupOut().folds(Figures(subjects=3))]
    ['person01', 'person02', 'person03']
    """

    name: Literal["leave-one-group-out"] = "leave-one-group-out"

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return one fold per group, in the order of their names."""
        names = np.unique(dataset.groups)
        if len(names) < 2:
            raise SplitError(
                f"leave-one-group-out needs two groups or more, the data set has one, {str(names[0])!r}"
            )
        return [
            Fold(str(name), np.flatnonzero(dataset.groups != name), np.flatnonzero(dataset.groups == name))
            for name in names
        ]


class GroupKFold(Split):
    """Folds of whole groups, each class spread over the folds as evenly as the groups allow.

    Examples
    --------
    >>> from .figures import Figures
    >>> split, data = GroupKFold(folds=2), Figures(subjects=4, clips_per_subject=1)
    >>> split.label(), [len(fold.test) for fold in split.folds(data)]
    ('group-k-fold(2)', [12, 12])
    """

    name: Literal["group-k-fold"] = "group-k-fold"
    n_folds: int = Field(5, ge=2, alias="folds", strict=True)
    seed: int = Field(0, ge=0, lt=2**32, strict=True)

    def label(self) -> str:
        """Return the name with the number of folds, and the seed where it is not 0."""
        return _k_fold_label(self.name, self.n_folds, self.seed)

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return the folds of scikit-learn's `StratifiedGroupKFold`, whose import takes longer than all planning."""
        n_groups = len(np.unique(dataset.groups))
        if n_groups < self.n_folds:
            raise SplitError(
                f"folds = {self.n_folds}, but the data set has {n_groups} groups; "
                f"there must be at least as many groups as folds"
            )
        if np.unique(dataset.labels, return_counts=True)[1].max() < self.n_folds:
            raise SplitError(
                f"folds = {self.n_folds}, but no class has so many clips; "
                "there must be at least as many clips of a class as folds"
            )
        numbers = _spread(dataset.labels, dataset.groups, self.n_folds, self.seed)
        return [
            Fold(f"fold {index}", np.flatnonzero(numbers != index), np.flatnonzero(numbers == index))
            for index in range(self.n_folds)
        ]


class LeakyRandom(Split):
    """Random clips, groups ignored: a diagnostic of how much a leaking protocol flatters, never a result.

    Examples
    --------
    >>> from .figures import Figures
    >>> data = Figures(subjects=4, clips_per_subject=1)
    >>> first = LeakyRandom(folds=2).folds(data)[0]
    >>> len(set(data.groups[first.train]) & set(data.groups[first.test]))
    4
    """

    name: Literal["leaky-random"] = "leaky-random"
    n_folds: int = Field(5, ge=2, alias="folds", strict=True)
    seed: int = Field(0, ge=0, lt=2**32, strict=True)

    def label(self) -> str:
        """Return the name with the number of folds, and the seed where it is not 0."""
        return _k_fold_label(self.name, self.n_folds, self.seed)

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return the folds of scikit-learn's `StratifiedKFold`."""
        from sklearn.model_selection import StratifiedKFold

        splitter = StratifiedKFold(self.n_folds, shuffle=True, random_state=self.seed)
        with warnings.catch_warnings():
            # A class rarer than the folds is the data's business; the folds are checked for what matters.
            warnings.simplefilter("ignore", UserWarning)
            try:
                sides = list(splitter.split(np.zeros(len(dataset)), dataset.labels))
            except ValueError as error:
                raise SplitError(f"the data set cannot be divided into so many folds: {error}") from error
        return [Fold(f"fold {index}", train, test) for index, (train, test) in enumerate(sides)]

    def check_groups(self, fold: Fold, dataset: Dataset) -> None:
        """Let groups overlap: that is what this split is for."""

    def warning(self, dataset: Dataset) -> str:
        """Return what the split is for."""
        return LEAKY_RANDOM


class Official(Split):
    r"""Lists of clips, as published with a data set.

    A line holds a clip's path below the root, its file name or its stem; a label behind it is ignored. Several
    pairs of lists make several folds.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from .figures import Figures
    >>> data = Figures(subjects=2, clips_per_subject=1)
    >>> with TemporaryDirectory() as folder:
    ...     lists = [Path(folder, name) for name in ("train.txt", "test.txt")]
    ...     for path, group in zip(lists, ("person01", "person02")):
    ...         _ = path.write_text("\n".join(data.table["clip"][data.groups == group]))
    ...     [(fold.name, len(fold.train)) for fold in Official(train=lists[0], test=lists[1]).folds(data)]
    [('test', 6)]
    """

    name: Literal["official"] = "official"
    train: Path | list[Path]
    test: Path | list[Path]

    def label(self) -> str:
        """Return the name with those of the test lists."""
        return f"official({', '.join(path.stem for path in _as_list(self.test))})"

    def files(self) -> list[Path]:
        """Return all lists."""
        return [*_as_list(self.train), *_as_list(self.test)]

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return one fold per pair of lists."""
        pairs = _as_list(self.train), _as_list(self.test)
        if len(pairs[0]) != len(pairs[1]):
            raise SplitError(
                f"split: {len(pairs[0])} train lists but {len(pairs[1])} test lists; they go in pairs"
            )
        finder = ClipFinder(dataset.table["clip"])
        folds: list[Fold] = []
        known: dict[str, Path] = {}
        for train_list, test_list in zip(*pairs, strict=True):
            train, test = finder.read_list(train_list), finder.read_list(test_list)
            both = np.intersect1d(train, test)
            if len(both):
                clip = dataset.table["clip"].iloc[both[0]]
                raise SplitError(f"clip {clip!r} is both in {train_list} and in {test_list}")
            folds.append(Fold(test_list.stem, train, test))
            before = known.setdefault(folds[-1].fingerprint(), test_list)
            if len(known) < len(folds):
                raise SplitError(
                    f"split: {test_list} makes the same fold as {before}; each must be another one"
                )
        return folds


class NumberedLists(Split):
    r"""Lists with a number behind each clip: 1 trains, 2 tests, 0 is in neither, as of HMDB51 and JHMDB.

    ``lists`` is a file or a pattern such as ``splits/*_test_split1.txt``, all files of which make one fold; several
    make several folds.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from .figures import Figures
    >>> data = Figures(subjects=2, clips_per_subject=1)
    >>> with TemporaryDirectory() as folder:
    ...     lines = [f"{row.clip} {1 if row.group == 'person01' else 2}" for row in data.table.itertuples()]
    ...     _ = Path(folder, "split1.txt").write_text("\n".join(lines))
    ...     [(fold.name, len(fold.test)) for fold in NumberedLists(lists=Path(folder, "*1.txt")).folds(data)]
    [('*1', 6)]
    """

    name: Literal["numbered-lists"] = "numbered-lists"
    lists: Path | list[Path]

    def label(self) -> str:
        """Return the name with those of the lists."""
        return f"numbered-lists({', '.join(path.stem for path in _as_list(self.lists))})"

    def files(self) -> list[Path]:
        """Return all lists."""
        return [path for pattern in _as_list(self.lists) for path in self._matches(pattern)]

    def _matches(self, pattern: Path) -> list[Path]:
        return sorted(pattern.parent.glob(pattern.name))

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return one fold for each pattern."""
        finder = ClipFinder(dataset.table["clip"])
        folds = []
        for pattern in _as_list(self.lists):
            if not self._matches(pattern):
                raise SplitError(f"split: there is no list {pattern}")
            sides: dict[str, list[int]] = {"0": [], "1": [], "2": []}
            for path in self._matches(pattern):
                for number, side in finder.read_numbered(path):
                    sides[side].append(number)
            train, test = (np.array(sorted(sides[side]), np.intp) for side in "12")
            if len(twice := np.intersect1d(train, test)):
                raise SplitError(f"{pattern}: clip {dataset.table['clip'].iloc[twice[0]]!r} has both 1 and 2")
            folds.append(Fold(pattern.stem, train, test))
        return folds


class Published(Split):
    """The folds that a data set was published with; where they divide groups, every table says so.

    Parameters
    ----------
    folds : str or list of str
        Names of the folds that are used; by default all are.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from .readers.ucf import Ucf101
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("Diving/v_Diving_g01_c01.avi", "Diving/v_Diving_g09_c01.avi", "Rowing/v_Rowing_g02_c01.avi"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     Published(folds="split 1").divide(Ucf101(folder))[0].test.tolist()
    [0, 2]
    """

    name: Literal["published"] = "published"
    folds_used: str | list[str] | None = Field(None, alias="folds")

    def label(self) -> str:
        """Return the name, with the folds where not all are used."""
        return self.name if self.folds_used is None else f"{self.name}({', '.join(self._wanted())})"

    def _wanted(self) -> list[str]:
        used = self.folds_used or []
        return [used] if isinstance(used, str) else used

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return the folds."""
        folds = dataset.published_folds()
        if not folds:
            raise SplitError("split: the data set has no published folds; it must be another split")
        if dataset.published_folds_are_alternatives and not self._wanted():
            raise SplitError(
                f"split: the data set has several published protocols; folds must be one of {', '.join(folds)}"
            )
        for name in self._wanted():
            if name not in folds:
                raise SplitError(f"split: there is no published fold {name!r}; {did_you_mean(name, folds)}")
        return [
            Fold(name, np.flatnonzero(folds[name][0]), np.flatnonzero(folds[name][1]))
            for name in self._wanted() or folds
        ]

    def check_groups(self, fold: Fold, dataset: Dataset) -> None:
        """Let groups overlap, as published."""

    def warning(self, dataset: Dataset) -> str | None:
        """Return how many test clips have their group in training, where there are any."""
        if not dataset.groups_known:
            return None
        shared = [
            np.isin(dataset.groups[fold.test], dataset.groups[fold.train]) for fold in self.divide(dataset)
        ]
        n_shared, n_tested = (sum(map(size, shared)) for size in (np.count_nonzero, len))
        if not n_shared:
            return None
        return (
            f"The published folds divide groups: of {n_tested:,} clips that are tested {n_shared:,} are of a group "
            "that is also trained on; accuracies may be too high."
        )


class Column(Split):
    """A column of the table that divides the clips: its values that train, and those that test.

    Examples
    --------
    >>> from .figures import Figures
    >>> split = Column(column="group", train=["person01", "person02"], test="person03")
    >>> [(fold.name, len(fold.train), len(fold.test)) for fold in split.folds(Figures(subjects=3, clips_per_subject=1))]
    [('person03', 12, 6)]
    """

    name: Literal["column"] = "column"
    column: str = "split"
    train: str | list[str] = "train"
    test: str | list[str] = "test"

    def label(self) -> str:
        """Return the name with the column and the values that test."""
        return f"column({self.column}: {self._fold_name()})"

    def _fold_name(self) -> str:
        return self.test if isinstance(self.test, str) else "+".join(self.test)

    def divide(self, dataset: Dataset) -> list[Fold]:
        """Return one fold."""
        if self.column not in dataset.table:
            raise SplitError(
                f"split: the data set has no column {self.column!r}; it has {', '.join(map(str, dataset.table))}"
            )
        values = dataset.table[self.column].astype(str)
        train, test = ([side] if isinstance(side, str) else side for side in (self.train, self.test))
        for value in (*train, *test):
            if value not in set(values):
                raise SplitError(
                    f"split: no {self.column} is {value!r}; there are {', '.join(sorted(set(values))[:5])}"
                )
        if both := sorted(set(train) & set(test)):
            raise SplitError(f"split: {self.column} {both[0]!r} is in train and in test")
        positions = [np.flatnonzero(values.isin(side)) for side in (train, test)]
        return [Fold(self._fold_name(), *positions)]


class ClipFinder:
    """Finds clips by path, file name or stem."""

    def __init__(self, clips: Iterable[str]) -> None:
        self._by_name: dict[str, set[int]] = defaultdict(set)
        for position, clip in enumerate(clips):
            name = clip.rsplit("/", 1)[-1]
            for alias in (clip, clip.rpartition(".")[0] or clip, name, name.rpartition(".")[0] or name):
                self._by_name[alias].add(position)

    def read_list(self, path: Path) -> NDArray[np.intp]:
        """Return the positions of the clips that a list names, in the order of the data set."""
        found: dict[int, int] = {}
        for number, line in _lines(path):
            where = f"{path}, line {number}"
            position = self._find(line, where)
            if position in found:
                raise SplitError(f"{where}: {line!r} is already in line {found[position]}")
            found[position] = number
        return np.array(sorted(found), dtype=np.intp)

    def read_numbered(self, path: Path) -> Iterator[tuple[int, str]]:
        """Yield the position of the clip in each line of a list and the number behind it."""
        for number, line in _lines(path):
            name, _, side = line.rpartition(" ")
            if side not in ("0", "1", "2") or not name.strip():
                raise SplitError(f"{path}, line {number}: must be a clip and 0, 1 or 2, got {line!r}")
            yield self._find(name.strip(), f"{path}, line {number}"), side

    def _find(self, line: str, where: str) -> int:
        # A name may hold blanks or commas, so what follows it is taken off word by word.
        name = line
        while name:
            positions = self.lookup(name)
            if len(positions) > 1:
                raise SplitError(
                    f"{where}: {name!r} means {len(positions)} clips; give the path below the root"
                )
            if positions:
                return positions.pop()
            shorter = re.match(r"(.*\S)\s*[\s,;]", name)
            name = shorter[1].rstrip(",;") if shorter else ""
        raise SplitError(f"{where}: the data set has no clip {line!r}")

    def lookup(self, name: str) -> set[int]:
        """Return the positions of the clips that a name may mean."""
        name = name.replace("\\", "/").removeprefix("./")
        parts = name.split("/")
        # "videos/run/ida.avi" also finds "run/ida.avi", but never a clip of another class.
        for start in range(max(1, len(parts) - 1)):
            positions = self._by_name.get("/".join(parts[start:]))
            if positions:
                return set(positions)
        return set()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a list that are not empty, with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise SplitError(f"split: there is no list {path}") from error
    except (OSError, ValueError) as error:
        raise SplitError(f"split: {path} cannot be read as a list of clips in UTF-8 ({error})") from error
    yield from ((number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip())


def _as_list(paths: Path | list[Path]) -> list[Path]:
    return paths if isinstance(paths, list) else [paths]


def _k_fold_label(name: str, n_folds: int, seed: int) -> str:
    return f"{name}({n_folds})" if seed == 0 else f"{name}({n_folds}, seed {seed})"


def _spread(labels: NDArray[np.str_], groups: NDArray[np.str_], n_folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each clip, the same of all clips of a group, shape (n_clips,).

    In an order by chance, but those first whose clips are most unevenly of the classes, each group goes to the fold
    with which the shares of the classes differ least between folds.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    names, members = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (members, codes), 1)
    order = np.random.RandomState(seed).permutation(len(names))
    order = order[np.argsort(-np.std(counts[order], axis=1), kind="stable")]
    held, numbers = np.zeros((n_folds, len(classes))), np.empty(len(names), np.intp)
    for group in order:
        numbers[group] = number = _most_even(held, counts[group], counts.sum(axis=0))
        held[number] += counts[group]
    return numbers[members]


def _most_even(held: NDArray[np.float64], group: NDArray[np.float64], total: NDArray[np.float64]) -> int:
    """Return the fold that a group goes to, of almost equally good ones that which holds fewer clips."""
    best, least, fewest = 0, np.inf, np.inf
    for number, n_clips in enumerate(held.sum(axis=1)):
        tried = held.copy()
        tried[number] += group
        uneven = np.mean(np.std(tried / total, axis=0))
        if uneven < least or (np.isclose(uneven, least) and n_clips < fewest):
            best, least, fewest = number, uneven, n_clips
    return best


def usual_split(dataset: Dataset) -> Split | None:
    """Return a split for those who name none: leave one group out, or folds of many groups; None where none fits.

    Examples
    --------
    >>> from .figures import Figures
    >>> [usual_split(Figures(subjects=n, clips_per_subject=1)).label() for n in (25, 26)]
    ['leave-one-group-out', 'group-k-fold(5)']
    """
    n_groups = dataset.table["group"].nunique()
    splits: list[Split] = [GroupKFold(folds=n_folds, seed=0) for n_folds in (5, 2)]
    if n_groups <= _MOST_LEFT_OUT:
        splits = [LeaveOneGroupOut()]
    for split in splits:
        with suppress(SplitError):
            split.folds(dataset)
            return split
    return None


#: What ``split`` may hold in a matrix.
AnySplit = Annotated[
    LeaveOneGroupOut | GroupKFold | LeakyRandom | Published | Official | NumberedLists | Column,
    Field(discriminator="name"),
]

SPLITS: Mapping[str, type[Split]] = {
    "leave-one-group-out": LeaveOneGroupOut,
    "group-k-fold": GroupKFold,
    "published": Published,
    "official": Official,
    "numbered-lists": NumberedLists,
    "column": Column,
    "leaky-random": LeakyRandom,
}
