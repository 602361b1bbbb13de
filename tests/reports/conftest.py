"""A store in memory, and a real one with the same content."""

import json

import numpy as np
import pandas as pd
import pytest

from actionbench.experiments.store import Store
from actionbench.experiments.store.schema import CellRecord


def probabilities(predicted, n_classes):
    return np.eye(n_classes)[np.asarray(predicted, int)] * 0.9 + 0.1 / n_classes


class Bench:
    """A real store filled cell by cell."""

    def __init__(self, path, name="run", **matrix):
        self.store = Store.open(path)
        self.run = self.store.begin_run(
            name, {"name": name, "seeds": [0], **matrix}, {"python": "3.11", "commit": "abc"}
        )
        self.count = 0
        self.machine = None
        self.factor = 1.0

    def dataset(self, labels, groups, name="toy", split="leave-one-group-out", **facts):
        classes = facts.pop("classes", sorted(set(labels)))
        clips = facts.pop("clips", [f"clip{place}" for place in range(len(labels))])
        self.labels = np.array([classes.index(label) for label in labels])
        self.groups, self.classes = np.asarray(groups, str), classes
        self.number = self.store.add_dataset(
            dataset=name,
            split=split,
            fingerprint=facts.pop("fingerprint", "f"),
            groups_known=facts.pop("groups_known", True),
            classes=classes,
            warnings=facts.pop("warnings", []),
            table=pd.DataFrame(
                {"clip": clips, "label": labels, "group": groups, **facts.pop("conditions", {})}
            ),
        )
        return self

    def attempt(self, name, predicted, seed=0, family="features", fail=(), folds=None, **facts):
        """Add one cell for each group, or for those of ``folds``, which predicts its clips; those in ``fail`` fail."""
        for fold, group in enumerate(np.unique(self.groups)):
            if folds is not None and fold not in folds:
                continue
            where = np.flatnonzero(self.groups == group)
            cell = self._cell(name, family, seed, fold, len(where), facts)
            if fold in fail:
                cell.status, cell.kind = facts.get("status", "failed"), "exception"
                cell.error, cell.message = "ValueError", facts.get("message", "no luck")
            else:
                cell.positions = where.astype(np.int32)
                cell.probabilities = probabilities(np.asarray(predicted)[where], len(self.classes))
                cell.artifacts = facts.get("artifacts", {})
            self.store.add_cell(self.run, cell)
        return self

    def _cell(self, name, family, seed, fold, n_test, facts):
        self.count += 1
        cell = CellRecord(
            f"key{self.count}", self.number, name, family, {}, seed, fold, str(fold), "code", 10, n_test
        )
        cell.fit_seconds, cell.predict_seconds = (2.0 + fold) * self.factor, 0.5 * self.factor
        cell.peak_memory_bytes, cell.n_parameters = (100 + fold) * 2**20, facts.get("n_parameters", 1234)
        cell.machine_id = self.machine
        cell.counts = facts.get("counts", {})
        cell.base, cell.n_train_groups = facts.get("base"), facts.get("n_train_groups")
        return cell

    def end(self):
        self.store.end_run(self.run)
        return self.store


@pytest.fixture
def bench(tmp_path):
    """Make benches that are closed in the end."""
    made = []

    def make(**facts):
        made.append(Bench(tmp_path / f"store{len(made)}.sqlite", **facts))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def fill(made):
    """Add four attempts on 6 groups of 12 clips of 4 classes."""
    rng = np.random.default_rng(0)
    labels, groups = np.tile(["box", "clap", "run", "walk"], 18), np.repeat(list("abcdef"), 12)
    made.dataset(labels, groups, conditions={"view": ["left", "right", "right"] * 24})
    for name, family, share in (
        ("hog-svm", "features", 0.9),
        ("rules", "rules", 0.7),
        ("convnet", "convnet", 0.85),
        ("chance", "trivial", 0.0),
    ):
        for seed in (0, 1):
            guess = rng.integers(4, size=72)
            predicted = np.where(rng.random(72) < share, made.labels, guess)
            text = json.dumps({"attempt": name}).encode()
            made.attempt(name, predicted, seed, family, artifacts={"explain.txt": text})
    return made


@pytest.fixture
def usual(bench):
    """The usual four attempts."""
    return fill(bench())


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """The usual four attempts, for all tests of a module."""
    made = fill(Bench(tmp_path_factory.mktemp("lasting") / "store.sqlite"))
    yield made
    made.store.close()


class Diagnosed:
    """Tracks of the data set ``diagnostic``, and attempts of which it is known what is right."""

    def __init__(self, made, people=20):
        self.made, self.people, self.rng, self.tables = made, people, np.random.default_rng(0), {}

    def track(self, title, conditions, classes=("a", "b"), per_person=2):
        """Add a track with pairs of twins of each condition, a dict, for each person."""
        rows = [
            {
                "clip": f"person{person:02}/{number}-{pair}/{label}",
                "label": label,
                "group": f"person{person:02}",
                **own,
            }
            for person in range(self.people)
            for number, own in enumerate(conditions)
            for pair in range(per_person)
            for label in classes
        ]
        self.tables[title] = table = pd.DataFrame(rows)
        facts = {name: table[name].tolist() for name in table if name not in ("clip", "label", "group")}
        labels, groups = table["label"].tolist(), table["group"].tolist()
        self.made.dataset(
            labels, groups, name=title, fingerprint=title, clips=table["clip"].tolist(), conditions=facts
        )
        return self

    def attempt(self, name, shares, family="features", seeds=(0,)):
        """Add predictions on the last track, right with a probability that a function of a clip's row returns."""
        table = list(self.tables.values())[-1]
        chances = np.array([shares(row) for row in table.itertuples()])
        for seed in seeds:
            is_right = self.rng.random(len(table)) < chances
            wrong = (self.made.labels + 1) % len(self.made.classes)
            self.made.attempt(name, np.where(is_right, self.made.labels, wrong), seed, family)
        return self


def diagnostic_entry(track, title=None, **options):
    """Return the entry of a track in a matrix."""
    split = {"name": "leave-one-group-out"}
    return {
        "name": "diagnostic",
        "title": title or track,
        "track": track,
        "split": split,
        "probe": None,
        **options,
    }


@pytest.fixture
def diagnosed(bench):
    """Make a store with some tracks in its matrix, to be filled."""
    return lambda *tracks: Diagnosed(bench(datasets=[diagnostic_entry(track) for track in tracks]))


#: Nuisance, levels, and the level at which half of what is above chance is lost.
HALF_LIVES = {"noise": ([5, 10, 20, 40, 80], 20), "frame rate": ([12.5, 8, 5], 8), "roll": ([5, 10], 1000)}
RHOS = (0, 0.5, 0.95, 1)


def _levels(*levels, **options):
    return [{"level": float(level), **options} for level in levels]


def _kept(row):
    """Return the accuracy under a nuisance that halves it at its half-life, from all right to one of six."""
    if row.condition == "none":
        return 1.0
    clean = {"frame rate": 25, "noise": 3}.get(row.condition, 0)
    half = abs(HALF_LIVES[row.condition][1] - clean)
    return 1 / 6 + 5 / 6 * 0.5 ** ((abs(row.level - clean) / half) ** 4)


def _logistic(ratio):
    """Return a probability that is 0.75 at a ratio of 1 to a threshold."""
    return 3**ratio / (1 + 3**ratio)


@pytest.fixture(scope="session")
def profiled(tmp_path_factory):
    """Every track, seen by a net that uses what there is and a bag that sees single frames only."""
    entries = [
        *map(diagnostic_entry, ("arrow", "one-way", "order", "tempo", "motion-noise", "motion-dots", "path")),
        *map(diagnostic_entry, ("point-lights", "nuisance")),
        *(diagnostic_entry("context", f"context {rho}", rho=rho) for rho in RHOS),
        diagnostic_entry("context", "clothes", rho=0.5, cue="clothes"),
        *(
            diagnostic_entry("identity", f"identity {seen} {clones}", seen=seen, clones=clones)
            for seen in (True, False)
            for clones in (True, False)
        ),
        {**diagnostic_entry("arrow", "arrow, frozen"), "probe": "frozen", "probe_side": "both"},
    ]
    made = Bench(tmp_path_factory.mktemp("profiled") / "store.sqlite", datasets=entries)
    said = Diagnosed(made)

    def tell(title, conditions, net, bag=0.5, **options):
        said.track(title, conditions, **options)
        said.attempt("net", net, "convnet", seeds=(0, 1))
        said.attempt("bag", lambda row: bag)

    tell("arrow", _levels(0.2, 0.5), lambda row: 0.95 if row.level != 0.5 else 0.5, per_person=6)
    tell("one-way", [{}], lambda row: 1.0, per_person=6)
    gaps = [*_levels(0, 4, 8, 16, 32, condition="told"), *_levels(0, condition="control")]
    tell(
        "order",
        gaps,
        lambda row: 0.9 if row.condition == "told" and row.level <= 8 else 0.5,
        per_person=6,
    )
    ratios = (1, 1.05, 1.1, 1.2, 1.35, 1.6, 2)
    tell("tempo", _levels(*ratios), lambda row: _logistic(np.log(row.level) / np.log(1.2)), per_person=4)
    tell("motion-noise", _levels(0, 0.5, 1), lambda row: 0.5 + 0.45 * row.level, per_person=6)
    tell(
        "motion-dots", _levels(0, 0.2, 0.4, 0.6, 0.8, 1), lambda row: _logistic(row.level / 0.3), per_person=4
    )
    tell("path", _levels(0, 0.1, 0.3, 1), lambda row: 0.5, per_person=4)
    lights = [
        {"condition": kind, "level": float(level)}
        for kind in ("intact", "inverted", "scrambled")
        for level in (0, 16, 64)
    ]
    shares = {"intact": 0.95, "inverted": 0.8, "scrambled": 0.5}
    tell(
        "point-lights",
        lights,
        lambda row: 0.5 + (shares[row.condition] - 0.5) * (1 - row.level / 64),
        per_person=4,
    )
    worse = [{"condition": "none", "level": 0.0}]
    worse += [row for name, (levels, _) in HALF_LIVES.items() for row in _levels(*levels, condition=name)]
    tell("nuisance", worse, _kept, bag=1 / 6, classes=tuple("abcdef"))
    for rho in RHOS:
        told = {"aligned": 0.9, "neutral": 0.8, "conflict": 0.9 - 0.8 * rho**2}
        conditions = [{"condition": kind, "rho": rho} for kind in told]
        tell(f"context {rho}", conditions, lambda row, told=told: told[row.condition], per_person=4)
        if rho == 0.5:
            tell("clothes", conditions, lambda row: 0.9)
    for seen in (True, False):
        for clones in (True, False):
            share = 0.95 if seen and not clones else 0.75
            tell(f"identity {seen} {clones}", [{"seen": seen}], lambda row, share=share: share, per_person=8)
    tell("arrow, frozen", _levels(0.2), lambda row: 0.5)
    yield made.end()
    made.store.close()
