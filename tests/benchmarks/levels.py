"""Do the tests keep their level, and do the intervals cover? ``make levels`` draws studies whose truth is known.

Each study has 9 or 25 groups of 4 to 24 clips. Two attempts, and for Holm's correction four, are equally good in the
mean over all groups there could be; how good each is on the clips of one group scatters about that. The more it does,
the more clips of a group are correlated. A test keeps its level of 5 % if it finds a difference in no more than 5 % of
the studies; a 95 % interval covers if it holds the true value in 95 % of them.

Then four or eight attempts are compared in pairs: all equally good, or one or half of them better, which err half as
often. Three ways share the level of 5 % among the pairs; it is kept if no more than 5 % of the studies call any two
different that are not, or the worse one better.

Last, the intervals are held to studies of two to 25 groups, equal and very unequal, whose accuracies scatter little or
much, under several seeds.

And the answer "none of these" is held to its rate: attempts are fitted on people whose clips have much or nothing in
common, and asked about clips of new people, of the same classes and of others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations, product
from time import perf_counter
from typing import Any

import numpy as np
import results

from actionbench import Attempt, Clip, Clips
from actionbench.baselines._training import softmax
from actionbench.baselines.calibration import held_out_proba
from actionbench.experiments.deployment.rejection import Rejection, score
from actionbench.reports.statistics.corrections import holm
from actionbench.reports.statistics.intervals import (
    bootstrap_interval,
    group_sums,
    joint_sign_flips,
    paired_interval,
    ratio_interval,
    sign_flip_test,
    wilson_interval,
)
from actionbench.reports.statistics.paired import difference_interval, mcnemar

PARTS = ("rows", "pairs", "designs", "rejection")
LEVEL = 0.05
ACCURACY = 0.7
N_ATTEMPTS = 4
#: What stands in the table, and what a row has for it.
SHARES = {
    "sign flips": "sign_flip",
    "Holm, 6 pairs": "holm",
    "McNemar on clips": "mcnemar",
    "accuracy": "accuracy_covered",
    "Wilson on clips": "wilson_covered",
    "difference": "difference_covered",
}
#: Standard deviation over groups of what an attempt is right more or less often than in the mean.
SCATTER = {
    "independent": 0.0,
    "clustered": 0.12,
    "strongly clustered": 0.22,
    "strongly clustered, skewed": 0.22,
    "skewed, the first constant": 0.22,
}


#: How many of so many attempts are better than the others.
TRUTHS = {"equal": lambda n: 0, "one": lambda n: 1, "half": lambda n: n // 2}
#: What stands in the table of pairs, and what a row has for it.
PAIR_SHARES = {
    "best against all, Holm": "best_equal",
    "all pairs, Holm": "holm_equal",
    "joint flips": "joint_equal",
    "one better": "joint_one",
    "half better": "joint_half",
    "best against all, Holm: found": "best_found",
    "all pairs, Holm: found": "holm_found",
    "joint flips: found": "joint_found",
}


#: How many clips each group of a study has, by the name of the design.
DESIGNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "2 of 10": lambda rng: np.full(2, 10),
    "3 of 10": lambda rng: np.full(3, 10),
    "4, 10, 60": lambda rng: np.array([4, 10, 60]),
    "5 of 20": lambda rng: np.full(5, 20),
    "9 of 2 to 60": lambda rng: rng.integers(2, 61, size=9),
    "25 of 4": lambda rng: np.full(25, 4),
    "25 of 2 to 80": lambda rng: rng.integers(2, 81, size=25),
}
#: Standard deviations over groups of the accuracies of two attempts, and the mean of both.
SPREADS, MEANS, SEEDS = (0.0, 0.12, 0.2), (0.7, 0.9), (0, 1, 2)
#: What stands in the table of designs, and what a row has for it.
DESIGN_SHARES = {
    "accuracy": "accuracy_covered",
    "least of a seed": "accuracy_least",
    "most of a seed": "accuracy_most",
    "by groups drawn": "drawn_covered",
    "difference": "difference_covered",
}


#: Rates of the answer "none of these", and what clips of a person have in common, as a share of the variance.
RATES, COMMON = (0.05, 0.1, 0.2), {"independent": 0.0, "clustered": 0.75}
#: What stands in the table of this answer, and what a row has for it.
REJECTION_SHARES = {
    "rejected at 5 %": "rejected_05",
    "at 10 %": "rejected_10",
    "at 20 %": "rejected_20",
    "of other classes at 5 %": "strangers_05",
    "at 10 % ": "strangers_10",
    "at 20 % ": "strangers_20",
}


@dataclass
class RejectionRow:
    """Shares of the clips of new people that are answered "none of these": of known classes, and of others."""

    n_groups: int
    clips: str
    n_studies: int
    rejected_05: float
    rejected_10: float
    rejected_20: float
    strangers_05: float
    strangers_10: float
    strangers_20: float


@dataclass
class DesignRow:
    """Shares of the studies of one design whose intervals hold the truth, and how wide they are in the median."""

    design: str
    accuracy: float
    spread: float
    n_studies: int
    accuracy_covered: float
    accuracy_least: float
    accuracy_most: float
    drawn_covered: float
    difference_covered: float
    width: float
    wilson_width: float


@dataclass
class PairRow:
    """Shares of the studies of one kind with a false difference, and of the true differences those found."""

    n_groups: int
    n_attempts: int
    clips: str
    n_studies: int
    best_equal: float
    holm_equal: float
    joint_equal: float
    best_one: float
    holm_one: float
    joint_one: float
    best_half: float
    holm_half: float
    joint_half: float
    #: Where one is better than the others.
    best_found: float
    holm_found: float
    joint_found: float


@dataclass
class Row:
    """Shares of the studies of one kind."""

    n_groups: int
    clips: str
    n_studies: int
    sign_flip: float
    holm: float
    mcnemar: float
    accuracy_covered: float
    wilson_covered: float
    difference_covered: float


def chances(clips: str, n_groups: int, rng: np.random.Generator, n_attempts: int = N_ATTEMPTS) -> np.ndarray:
    """Return how probably each attempt is right on a clip of each group, shape (n_attempts, n_groups)."""
    spread = SCATTER[clips]
    if not spread:
        return np.full((n_attempts, n_groups), ACCURACY)
    # Beta variates of an accuracy of 0.7 are skewed; a half of them turned about the mean are not, as long as they stay
    # shares: hence the smaller reach.
    if "skewed" in clips:
        drawn = scattered(ACCURACY, spread, (n_attempts, n_groups), rng)
        drawn[: "first constant" in clips] = ACCURACY
        return drawn
    reach = 1 - ACCURACY
    size = max(reach**2 / spread**2 - 1, 0.1)
    return ACCURACY + reach * (2 * rng.beta(size / 2, size / 2, size=(n_attempts, n_groups)) - 1)


def scattered(accuracy: float, spread: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return beta variates with a mean and a standard deviation, or the mean alone where that is 0."""
    if not spread:
        return np.full(shape, accuracy)
    size = accuracy * (1 - accuracy) / spread**2 - 1
    return rng.beta(accuracy * size, (1 - accuracy) * size, size=shape)


def study(clips: str, n_groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which clips each attempt has right, shape (N_ATTEMPTS, n_clips), and the group of each clip."""
    sizes = rng.integers(4, 25, size=n_groups)
    groups = np.repeat(np.arange(n_groups), sizes)
    return rng.random((N_ATTEMPTS, len(groups))) < chances(clips, n_groups, rng)[:, groups], groups


def judged(right: np.ndarray, groups: np.ndarray, n_flips: int, seed: int) -> Iterator[bool]:
    """Yield what each column of `SHARES` asks of one study."""
    p_values = [
        sign_flip_test(group_sums(groups, one.astype(float) - other)[0], n_flips, seed)
        for one, other in combinations(right, 2)
    ]
    yield p_values[0] <= LEVEL
    yield bool((holm(p_values) <= LEVEL).any())
    yield mcnemar(right[0], right[1])["p_value"] <= LEVEL
    low, high = bootstrap_interval(right[0], groups, random_state=seed)
    yield low <= ACCURACY <= high
    low, high = wilson_interval(right[0].sum(), len(groups))
    yield low <= ACCURACY <= high
    change = right[1].astype(float) - right[0]
    drawn = ratio_interval(*group_sums(groups, change, np.ones(len(groups))), random_state=seed)
    low, high = paired_interval(right[0], right[1])
    yield drawn is not None and min(low, drawn[0]) <= 0 <= max(high, drawn[1])


def simulated(clips: str, n_groups: int, n_studies: int, n_flips: int = 1999) -> Row:
    """Draw studies of one kind and return how often each test found something and each interval covered."""
    rng = np.random.default_rng([n_groups, list(SCATTER).index(clips)])
    found = np.array([list(judged(*study(clips, n_groups, rng), n_flips, seed)) for seed in range(n_studies)])
    return Row(n_groups, clips, n_studies, *(float(share) for share in found.mean(axis=0)))


def design_simulated(design: str, accuracy: float, spread: float, n_studies: int) -> DesignRow:
    """Draw studies of one design under each seed and return how often the intervals hold the truth."""
    covered: list[list[list[bool]]] = []
    widths = []
    for seed in SEEDS:
        rng = np.random.default_rng(
            [seed, list(DESIGNS).index(design), round(100 * accuracy), round(100 * spread)]
        )
        covered.append([])
        for _ in range(n_studies):
            sizes = DESIGNS[design](rng)
            own = scattered(accuracy, spread, (2, len(sizes)), rng)
            groups = np.repeat(np.arange(len(sizes)), sizes)
            right = rng.random((2, len(groups))) < own[:, groups]
            low, high = bootstrap_interval(right[0], groups, n_resamples=2000)
            drawn = ratio_interval(*group_sums(groups, right[0], np.ones(len(groups))), n_resamples=2000)
            assert drawn is not None
            least, most = difference_interval(right[0], right[1], groups)
            covered[-1].append(
                [low <= accuracy <= high, drawn[0] <= accuracy <= drawn[1], least <= 0 <= most]
            )
            alone = wilson_interval(right[0].sum(), len(groups))
            widths.append((high - low, alone[1] - alone[0]))
    by_seed = np.mean(covered, axis=1)
    accuracy_covered, drawn_covered, difference_covered = by_seed.mean(axis=0)
    width, wilson_width = np.median(widths, axis=0)
    return DesignRow(
        design,
        accuracy,
        spread,
        n_studies * len(SEEDS),
        accuracy_covered=float(accuracy_covered),
        accuracy_least=float(by_seed[:, 0].min()),
        accuracy_most=float(by_seed[:, 0].max()),
        drawn_covered=float(drawn_covered),
        difference_covered=float(difference_covered),
        width=float(width),
        wilson_width=float(wilson_width),
    )


def pairs_judged(
    right: np.ndarray, better: np.ndarray, n_flips: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return of a study whether each way found a false difference, and its share of the true ones, shape (3,) each.

    Parameters
    ----------
    right : ndarray, shape (n_attempts, n_groups)
        How many clips of each group each attempt has right.
    better : ndarray of bool, shape (n_attempts,)
        Which attempts are the better ones.
    """
    first, second = np.triu_indices(len(right), 1)
    p_values, joint = joint_sign_flips(right, n_flips, seed)
    totals = right.sum(axis=1)
    with_best = (first == totals.argmax()) | (second == totals.argmax())
    best = np.ones(len(first))
    best[with_best] = holm(p_values[with_best])
    found = np.stack([best, holm(p_values), joint]) <= LEVEL
    truth = better[second].astype(int) - better[first]
    right_way = (truth != 0) & (truth == np.sign(totals[second] - totals[first]))
    n_true = max(1, np.count_nonzero(truth))
    return (found & ~right_way).any(axis=1), (found & right_way).sum(axis=1) / n_true


def pairs_simulated(
    clips: str, n_groups: int, n_attempts: int, n_studies: int, n_flips: int = 1999
) -> PairRow:
    """Draw studies of one kind and return how often each way to compare all pairs was wrong, and how often right."""
    shares: list[float] = []
    found = np.zeros(3)
    for number, count in enumerate(TRUTHS.values()):
        rng = np.random.default_rng([n_groups, n_attempts, list(SCATTER).index(clips), number])
        better = np.arange(n_attempts) >= n_attempts - count(n_attempts)
        false, true = np.zeros(3), np.zeros(3)
        for seed in range(n_studies):
            sizes = rng.integers(4, 25, size=n_groups)
            drawn = chances(clips, n_groups, rng, n_attempts)
            drawn[better] = 1 - (1 - drawn[better]) / 2
            one_false, one_true = pairs_judged(rng.binomial(sizes, drawn), better, n_flips, seed)
            false, true = false + one_false, true + one_true
        shares += list(false / n_studies)
        found = true / n_studies if better.sum() == 1 else found
    return PairRow(n_groups, n_attempts, clips, n_studies, *map(float, [*shares, *found]))


class NearestMean(Attempt):
    """Linear discriminants of the values of a frame, all of one variance."""

    family = "features"

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> NearestMean:
        self.classes_, values = np.unique(labels), _values(clips)
        self.means_ = np.array([values[labels == label].mean(axis=0) for label in self.classes_])
        self.variance_ = (values - self.means_[np.searchsorted(self.classes_, labels)]).var() + 1e-9
        return self

    def predict_proba(self, clips: Clips) -> np.ndarray:
        distances = ((_values(clips)[:, None] - self.means_) ** 2).sum(axis=2)
        return softmax(-distances / (2 * self.variance_))


def _values(clips: Clips) -> np.ndarray:
    return np.array([clip.frames.ravel() for clip in clips], np.float64)


def people(
    means: np.ndarray, common: float, n_groups: int, rng: np.random.Generator
) -> tuple[Clips, np.ndarray, np.ndarray]:
    """Return clips, labels and groups; ``common`` is the share of the variance that clips of a group share."""
    labels = rng.integers(len(means), size=(n_groups, 4))
    noise = np.sqrt(common) * rng.normal(size=(n_groups, 1, 6))
    noise = noise + np.sqrt(1 - common) * rng.normal(size=(n_groups, 4, 6))
    frames = np.clip((means[labels] + 16 * noise).round(), 0, 255).astype(np.uint8).reshape(-1, 1, 1, 6)
    groups = np.repeat(np.arange(n_groups), 4).astype(str)
    return Clips.of([Clip(frame, 25.0) for frame in frames]), labels.ravel().astype(str), groups


def rejection_simulated(clips: str, n_groups: int, n_studies: int) -> RejectionRow:
    """Fit attempts on drawn people, and return how many clips of new people are rejected at each rate."""
    rng = np.random.default_rng([n_groups, list(COMMON).index(clips)])
    known, strange = np.zeros(len(RATES)), np.zeros(len(RATES))
    for _ in range(n_studies):
        means = 128 + 18 * rng.normal(size=(8, 6))
        train = people(means[:4], COMMON[clips], n_groups, rng)
        attempt = NearestMean().fit(*train)
        classes = attempt.classes_.tolist()
        rejection = Rejection.of(held_out_proba(attempt, *train), train[1], classes, train[2])
        for shares, own in ((known, means[:4]), (strange, means[4:])):
            rows = attempt.predict_proba(people(own, COMMON[clips], 30, rng)[0]).tolist()
            scores = [score(dict(zip(classes, row, strict=True))) for row in rows]
            p_values = np.array([rejection.p_value(one) for one in scores])
            shares += [np.mean(p_values <= rate) for rate in RATES]
    return RejectionRow(n_groups, clips, n_studies, *map(float, [*known / n_studies, *strange / n_studies]))


def margin(share: float, n_studies: int) -> float:
    """Return the half width of the 95 % interval of a share that the number of studies leaves."""
    return 1.96 * np.sqrt(share * (1 - share) / n_studies)


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a result, as `main` writes it, for a document."""
    pair_kinds = {"groups": "n_groups", "attempts": "n_attempts", "clips of a group": "clips"}
    design_kinds = {"clips of groups": "design", "accuracy": "accuracy", "scatter": "spread"}
    widths = {"width": "width", "width of Wilson's": "wilson_width"}
    lines = []
    rejection_kinds = {"groups": "n_groups", "clips of a group": "clips"}
    for what, kinds, shares in (
        ("rows", {"groups": "n_groups", "clips of a group": "clips"}, SHARES),
        ("pairs", pair_kinds, PAIR_SHARES),
        ("designs", design_kinds, DESIGN_SHARES | widths),
        ("rejection", rejection_kinds, REJECTION_SHARES),
    ):
        n_studies = content[what][0]["n_studies"]
        unsure = f"± {100 * margin(0.05, n_studies):.1f} for a share of 5 or 95 %"
        lines += [f"Percent of {n_studies:,} studies of each kind, {unsure}.", ""]
        lines += [*_table(kinds, shares, content[what]), ""]
    return "\n".join([*lines, f"Drawn with {results.in_words(content['machine'])}."]) + "\n"


def _table(kinds: dict[str, str], shares: dict[str, str], rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join([*kinds, *shares])} |"
    words = ("clips", "design")
    yield "|" + "".join(":--|" if name in words else "--:|" for name in [*kinds.values(), *shares])
    for row in rows:
        cells = [str(row[name]) for name in kinds.values()]
        yield f"| {' | '.join(cells + [f'{100 * row[name]:.1f}' for name in shares.values()])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=4000, help="studies of each kind")
    parser.add_argument("--only", choices=PARTS, help="draw only these, keep the others of --json")
    options = results.parse(parser, markdown)
    content = results.read(options.json) if options.only else {}
    content["machine"] = {name: results.machine()[name] for name in ("actionbench", "numpy")}
    for part in (options.only,) if options.only else PARTS:
        content[part] = list(_drawn(part, options.studies))
    results.write(options.json, content)


def _drawn(part: str, n_studies: int) -> Iterator[dict[str, Any]]:
    if part == "rejection":
        for clips, n_groups in product(COMMON, (20, 40, 80)):
            answers = rejection_simulated(clips, n_groups, n_studies // 4)
            print(*asdict(answers).values(), flush=True)
            yield asdict(answers)
        return
    if part == "designs":
        for design, accuracy, spread in product(DESIGNS, MEANS, SPREADS):
            row = design_simulated(design, accuracy, spread, n_studies // 4)
            print(*asdict(row).values(), flush=True)
            yield asdict(row)
        return
    for n_groups, clips in product((9, 25), SCATTER):
        for n_attempts in (4, 8) if part == "pairs" else (N_ATTEMPTS,):
            begun = perf_counter()
            row = (
                pairs_simulated(clips, n_groups, n_attempts, n_studies)
                if part == "pairs"
                else simulated(clips, n_groups, n_studies)
            )
            print(*asdict(row).values(), f"{perf_counter() - begun:.0f} s", flush=True)
            yield asdict(row)


if __name__ == "__main__":
    main()
