"""A data set in memory and a plug-in file, for tests of the harness."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actionbench import Clip, Dataset
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.features import cost


class Toy(Dataset):
    """Clips whose brightness tells the class; four people, two clips of each class and person."""

    def __init__(self, people=("ann", "bob", "cem", "dan"), labels=("dark", "light"), repeats=2, known=True):
        self.groups_known = known
        self._rows = [
            (f"{label}/{person}_{number}", label, person)
            for label in labels
            for person in people
            for number in range(repeats)
        ]

    def read_table(self):
        return pd.DataFrame(self._rows, columns=["clip", "label", "group"])

    def load(self, index):
        level = 40 + 150 * self.classes.index(self.labels[index])
        rng = np.random.default_rng(index)
        return Clip(rng.integers(level - 30, level + 30, (3, 6, 8), dtype=np.uint8), 25)


@pytest.fixture(scope="session")
def toy():
    return Toy


@pytest.fixture(scope="session")
def matrix():
    """A matrix on the data set of the plug-in, by default of its attempt."""

    def make(*attempts, split="leave-one-group-out", seeds=(0,), limits=None, **dataset):
        return read_matrix(
            {
                "name": "test",
                "seeds": list(seeds),
                "limits": limits or {},
                "datasets": [{"name": "toy-data", "split": split, **dataset}],
                "attempts": list(attempts) or [{"name": "nearest"}],
            }
        )

    return make


@pytest.fixture
def spend(monkeypatch):
    """Spends wall seconds, CPU seconds and joules, all else being free."""
    spent = np.zeros(3)
    monkeypatch.setattr(time, "perf_counter", lambda: spent[0])
    monkeypatch.setattr(time, "process_time", lambda: spent[1])
    monkeypatch.setattr(cost, "_cpu_seconds", lambda: spent[1])
    monkeypatch.setattr(cost.EnergyMeter, "joules", lambda meter: spent[2] - meter.begun)
    monkeypatch.setattr(cost.EnergyMeter, "__init__", lambda meter: setattr(meter, "begun", spent[2]))
    return lambda *amounts: np.add(spent, amounts, out=spent)


PLUGIN = '''
import os, signal, time
from pathlib import Path
import numpy as np
import pandas as pd
from actionbench import Attempt, Clip, Dataset

class ToyData(Dataset):
    """Brightness tells the class."""

    def __init__(self, people=4, salt=0):
        self.people, self.salt = people, salt

    def read_table(self):
        rows = [(f"{label}/p{person}_{number}", label, f"p{person}")
                for label in ("dark", "light") for person in range(self.people) for number in (0, 1)]
        return pd.DataFrame(rows, columns=["clip", "label", "group"])

    def load(self, index):
        level = 40 if self.labels[index] == "dark" else 190
        rng = np.random.default_rng((self.salt, index))
        return Clip(rng.integers(level - 30, level + 30, (3, 6, 8), dtype=np.uint8), 25)

class Nearest(Attempt):
    """Nearest mean brightness, with noise from the seed; misbehaves on request."""

    family = "trivial"

    def __init__(self, *, mode="good", log="", random_state=0):
        self.mode, self.log, self.random_state = mode, log, random_state

    def fit(self, clips, labels, groups=None):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{self.mode}\\n")
        getattr(self, f"_be_{self.mode}", lambda: None)()
        self.classes_ = np.unique(labels)
        level = np.array([clip.frames.mean() for clip in clips])
        self.levels_ = np.array([level[labels == label].mean() for label in self.classes_])
        return self

    def predict_proba(self, clips):
        level = np.array([clip.frames.mean() for clip in clips])
        noise = np.random.default_rng(self.random_state).normal(size=(len(level), 1))
        distance = np.abs(level[:, None] + noise - self.levels_)
        weight = 1 / (1 + distance)
        shape = {"wide": weight[:, [0, 1, 1]], "nan": weight * np.nan, "raw": weight}
        return shape.get(self.mode, weight / weight.sum(axis=1, keepdims=True))

    def count(self):
        return {"parameters": 2, "operations": 10}

    def skip(self, dataset):
        return "it would rather not" if self.mode == "skip" else None

    def _be_raising(self):
        print("a word before the end")
        raise ValueError("no good </script>")

    def _be_exiting(self):
        os._exit(7)

    def _be_killed(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def _be_slow(self):
        time.sleep(0.5)

    def _be_slowing(self):
        """Leave whoever looks for the first cells time to come before the last."""
        time.sleep(0.1 if self.random_state == 0 else 2.0)

    def _be_endless(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)

    def _be_hungry(self):
        self.memory_ = np.ones((20_000, 20_000))
        time.sleep(600)
'''


@pytest.fixture(scope="session")
def write_plugin():
    """Write a plug-in file with the data set ``toy-data`` and the attempt ``nearest``."""

    def write(folder: Path) -> Path:
        path = folder / "toy_plugin.py"
        path.write_text(PLUGIN)
        return path

    return write


@pytest.fixture
def plugin(tmp_path: Path, write_plugin) -> Path:
    return write_plugin(tmp_path)
