"""Time the harness beside benchopt, and alone on a store of 100,000 cells.

    python tests/benchmarks/harness.py --benchopt build/benchopt/bin/benchopt [--json FILE]

Both run 10 data sets x 10 attempts x 3 folds of trivial work, two at a time where that is faster for them; every cell
of ours runs in a process of its own. Times are of whole commands, medians of three rounds in which the two take turns.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results

_N_ROUNDS = 3

PLUGIN = '''
import numpy as np
import pandas as pd
from actionbench import Attempt, Clip, Dataset


class Numbers(Dataset):
    """Clips of one number each."""

    def __init__(self, salt=0):
        self.salt = salt

    def read_table(self):
        rows = [(f"{label}{group}{n}", label, f"g{group}") for label in "ab" for group in range(3) for n in (0, 1)]
        return pd.DataFrame(rows, columns=["clip", "label", "group"])

    def load(self, index):
        return Clip(np.full((2, 4, 4), 10 * index + self.salt, np.uint8), 25.0)

    def files(self):
        return []


class Trivial(Attempt):
    """Says the same of all clips."""

    family = "trivial"

    def __init__(self, *, value=0):
        self.value = value

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, clips):
        return np.full((len(clips), len(self.classes_)), 1 / len(self.classes_))
'''

OBJECTIVE = """
from benchopt import BaseObjective

class Objective(BaseObjective):
    name = "Constant"
    min_benchopt_version = "1.6"
    sampling_strategy = "run_once"

    def set_data(self, X, y):
        self.X, self.y_test = X, y

    def get_objective(self):
        return dict(X_train=self.X, y_train=self.y_test)

    def evaluate_result(self, value):
        return float((self.y_test != value).mean())

    def get_one_result(self):
        return dict(value=0)
"""

DATASET = """
import numpy as np
from benchopt import BaseDataset

class Dataset(BaseDataset):
    name = "numbers{number}"

    def get_data(self):
        return dict(X=np.arange(12.0)[:, None] + {number}, y=np.arange(12) % 2)
"""

SOLVER = """
from benchopt import BaseSolver

class Solver(BaseSolver):
    name = "trivial{number}"
    sampling_strategy = "run_once"

    def set_objective(self, X_train, y_train):
        pass

    def run(self, _):
        self.value = {number}

    def get_result(self):
        return dict(value=self.value)
"""


def seconds(*command: str | Path, cwd: Path, **environment: str) -> float:
    """Return the wall time of a command, which must succeed."""
    start = time.perf_counter()
    result = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    taken = time.perf_counter() - start
    if result.returncode:
        sys.exit(
            f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}{result.stderr}"
        )
    return taken


def median(*command: str | Path, cwd: Path, times: int = 3, **environment: str) -> float:
    """Return the median wall time of a command."""
    return statistics.median(seconds(*command, cwd=cwd, **environment) for _ in range(times))


def ours(folder: Path) -> dict[str, float]:
    """Run the matrix with actionbench."""
    folder.mkdir()
    (folder / "plugin.py").write_text(PLUGIN)
    lines = [
        'name = "harness"',
        "[[attempts]]",
        'name = "trivial"',
        f"params = {{ value = {list(range(10))} }}",
    ]
    for number in range(10):
        lines += ["[[datasets]]", 'name = "numbers"', f'title = "numbers{number}"', f"salt = {number}"]
        lines += ['split = "leave-one-group-out"']
    (folder / "matrix.toml").write_text("\n".join(lines))
    program = Path(sys.executable).with_name("actionbench")
    run = [program, "run", "matrix.toml", "--plugin", "plugin.py", "--store", "s.sqlite", "-q"]
    environment = {"ACTIONBENCH_CACHE": "none"}
    found = {"cold": seconds(*run, cwd=folder, **environment)}
    found["warm"] = median(*run, cwd=folder, **environment)
    found["show"] = median(program, "show", "s.sqlite", cwd=folder)
    found["help"] = median(program, "--help", cwd=folder)
    return found


def theirs(folder: Path, program: Path) -> dict[str, float]:
    """Run the same with benchopt."""
    for name in ("datasets", "solvers"):
        (folder / name).mkdir(parents=True)
    (folder / "objective.py").write_text(OBJECTIVE)
    for number in range(10):
        (folder / f"datasets/numbers{number}.py").write_text(DATASET.format(number=number))
        (folder / f"solvers/trivial{number}.py").write_text(SOLVER.format(number=number))
    run = [program, "run", ".", "-r", "3", "--no-plot", "--output", "results"]
    found = {"cold": seconds(*run, cwd=folder)}
    found["warm"] = median(*run, cwd=folder)
    (newest,) = sorted((folder / "outputs").glob("*.parquet"))[-1:]
    found["show"] = median(program, "plot", ".", "-f", newest, "--no-display", cwd=folder)
    found["help"] = median(program, "--help", cwd=folder)
    return found


def large_store(folder: Path) -> Path:
    """Write a store of 100,000 finished cells: 10 data sets x 100 attempts x 20 seeds x 5 folds."""
    folder.mkdir()
    plugin = PLUGIN.replace("range(3)", "range(5)")
    (folder / "plugin.py").write_text(plugin)
    lines = ['name = "large"', f"seeds = {list(range(20))}", "[[attempts]]", 'name = "trivial"']
    lines += [f"params = {{ value = {list(range(100))} }}"]
    for number in range(10):
        lines += ["[[datasets]]", 'name = "numbers"', f'title = "numbers{number}"', f"salt = {number}"]
        lines += ['split = "leave-one-group-out"']
    (folder / "matrix.toml").write_text("\n".join(lines))
    fill(folder)
    return folder / "s.sqlite"


def large(folder: Path) -> dict[str, float]:
    """Resume and show the store of 100,000 finished cells."""
    large_store(folder)
    program = Path(sys.executable).with_name("actionbench")
    run = [program, "run", "matrix.toml", "--plugin", "plugin.py", "--store", "s.sqlite", "-q"]
    environment = {"ACTIONBENCH_CACHE": "none"}
    found = {"table": seconds(program, "show", "s.sqlite", cwd=folder)}
    found["resume"] = seconds(*run, cwd=folder, **environment)
    found["resume again"] = median(*run, cwd=folder, **environment)
    found["table again"] = median(program, "show", "s.sqlite", cwd=folder)
    return found


def fill(folder: Path) -> None:
    """Write the cells of the matrix as if they had run."""
    import numpy as np

    from actionbench.experiments.planning.cells import make_plan
    from actionbench.experiments.planning.matrix import read_matrix
    from actionbench.experiments.running.auditing import add_dataset
    from actionbench.experiments.store import Store, provenance

    matrix = read_matrix(folder / "matrix.toml")
    plan = make_plan(matrix, plugins=[folder / "plugin.py"])
    rng = np.random.default_rng(0)
    with Store.open(folder / "s.sqlite") as store:
        run = store.begin_run(matrix.name, matrix.model_dump(mode="json", by_alias=True), {})
        machine = store.add_machine(provenance.machine())
        numbers = {id(data): add_dataset(store, data, [], []) for data in plan.datasets}
        store.connection.execute("PRAGMA synchronous = OFF")
        for cell in plan.cells:
            record = cell.record(numbers[id(cell.data)])
            record.positions = cell.fold.test
            record.probabilities = rng.dirichlet([1, 1], len(cell.fold.test))
            record.machine_id, record.peak_memory_bytes = machine, 2**27
            record.fit_seconds = record.predict_seconds = record.fit_cpu_seconds = (
                record.predict_cpu_seconds
            ) = 0.1
            record.latencies = np.ones(4, np.float32)
            store.add_cell(run, record)
        store.end_run(run)


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a result."""
    lines = [f"{results.in_words(content['machine'])}.", "", "| 300 cells | actionbench | benchopt | ratio |"]
    lines += ["|---|--:|--:|--:|"]
    for name, own in content["actionbench"].items():
        other = content["benchopt"][name]
        lines.append(f"| {name} | {own:.2f} s | {other:.2f} s | {own / other:.2f} |")
    lines += ["", "| 100,000 cells | |", "|---|--:|"]
    lines += [f"| {name} | {seconds:.2f} s |" for name, seconds in content["100,000 cells"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--benchopt", type=Path)
    options = results.parse(parser, markdown)
    if options.benchopt is None:
        parser.error("--benchopt is needed to measure")
    place = Path(tempfile.mkdtemp(prefix="actionbench-harness-"))
    try:
        found: dict[str, Any] = {"machine": results.machine(cores=os.cpu_count())}
        rounds = [
            (ours(place / f"ours{number}"), theirs(place / f"theirs{number}", options.benchopt.absolute()))
            for number in range(_N_ROUNDS)
        ]
        for name, runs in zip(("actionbench", "benchopt"), zip(*rounds, strict=True), strict=True):
            found[name] = {what: statistics.median(run[what] for run in runs) for what in runs[0]}
        found["100,000 cells"] = large(place / "large")
    finally:
        shutil.rmtree(place)
    print(markdown(found), end="")
    results.write(options.json, found)


if __name__ == "__main__":
    main()
