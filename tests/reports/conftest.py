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
        clips = [f"clip{place}" for place in range(len(labels))]
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
