"""Whether a data set lets a method score without recognising actions: copies across folds, and metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, Faults
from ...progress import each
from ..datasets.base import GROUPS_UNKNOWN, Dataset
from ..datasets.left_out import WithoutClips, without
from ..datasets.probed import without_probe
from ..datasets.publication import compare_with_published
from ..datasets.splits import Fold, Split
from .near_duplicates import Fingerprint, Pairs, identical_pairs, near_pairs
from .warnings import CODES, DataWarning

# Counts the changes of what an audit finds, so that older ones are made again.
_VERSION = 3
# Pairs that a sentence names, and folds on which metadata are tried.
_NAMED, _FOLDS = 3, 50
# Metadata give the class away where they are right this many times as often as the most frequent class.
_FAR = 1.5
# Classes are unbalanced where one has so many times the clips of another.
_UNBALANCED = 3
# Of so many groups or fewer no variance can be estimated.
_FEW = 2


def audit_key(fingerprint: str, folds: Sequence[Fold]) -> str:
    """Return a hash of all that an audit depends on."""
    parts = (_VERSION, fingerprint, [(fold.name, fold.fingerprint()) for fold in folds])
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def dataset_warnings(dataset: Dataset) -> list[DataWarning]:
    """Return the warnings of a data set about itself."""
    different = compare_with_published(dataset)[1]
    plain = without_probe(dataset)
    left_out = [plain.left_out] if isinstance(plain, WithoutClips) else []
    return [
        *(
            DataWarning("groups-unknown" if text == GROUPS_UNKNOWN else "data-set", text)
            for text in dataset.warnings
        ),
        *(DataWarning("clips-left-out", text) for text in left_out),
        *([DataWarning("not-as-published", different)] if different else []),
    ]


def class_warnings(dataset: Dataset) -> list[DataWarning]:
    """Return a warning where a class has several times as many clips as another."""
    counts = dataset.table["label"].value_counts()
    if counts.iloc[0] < _UNBALANCED * counts.iloc[-1]:
        return []
    (most, n_most), *_, (least, n_least) = counts.items()
    text = f"The classes are unbalanced: {n_most} clips of {most!r}, {n_least} of {least!r}."
    return [DataWarning("unbalanced-classes", text)]


def group_warnings(dataset: Dataset) -> list[DataWarning]:
    """Return warnings about the groups of a data set, where they are known."""
    if not dataset.groups_known:
        return []
    table, found = dataset.table, []
    n_groups = table["group"].nunique()
    if n_groups <= _FEW:
        found.append(
            DataWarning(
                "few-groups",
                f"The data set has {n_groups} group{'s' * (n_groups != 1)}: the variance between groups cannot be "
                "estimated, and intervals rest on an assumption about it.",
            )
        )
    if n_groups == len(table) > _FEW:
        found.append(
            DataWarning(
                "one-clip-groups",
                "Each group has one clip: if clips of one person or source video are in several groups, accuracies "
                "are too high, and intervals and ranks too narrow.",
            )
        )
    of_class = table.groupby("label")["group"].nunique()
    found += [
        DataWarning(
            "class-of-one-group",
            f"All clips of class {str(name)!r} come from one group: no split can train and test it on different "
            "groups.",
        )
        for name in of_class.index[of_class == 1]
    ]
    return found


def protocol_warnings(dataset: Dataset, split: Split) -> list[DataWarning]:
    """Return the warnings of a data set and a split about themselves."""
    warning = split.warning(dataset)
    leaks = [DataWarning("leaky-split", warning)] if warning else []
    return [*dataset_warnings(dataset), *class_warnings(dataset), *group_warnings(dataset), *leaks]


def audit(
    dataset: Dataset, folds: Sequence[Fold], fingerprints: Sequence[Fingerprint] | None = None
) -> list[DataWarning]:
    """Return warnings of what would flatter a method.

    Parameters
    ----------
    dataset : Dataset
        What the clips are called, their labels and groups.
    folds : sequence of Fold
        Near-duplicates matter where a fold has one on either side and their groups differ.
    fingerprints : sequence of Fingerprint, optional
        One per clip; by default each clip is decoded, one at a time.

    Returns
    -------
    list of DataWarning

    Raises
    ------
    DataError
        If clips cannot be read; it names each of them.
    """
    if fingerprints is None:
        fingerprints = look_at_all(dataset)
    return [
        *untaught_warnings(dataset, folds),
        *decoding_warnings(dataset, fingerprints),
        *pair_warnings(dataset, fingerprints, folds),
        *metadata_warnings(dataset, fingerprints, folds),
    ]


def look_at_all(dataset: Dataset) -> list[Fingerprint]:
    """Decode every clip, one at a time, or raise DataError with all that cannot be read."""
    faults, found = Faults(), []
    for index in each("clips", range(len(dataset)), len(dataset)):
        with faults:
            found.append(look_at(dataset, index))
    faults.check()
    return found


def without_unreadable(dataset: Dataset) -> Dataset:
    """Return a data set without the clips that cannot be decoded, where it drops these; each is decoded once."""
    if not dataset.drops_unreadable:
        return dataset
    reasons = {}
    for index, name in enumerate(each("clips", dataset.table["clip"], len(dataset))):
        try:
            look_at(dataset, index)
        except DataError as error:
            reasons[name] = str(error)
    return without(dataset, reasons)


def look_at(dataset: Dataset, index: int) -> Fingerprint:
    """Decode a clip, or raise DataError with its name."""
    try:
        return Fingerprint.of(dataset.load(index))
    except Exception as error:  # a plug-in or a decoder may fail in any way
        raise DataError(unreadable(dataset, index, error)) from error


def unreadable(dataset: Dataset, index: int, reason: object) -> str:
    """Return a sentence on a clip that cannot be read."""
    return " ".join(f"clip {dataset.table['clip'][index]!r} cannot be read: {reason}".split())


def untaught_warnings(dataset: Dataset, folds: Sequence[Fold]) -> list[DataWarning]:
    """Return a warning of folds that test a class which they do not train, where it is not of one group anyway."""
    table = dataset.table
    of_class = table.groupby("label")["group"].nunique()
    lone = set(of_class.index[of_class == 1]) if dataset.groups_known else set()
    labels = dataset.labels
    found = [
        (fold.name, str(name))
        for fold in folds
        for name in np.setdiff1d(labels[fold.test], labels[fold.train])
        if name not in lone
    ]
    if not found:
        return []
    rest = len(found) - _NAMED
    named = "; ".join(f"{label!r} in fold {fold}" for fold, label in found[:_NAMED])
    more = f"; and {rest} more" if rest > 0 else ""
    return [
        DataWarning(
            "untaught-class",
            f"Classes are tested without a training clip and cannot be recognised: {named}{more}.",
        )
    ]


def decoding_warnings(dataset: Dataset, fingerprints: Sequence[Fingerprint]) -> list[DataWarning]:
    """Return what is odd about the files of clips, one warning for each kind."""
    found: dict[str, list[str]] = {}
    for name, fingerprint in zip(dataset.table["clip"], fingerprints, strict=True):
        for code, text in fingerprint.warnings.items():
            found.setdefault(code, []).append(f"{name}, {text}")
    return [
        DataWarning(code, f"{len(texts)} of {len(dataset)} clips: {CODES[code]}; the first is {texts[0]}.")
        for code, texts in sorted(found.items())
    ]


def pair_warnings(
    dataset: Dataset, fingerprints: Sequence[Fingerprint], folds: Sequence[Fold] | None = None
) -> list[DataWarning]:
    """Return warnings of clips that are the same or nearly.

    Parameters
    ----------
    dataset : Dataset
        For the names, labels and groups.
    fingerprints : sequence of Fingerprint
        One per clip.
    folds : sequence of Fold, optional
        Without them all pairs of different groups are named, as some split may part them.
    """
    same = identical_pairs(fingerprints)
    near = sorted(set(near_pairs(fingerprints, dataset.groups)) - set(same))
    found = []
    for code, pairs, what in (
        ("identical-clips", same, "have the same frames"),
        ("near-identical-clips", near, "are nearly the same"),
    ):
        named = _across(dataset, pairs, folds)
        if named:
            where = "are on both sides of a fold and " if folds is not None else ""
            found.append(DataWarning(code, f"Clips of different groups {where}{what}: {_listed(named)}."))
    labels, names = dataset.labels, dataset.table["clip"]
    torn = [
        f"{names[i]} ({labels[i]}) and {names[j]} ({labels[j]})" for i, j in same if labels[i] != labels[j]
    ]
    if torn:
        found.append(
            DataWarning(
                "labels-disagree", f"Clips with the same frames have different labels: {_listed(torn)}."
            )
        )
    return found


def _across(dataset: Dataset, pairs: Pairs, folds: Sequence[Fold] | None) -> list[str]:
    """Return the pairs of different groups that some fold divides, in words."""
    names, groups = dataset.table["clip"], dataset.groups
    pairs = [(i, j) for i, j in pairs if groups[i] != groups[j]]
    if folds is None or not pairs:
        return [f"{names[i]} and {names[j]}" for i, j in pairs]
    both = np.array(pairs)
    divided = np.full(len(pairs), -1)
    trained = np.zeros(len(pairs), int)
    for number, fold in reversed(list(enumerate(folds))):
        side = np.zeros(len(dataset), np.int8)
        side[fold.train], side[fold.test] = 1, -1
        across = side[both].prod(axis=1) == -1
        divided[across], trained[across] = number, np.argmax(side[both[across]], axis=1)
    return [
        f"{names[pair[first]]} (train) and {names[pair[1 - first]]} (test) in fold {folds[number].name}"
        for pair, number, first in zip(pairs, divided, trained, strict=True)
        if number >= 0
    ]


def _listed(named: list[str]) -> str:
    rest = len(named) - _NAMED
    return "; ".join(named[:_NAMED]) + (f"; and {rest} more pair{'s' * (rest > 1)}" if rest > 0 else "")


def metadata_warnings(
    dataset: Dataset, fingerprints: Sequence[Fingerprint], folds: Sequence[Fold]
) -> list[DataWarning]:
    """Warn where a decision tree on length, size and frame rate is right far more often than chance.

    Far means that the 95 % interval of its accuracy, by Student's t with the groups as units, lies above one and a
    half times the share of the commonest class among the clips that were tested.
    """
    right, groups, share = _try_metadata(dataset, fingerprints, folds)
    accuracy = float(right.mean()) if len(right) else 0.0
    if accuracy <= _FAR * share or accuracy - _half_interval(right, groups) <= _FAR * share:
        return []
    text = (
        f"A decision tree that uses only a clip's length, size and frame rate classifies {100 * accuracy:.0f} % of the "
        f"clips correctly, where the most frequent class has {100 * share:.0f} %: not all that a method scores need be "
        f"due to the action."
    )
    return [DataWarning("metadata-tells", text)]


def _try_metadata(
    dataset: Dataset, fingerprints: Sequence[Fingerprint], folds: Sequence[Fold]
) -> tuple[NDArray[np.bool_], NDArray[np.str_], float]:
    """Return which tested clips the tree classifies correctly, their groups, and the share of the commonest label."""
    known = np.array([[one.n_frames, one.height, one.width, one.fps] for one in fingerprints], float)
    if (known == known[0]).all():
        return np.zeros(0, bool), np.zeros(0, str), 1.0
    from sklearn.tree import DecisionTreeClassifier

    labels, right, tested = dataset.labels, [], []
    chosen = np.unique(np.linspace(0, len(folds) - 1, _FOLDS).round().astype(int))
    for fold in (folds[number] for number in chosen):
        tree = DecisionTreeClassifier(min_samples_leaf=3, random_state=0).fit(
            known[fold.train], labels[fold.train]
        )
        right.append(tree.predict(known[fold.test]) == labels[fold.test])
        tested.append(fold.test)
    places = np.concatenate(tested)
    share = np.unique(labels[places], return_counts=True)[1].max() / len(places)
    return np.concatenate(right), dataset.groups[places], float(share)


def _half_interval(right: NDArray[np.bool_], groups: NDArray[np.str_]) -> float:
    """Return half of the 95 % interval of an accuracy whose units are groups, infinite for one group."""
    from scipy.stats import t

    number = np.unique(groups, return_inverse=True)[1]
    n_groups = int(number.max()) + 1
    if n_groups < 2:
        return float("inf")
    residuals = np.bincount(number, right - right.mean())
    error = np.sqrt(n_groups / (n_groups - 1) * np.sum(residuals**2)) / len(right)
    return float(t.ppf(0.975, n_groups - 1) * error)
