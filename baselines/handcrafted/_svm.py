"""Support vector machines (SVMs) on one vector per clip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...literals import Positive
from .._training import Fold, encode, inner_folds, softmax
from ..base import Attempt, Clips, Explanation, check_is_fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Classifier", "Mirror", "VectorSvm", "class_maps", "parse_channels", "sharpness", "weight_shares"]

C = TypeVar("C", bound=str)
Array = NDArray[np.float64]
Mirror = Literal["auto"] | bool
#: The arrays of a trained classifier by name.
Classifier = dict[str, Array]
#: Values of all vectors that are converted to double precision at once.
_BLOCK = 2**20


class VectorSvm(Attempt):
    """One-vs-rest support vector machines (SVMs) on one vector per clip.

    A subclass defines the vectors. Probabilities are the softmax of the decision values, with a temperature fitted on
    held-out groups of the training clips (Guo et al., ICML 2017). A subclass has the parameters ``C``, ``mirror`` and
    ``random_state``.

    Attributes
    ----------
    classifier_ : dict of ndarray
        A linear SVM's ``weights`` (n_classes, n_values) and ``intercepts`` (n_classes,), and the ``means`` and
        ``scales`` (n_values,) by which vectors are standardised; or the arrays of `_train_chi2`.
    mirror_ : bool
        Whether mirror images were added to the training clips.
    sharpness_ : float
        Inverse temperature: the factor of the decision values before the softmax.
    """

    family = "features"
    #: Whether values are standardised; vectors whose length has a meaning are not.
    standardised: ClassVar[bool] = True
    # Of each clip by its fingerprint, whether it lacks the motion vectors that were asked for.
    _lacking: Mapping[str, bool] = MappingProxyType({})
    C: Positive
    mirror: Mirror
    random_state: int

    def _prepare(self, clips: Clips) -> None:
        """Learn from the training clips what `_vectors` needs; nothing by default."""

    @abstractmethod
    def _vectors(self, clips: Clips) -> Array:
        """Describe clips, shape (n_clips, n_values)."""

    def _mirrored(self, vectors: Array, clips: Clips) -> Array | None:
        """Return the vectors of the mirrored clips, None if they cannot be derived."""
        return None

    @abstractmethod
    def _sizes(self) -> dict[str, int]:
        """Return the lengths of the parts of a vector by name."""

    def _is_linear(self) -> bool:
        """Return whether the SVM is linear; otherwise each part of a vector is a histogram, see `_train_chi2`."""
        return True

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Compute the vectors, choose ``mirror`` and temperature on held-out groups, train on all clips."""
        self.classes_, codes = encode(clips, labels)
        self._lacking = dict[str, bool]()
        self._prepare(clips)
        vectors = self._vectors(clips)
        if self._is_linear():
            vectors = vectors.astype(np.float32)
        other = None if self.mirror is False else self._mirrored(vectors, clips)
        examples = _Examples(vectors if other is None else np.concatenate([vectors, other]), codes)
        del vectors
        self.mirror_ = other is not None
        folds = inner_folds(len(codes), groups, 3)
        values = self._held_out(examples, folds)
        if self.mirror == "auto" and self.mirror_:
            self.mirror_ = False
            plain = self._held_out(examples, folds)
            self.mirror_ = not _mirroring_harms(values, plain, codes)
            values = values if self.mirror_ else plain
        self.sharpness_ = sharpness(values, codes)
        self._held_out_proba = softmax(self.sharpness_ * values)
        self.classifier_ = self._train(examples, np.arange(len(codes)))
        return self

    def held_out_proba(self) -> Array:
        """Return probabilities of the clips of the last `fit`, each by a classifier that learned from other groups.

        Returns
        -------
        ndarray of float64, shape (n_clips, n_classes)
            NaN for clips without such a classifier. ``mirror`` and temperature were chosen on the same clips.
        """
        check_is_fitted(self)
        return self._held_out_proba

    def _held_out(self, examples: _Examples, folds: list[Fold]) -> Array:
        """Return the decision values of the clips of held-out groups, NaN for other clips."""
        values = np.full((len(examples.codes), len(self.classes_)), np.nan)
        for train, test in folds:
            if len(np.unique(examples.codes[train])) > 1:
                values[test] = _decide(examples.vectors[test], self._train(examples, train))
        return values

    def _train(self, examples: _Examples, clips: NDArray[np.intp]) -> Classifier:
        rows = np.concatenate([clips, clips + len(examples.codes)]) if self.mirror_ else clips
        options = (len(self.classes_), self.C, self.random_state)
        if self._is_linear():
            return _train_linear(examples, rows, self.standardised, *options)
        codes = examples.codes[rows % len(examples.codes)]
        return _train_chi2(
            examples.vectors[rows].astype(np.float64), codes, list(self._sizes().values()), *options
        )

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return class probabilities."""
        check_is_fitted(self)
        if not len(clips):
            return np.empty((0, len(self.classes_)))
        return softmax(self.sharpness_ * _decide(self._vectors(clips), self.classifier_))

    def _note_vectors(self, clips: Clips, lacking: list[bool]) -> None:
        """Note which clips lack the motion vectors of a codec that were asked for."""
        self._lacking = {**self._lacking, **dict(zip(clips.fingerprints, lacking, strict=True))}

    def warnings(self) -> dict[str, str]:
        """Return a warning where motion vectors of a codec were asked for that clips do not have."""
        lacking = sum(self._lacking.values())
        if not lacking:
            return {}
        return {
            "no-vectors": f"{lacking} of {len(self._lacking)} clips have no motion vectors of a codec: their flow was "
            "computed by dense inverse search."
        }

    def count(self) -> dict[str, int]:
        """Return the number of fitted values."""
        check_is_fitted(self)
        return {"parameters": sum(array.size for array in self.classifier_.values()) + 1}

    def explain(self) -> Explanation:
        """Describe the parts of a vector, and the share of each in the classifier."""
        check_is_fitted(self)
        sizes = self._sizes()
        lines = [", ".join(f"{name} {size} values" for name, size in sizes.items())]
        if self._is_linear():
            return Explanation(
                "\n".join([*lines, *weight_shares(self.classifier_["weights"], sizes, self.classes_)])
            )
        used = np.count_nonzero(np.any(self.classifier_["alphas"], axis=0))
        lines.append(f"{used} of {len(self.classifier_['examples'])} training vectors are support vectors")
        return Explanation("\n".join(lines))


def parse_channels(channels: str, known: tuple[C, ...], what: str = "channels") -> tuple[C, ...]:
    """Return the channels named in a text such as ``"hog+hof"``, in the order of the known ones.

    ``what`` is the parameter's name, for messages.

    Raises
    ------
    ValueError
        If a name is unknown, or there is none.
    """
    names = channels.split("+") if isinstance(channels, str) else []
    if not names or not set(names) <= set(known):
        raise ValueError(f"{what} must be some of {', '.join(known)} with + between, got {channels!r}")
    return tuple(name for name in known if name in names)


@dataclass(frozen=True, eq=False)
class _Examples:
    """Vectors of the training clips, then perhaps those of their mirror images; the class of each clip."""

    vectors: NDArray[np.floating]  # (n, D) or (2 n, D)
    codes: NDArray[np.intp]  # (n,)

    @cached_property
    def products(self) -> Array:
        """Scalar products of all pairs."""
        length = self.vectors.shape[1]
        return _products(self.blocks(np.arange(len(self.vectors)), np.zeros(length), np.ones(length)))

    def blocks(self, rows: NDArray[np.intp], means: Array, scales: Array) -> Iterator[tuple[slice, Array]]:
        """Yield columns of standardised vectors in double precision, which all at once would need much memory."""
        for columns in self._columns():
            yield columns, (self.vectors[rows, columns] - means[columns]) / scales[columns]

    def moments(self, rows: NDArray[np.intp]) -> tuple[Array, Array]:
        """Return means and standard deviations of vectors."""
        means, deviations = np.empty((2, self.vectors.shape[1]))
        for columns in self._columns():
            block = self.vectors[rows, columns].astype(np.float64)
            means[columns], deviations[columns] = block.mean(axis=0), block.std(axis=0)
        return means, deviations

    def _columns(self) -> Iterator[slice]:
        width = max(1, _BLOCK // len(self.vectors))
        return (slice(start, start + width) for start in range(0, self.vectors.shape[1], width))


def _products(blocks: Iterator[tuple[slice, Array]]) -> Array:
    _, first = next(blocks)
    products = first @ first.T
    for _, block in blocks:
        products += block @ block.T
    return products


def _train_linear(
    examples: _Examples,
    rows: NDArray[np.intp],
    standardised: bool,
    n_classes: int,
    C: float,
    random_state: int,
) -> Classifier:
    length, codes = examples.vectors.shape[1], examples.codes[rows % len(examples.codes)]
    means, scales = np.zeros(length), np.ones(length)
    if standardised:
        means, scales = examples.moments(rows)
        # Constant values are set to 0, and vectors are scaled to a length of about 1.
        scales = np.where(scales > 1e-6, scales, np.inf) * np.sqrt(length)
    weights, intercepts = np.zeros((n_classes, length)), np.full(n_classes, -1.0)
    present = np.unique(codes)
    if len(present) < 2:
        intercepts[present] = 1.0
    else:
        from sklearn.svm import LinearSVC

        svm = LinearSVC(C=C, random_state=random_state, max_iter=20_000)
        # The weights are a linear combination of the vectors: solving in the space that these span is faster.
        if standardised:
            products = _products(examples.blocks(rows, means, scales))
        else:
            products = examples.products[np.ix_(rows, rows)]
        powers, directions = np.linalg.eigh(products)
        powers = np.maximum(powers, 1e-300)
        spans = powers > 1e-12 * powers[-1]
        lengths, directions = np.sqrt(powers[spans]), directions[:, spans]
        svm.fit(directions * lengths, codes)
        shares = svm.coef_ / lengths @ directions.T
        both = len(present) == 2
        shares = np.concatenate([-shares, shares]) if both else shares
        for columns, block in examples.blocks(rows, means, scales):
            weights[present, columns] = shares @ block
        intercepts[present] = np.array([-1, 1]) * svm.intercept_ if both else svm.intercept_
    return {"weights": weights, "intercepts": intercepts, "means": means, "scales": scales}


def _train_chi2(
    vectors: Array,
    codes: NDArray[np.intp],
    channels: list[int],
    n_classes: int,
    C: float,
    random_state: int,
) -> Classifier:
    """Train on the kernel ``exp(-sum over channels of D / A)``, D the chi-squared distance (Zhang et al., IJCV 2007).

    Returns
    -------
    dict of ndarray
        The training vectors as ``examples``, their dual coefficients ``alphas`` (n_classes, n_examples) and the
        ``intercepts``; for each channel its first index in ``starts`` and the mean distance A in ``widths``.
    """
    from sklearn.svm import SVC

    starts = np.cumsum([0, *channels[:-1]])
    parts = np.split(vectors, starts[1:], axis=1)
    distances = [_distances(part, part) for part in parts]
    # The mean over all pairs; for a constant channel any positive value will do.
    widths = np.array([max(distance.mean(), 1e-12) for distance in distances])
    classifier = {
        "examples": np.asarray(vectors, np.float64),
        "starts": starts.astype(np.float64),
        "widths": widths,
    }
    kernel = _similarities(distances, widths)
    alphas, intercepts = np.zeros((n_classes, len(vectors))), np.full(n_classes, -1.0)
    present = np.unique(codes)
    for label in present:
        if len(present) < 2:
            intercepts[label] = 1.0
            continue
        one = SVC(C=C, kernel="precomputed", random_state=random_state).fit(kernel, codes == label)
        alphas[label, one.support_] = one.dual_coef_[0]
        intercepts[label] = one.intercept_[0]
    return {**classifier, "alphas": alphas, "intercepts": intercepts}


def _distances(one: NDArray[np.floating], other: NDArray[np.floating]) -> Array:
    """Return half of the chi-squared distances of all pairs, shape (n, m)."""
    from sklearn.metrics.pairwise import additive_chi2_kernel

    return -0.5 * additive_chi2_kernel(one, other)


def _kernel(vectors: NDArray[np.floating], classifier: Classifier) -> Array:
    starts = classifier["starts"].astype(np.intp)[1:]
    pairs = zip(
        np.split(vectors, starts, axis=1), np.split(classifier["examples"], starts, axis=1), strict=True
    )
    return _similarities([_distances(*pair) for pair in pairs], classifier["widths"])


def _similarities(distances: list[Array], widths: Array) -> Array:
    return np.exp(-np.sum([one / width for one, width in zip(distances, widths, strict=True)], axis=0))


def _decide(vectors: NDArray[np.floating], classifier: Classifier) -> Array:
    """Return the decision values, shape (n_clips, n_classes)."""
    if "examples" in classifier:
        return (
            _kernel(vectors.astype(np.float64), classifier) @ classifier["alphas"].T
            + classifier["intercepts"]
        )
    weights = classifier["weights"] / classifier["scales"]
    return vectors @ weights.T + (classifier["intercepts"] - weights @ classifier["means"])


def weight_shares(weights: Array, sizes: dict[str, int], classes: np.ndarray) -> list[str]:
    """Describe for each class the share of each channel in its squared weights."""
    power = np.add.reduceat(weights**2, np.cumsum([0, *sizes.values()])[:-1], axis=1)
    parts = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-300)
    return [
        f"{label}: weight on {', '.join(f'{name} {part:.0%}' for name, part in zip(sizes, row, strict=True))}"
        for label, row in zip(classes, parts, strict=True)
    ]


def class_maps(maps: Array, classes: np.ndarray) -> Figure:
    """Draw the squared weights at each position, one map (n_classes, rows, columns) for each class."""
    from matplotlib.figure import Figure

    n_columns = min(6, len(classes))
    n_rows = -(-len(classes) // n_columns)
    figure = Figure(figsize=(1.6 * n_columns + 0.9, 1.8 * n_rows + 0.3), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in panels[len(classes) :]:
        axes.set_axis_off()
    for axes, map_, label in zip(panels, maps / max(maps.max(), 1e-300), classes, strict=False):
        image = axes.imshow(map_, cmap="Greys", vmin=0, vmax=1)
        axes.set_title(str(label), fontsize=10)
        axes.tick_params(labelsize=7)
        axes.locator_params(nbins=4, integer=True)
    figure.supxlabel("column of the grid", fontsize=9)
    figure.supylabel("row of the grid", fontsize=9)
    figure.colorbar(image, ax=panels, label="squared weight,\nshare of the largest", fraction=0.05)
    return figure


def _mirroring_harms(mirrored: Array, plain: Array, codes: NDArray[np.intp]) -> bool:
    """Return whether mirror images lower the accuracy by more than two standard deviations of McNemar's test."""
    # Clips that were not held out have NaN in both, and do not count.
    with_images, without = (np.argmax(values, axis=1) == codes for values in (mirrored, plain))
    lost, won = np.sum(without & ~with_images), np.sum(with_images & ~without)
    return bool(lost - won > 2 * np.sqrt(lost + won))


def sharpness(values: Array, codes: NDArray[np.intp], largest: float = 10.0) -> float:
    """Return the factor that maximises the likelihood of the softmax on held-out clips; others have NaN."""
    held = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(held):
        return 1.0
    factors = np.logspace(-1, np.log10(largest), 41)
    losses = [
        -np.log(np.maximum(softmax(factor * values[held])[np.arange(len(held)), codes[held]], 1e-9)).mean()
        for factor in factors
    ]
    return float(factors[int(np.argmin(losses))])
