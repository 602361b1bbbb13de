"""Proofs that a track tells its classes by its cue and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import cues
from .cues import Cue
from .dataset import TRACKS, Diagnostic
from .track import Row

#: How far above chance the upper limit of what must fail may lie, and how accurate what must pass has to be.
MARGIN, PASS = 0.03, 0.95

# How much a nuisance may cost one who sees the joints, and the components that a classifier sees of a cue.
_FLAT, _COMPONENTS = 0.02, 40
# How much at least those gain who have seen the people, in shares.
_INFLATION = 0.02

#: What is demanded of a probe.
Kind = Literal["must fail", "must pass", "reported"]


@dataclass(frozen=True)
class Proof:
    """A cue, and whether the classes can be told by it.

    Attributes
    ----------
    cue : function
        From a film to a vector; see `cues`.
    kind : str
        ``"must fail"``: the upper limit of the accuracy is at most 3 points above chance. ``"must pass"``: the accuracy
        is at least ``least``. ``"reported"``: nothing is demanded.
    tested : function
        Which test rows count.
    name : str
        What it is called where it is not the name of the cue alone.
    least : float
        The accuracy of what must pass.
    options : mapping
        Options of the track.
    within_training : bool
        Whether half of the people who train are tested, in turns, in place of those who test.
    """

    cue: Cue
    kind: Kind
    tested: Callable[[Row], bool] = lambda row: True
    name: str = ""
    least: float = PASS
    options: Mapping[str, Any] = field(default_factory=dict)
    within_training: bool = False

    @property
    def title(self) -> str:
        """What was looked at."""
        return self.name or self.cue.__name__.replace("_", " ")


@dataclass(frozen=True)
class Proved:
    """What came of a proof; accuracies are shares, with a 95 % interval over people."""

    track: str
    probe: str
    kind: Kind
    accuracy: float
    low: float
    high: float
    chance: float
    least: float
    n_clips: int

    @property
    def holds(self) -> bool:
        """Whether what was demanded is so."""
        if self.kind == "must fail":
            return self.high <= self.chance + MARGIN
        return self.kind == "reported" or self.accuracy >= self.least

    @property
    def broken(self) -> bool:
        """Whether it is certainly not so, however few clips there are."""
        if self.kind == "must fail":
            return self.low > self.chance
        return self.kind == "must pass" and self.high < self.least

    @property
    def verdict(self) -> str:
        """What came of it, in a word or two."""
        if self.kind == "reported":
            return ""
        return "holds" if self.holds else "broken" if self.broken else "not shown"

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known of it."""
        return {**asdict(self), "verdict": self.verdict}

    def as_row(self) -> tuple[str, ...]:
        """Return track, probe, what is demanded, accuracy, clips and verdict in words."""
        bounds = {
            "must fail": f"at most {100 * (self.chance + MARGIN):.1f}",
            "must pass": f"at least {100 * self.least:.1f}",
            "reported": "",
        }
        accuracy = f"{100 * self.accuracy:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return self.track, self.probe, bounds[self.kind], accuracy, f"{self.n_clips:,}", self.verdict


def _not(level: float) -> Callable[[Row], bool]:
    return lambda row: row.level != level


def _at(level: float) -> Callable[[Row], bool]:
    return lambda row: row.level == level


def _in(*conditions: str | None) -> Callable[[Row], bool]:
    return lambda row: row.condition in conditions


def _fails(*found: Cue, tested: Callable[[Row], bool] = lambda row: True) -> list[Proof]:
    return [Proof(cue, "must fail", tested) for cue in found]


_SINGLE = (cues.first_frame, cues.middle_frame, cues.last_frame)
_ALL = (cues.mean_frame, cues.brightest_frame, cues.motion_energy, cues.frames_without_order)
_UNDIRECTED = (cues.frame_differences, cues.joint_speeds)

_TEXTURES = [
    *_fails(*_SINGLE, cues.mean_frame, cues.local_statistics, tested=_at(1.0)),
    Proof(cues.true_flow, "must pass", _at(1.0)),
    Proof(cues.estimated_flow, "must pass", _at(1.0), least=0.85),
    Proof(cues.estimated_flow, "must fail", _at(0.0), "estimated flow, no coherence"),
]

#: What is proved of each track.
PROOFS: Mapping[str, Sequence[Proof]] = {
    "arrow": [
        *_fails(*_SINGLE, *_ALL, *_UNDIRECTED, tested=_not(0.5)),
        Proof(cues.wrist_velocity, "must pass", _not(0.5)),
        # Twins are each other's reversal, and so are right or wrong together: narrow limits would take many clips.
        Proof(cues.wrist_velocity, "reported", _at(0.5), "wrist velocity, symmetric"),
        # It is measured at the pixels of the earlier frame, and so it has a direction of time itself.
        Proof(cues.flow_magnitudes, "reported", _not(0.5)),
    ],
    "one-way": [
        *_fails(cues.middle_frame, *_ALL, *_UNDIRECTED),
        Proof(cues.first_frame, "reported"),
        Proof(cues.wrist_velocity, "must pass"),
    ],
    "order": [
        *_fails(*_SINGLE, *_ALL, *_UNDIRECTED, tested=_in(None)),
        Proof(cues.limb_times, "must pass", _in(None)),
        Proof(cues.limb_times, "must fail", _in("control"), "limb times, arms twice"),
    ],
    "tempo": [
        *_fails(*_SINGLE, *_ALL, tested=_not(1.0)),
        Proof(cues.wrist_frequency, "must pass", _not(1.0)),
        Proof(cues.wrist_frequency, "must fail", _at(1.0), "wrist frequency, same tempo"),
    ],
    "motion-noise": _TEXTURES,
    "motion-dots": _TEXTURES,
    "point-lights": [
        *_fails(*_SINGLE, *_ALL, tested=_in("intact")),
        Proof(cues.light_frequencies, "must pass", _in("intact")),
        Proof(cues.light_frequencies, "must fail", _in("scrambled"), "light frequencies, scrambled"),
    ],
    "path": [
        *_fails(*_SINGLE, cues.centred_joints, tested=_not(0.0)),
        Proof(cues.centroid_range, "must pass", _not(0.0)),
        Proof(cues.centroid_range, "must fail", _at(0.0), "centroid range, on the spot"),
    ],
    "context": [
        Proof(
            cues.background, "must pass", _in("aligned"), "background, rho 1, aligned", options={"rho": 1.0}
        ),
        Proof(
            cues.background, "must fail", _in("neutral"), "background, rho 1, neutral", options={"rho": 1.0}
        ),
        Proof(
            cues.centred_joints, "must pass", _in("conflict"), "joints, rho 1, conflict", options={"rho": 1.0}
        ),
        *(
            Proof(cue, "must fail", name=f"{name}, rho 0", options={"rho": 0.0}, within_training=True)
            for cue, name in (
                (cues.background, "background"),
                (cues.background_directions, "background directions"),
            )
        ),
    ],
    "nuisance": [
        *_fails(cues.length, cues.brightness, cues.background, tested=_in("none")),
        *(
            Proof(
                cues.joint_motion, "must pass", _in(name), f"joints, {name}", PASS - (name != "none") * _FLAT
            )
            for name in ("none", "shake", "zoom", "roll", "frame rate")
        ),
    ],
    "identity": [
        *_fails(cues.length, cues.brightness, cues.background),
        Proof(cues.joint_motion, "must pass"),
    ],
}


# Levels that are tried where there are many.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "order": {"levels": [8]},
    "tempo": {"levels": [2.0]},
    "motion-dots": {"levels": [1.0]},
    "point-lights": {"levels": [4]},
    "path": {"levels": [0.1, 1.0]},
    # The others leave the joints where they are.
    "nuisance": {"nuisances": ["shake", "zoom", "roll", "frame rate"], "steps": 2},
}


def prove(track: str, *, subjects: int = 60, clips: int = 1600, seed: int = 0) -> list[Proved]:
    """Try all probes of a track.

    Of each clip a vector is computed for each cue; a support vector machine with Gaussian kernel on its principal
    components is trained on a third of the people and tested on the others.

    Parameters
    ----------
    track : str
        One of `TRACKS`.
    subjects : int
        People, two thirds of whom test.
    clips : int
        Test clips for each probe, about.
    seed : int
        Seed of the people.
    """
    proofs, tested = PROOFS[track], 2 * subjects // 3
    proved = {}
    for own in _distinct(proof.options for proof in proofs):
        chosen = [proof for proof in proofs if proof.options == own]
        options = {**_SETTINGS.get(track, {}), **own}
        make = partial(
            Diagnostic, track, train_subjects=subjects - tested, test_subjects=tested, seed=seed, **options
        )
        data = make(pairs=_pairs(make(pairs=1), chosen, clips))
        vectors = _vectors(data, chosen)
        proved.update({proof.title: _try(data, proof, vectors) for proof in chosen})
    inflations = _inflations(subjects // 2, clips, seed) if track == "identity" else []
    return [*(proved[proof.title] for proof in proofs), *inflations]


def _distinct(options: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for one in options:
        if one not in found:
            found.append(one)
    return found


def _pairs(data: Diagnostic, proofs: Sequence[Proof], clips: int) -> int:
    """Return how many pairs each person needs for about so many clips of the probe that has the fewest."""
    return max(1, round(clips / min(_tested(data, proof).sum() for proof in proofs)))


def _tested(data: Diagnostic, proof: Proof) -> NDArray[np.bool_]:
    """Return which clips a proof counts."""
    side = "train" if proof.within_training else "test"
    return np.array([row.side == side and proof.tested(row) for row in data.rows])


def _vectors(data: Diagnostic, proofs: Sequence[Proof]) -> dict[Cue, NDArray[np.float32]]:
    """Return the vectors of each cue, computed while each clip is drawn once; 0 where no probe needs them."""
    training = np.array([row.side == "train" for row in data.rows])
    wanted = {proof.cue: training.copy() for proof in proofs}
    for proof in proofs:
        wanted[proof.cue] |= _tested(data, proof)
    vectors: dict[Cue, NDArray[np.float32]] = {}
    for index in np.flatnonzero(np.any(list(wanted.values()), axis=0)).tolist():
        film = data.film(index)
        for cue in (cue for cue, rows in wanted.items() if rows[index]):
            # Rounding errors are no cue.
            vector = np.round(cue(film), 6).astype(np.float32)
            vectors.setdefault(cue, np.zeros((len(data), len(vector)), np.float32))[index] = vector
    return vectors


def _try(data: Diagnostic, proof: Proof, vectors: Mapping[Cue, NDArray[np.float32]]) -> Proved:
    tested, training = _tested(data, proof), np.array([row.side == "train" for row in data.rows])
    folds = [(training, tested)]
    if proof.within_training:
        half = np.isin(data.groups, np.unique(data.groups[training])[::2])
        folds = [(training & half, tested & ~half), (training & ~half, tested & half)]
    correct = np.zeros(len(data))
    for train, test in folds:
        correct[test] = _correct(data, vectors[proof.cue], train, test)
    bounds = _over_people(correct[tested], data.groups[tested])
    return Proved(
        data.track.name,
        proof.title,
        proof.kind,
        *bounds,
        1 / len(data.classes),
        proof.least,
        int(tested.sum()),
    )


def _correct(
    data: Diagnostic, x: NDArray[np.float32], train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return 1 for each test clip that is classified correctly by one who sees a cue alone, else 0."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, labels = x[:, np.ptp(x[train], axis=0) > 0], data.labels
    if not x.shape[1]:
        # Nothing is seen: any class will do.
        return (labels[test] == labels[train][0]).astype(float)
    parts = min(_COMPONENTS, x.shape[1], int(train.sum()))
    model = make_pipeline(StandardScaler(), PCA(parts, random_state=0), SVC(C=10.0))
    return (model.fit(x[train], labels[train]).predict(x[test]) == labels[test]).astype(float)


def _inflations(people: int, clips: int, seed: int) -> list[Proved]:
    """Return the gain in accuracy from having seen the people in training, for one who sees the mean frame."""
    proof = Proof(cues.mean_frame, "must pass")
    proved = []
    for clones in (False, True):
        correct = []
        for seen in (False, True):
            data = Diagnostic(
                "identity",
                seen=seen,
                clones=clones,
                train_subjects=people,
                test_subjects=people,
                pairs=max(1, round(clips / (6 * people))),
                seed=seed,
            )
            test = np.array([row.side == "test" for row in data.rows])
            correct.append(_correct(data, _vectors(data, [proof])[proof.cue], ~test, test))
        bounds = _over_people(correct[1] - correct[0], data.groups[test])
        title, kind = ("clones seen, gain", "must fail") if clones else ("people seen, gain", "must pass")
        proved.append(Proved("identity", title, kind, *bounds, 0.0, _INFLATION, len(correct[0])))  # type: ignore[arg-type]
    return proved


def _over_people(correct: NDArray[Any], people: NDArray[np.str_]) -> tuple[float, float, float]:
    """Return an accuracy with the 95 % interval of Student's t over the accuracies of people."""
    from scipy.stats import t

    each = np.array([correct[people == person].mean() for person in np.unique(people)])
    half = t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
    return float(each.mean()), float(each.mean() - half), float(each.mean() + half)


def prove_all(
    tracks: Sequence[str] = tuple(TRACKS),
    *,
    workers: int = 1,
    subjects: int = 60,
    clips: int = 1600,
    seed: int = 0,
) -> Iterator[list[Proved]]:
    """Try all probes of some tracks, each in a process of its own, and yield those of each as they come."""
    run = partial(prove, subjects=subjects, clips=clips, seed=seed)
    if workers == 1:
        yield from map(run, tracks)
        return
    with ProcessPoolExecutor(min(workers, len(tracks)), get_context("spawn")) as pool:
        yield from pool.map(run, tracks)
