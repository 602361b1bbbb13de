"""A table that follows a run; whoever waits here writes the next cell."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from actionbench.cli import watching
from actionbench.experiments.store import Store
from actionbench.experiments.store.schema import CellRecord


class Author:
    """Does one thing to a store each time that the watcher sleeps."""

    def __init__(self, path):
        self.path, self.slept = path, []
        self.steps = [self.make, self.begin, lambda: self.cell(0), self.rest, lambda: self.cell(1), self.end]

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.steps.pop(0)()

    def make(self):
        self.store = Store.open(self.path)

    def begin(self):
        self.run = self.store.begin_run("paper", {}, {"n_cells": 2})
        table = pd.DataFrame({"clip": ["1", "2"], "label": ["a", "b"], "group": ["x", "y"]})
        self.data = self.store.add_dataset(
            dataset="d",
            split="s",
            fingerprint="f",
            groups_known=True,
            classes=["a", "b"],
            warnings=[],
            table=table,
        )

    def cell(self, fold):
        cell = CellRecord(f"k{fold}", self.data, "one", "rules", {}, 0, fold, str(fold), "c", 1, 1)
        cell.positions, cell.probabilities = np.array([fold]), np.array([[0.9, 0.1]])
        if fold:
            cell.status, cell.positions = "failed", None
        self.store.add_cell(self.run, cell)

    def rest(self):
        pass

    def end(self):
        self.store.end_run(self.run)
        self.store.close()


@pytest.fixture
def author(tmp_path, monkeypatch):
    author = Author(tmp_path / "s.sqlite")
    monkeypatch.setattr(watching.time, "sleep", author.sleep)
    return author


def test_each_change_is_a_line_until_the_run_has_ended(author, capsys):
    watching.watch(str(author.path), 0.5, live=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"{author.path}: there is no store yet; waiting for one",
        "no run has begun yet",
        "run 1 (paper): 0 of 2 cells done",
        "run 1 (paper): 1 of 2 cells done",
        "run 1 (paper): 2 of 2 cells done, 1 failed",
        "run 1 (paper): 2 of 2 cells done, 1 failed, finished",
    ]
    assert author.slept == [0.5] * 6


def test_a_store_is_read_when_it_has_changed_and_not_otherwise(author):
    states = [state for _, state in watching.follow(str(author.path), 1)]
    assert len(states) == 5
    assert [state.finished for state in states[1:]] == [False, False, False, True]


def test_a_run_that_has_ended_is_shown_once(author):
    for step in author.steps:
        step()
    ((_, state),) = watching.follow(str(author.path), 1)
    assert dict(state.counts) == {"done": 1, "failed": 1}


def test_the_live_view_shows_the_table_again(author, monkeypatch):
    file = io.StringIO()
    screen = Console(file=file, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(watching, "console", lambda: screen)
    watching.watch(str(author.path), 0.5, live=True)
    shown = file.getvalue()
    first, last = shown.index("1 of 2 cells done"), shown.rindex("2 of 2 cells done, 1 failed, finished")
    assert "no run has begun yet" in shown[:first]
    assert "one" in shown[:first]
    assert "1/2" in shown[first:last]


def test_the_total_is_not_said_where_it_is_not_known(author, capsys):
    author.steps[1:2] = [
        author.begin,
        lambda: author.store.connection.execute("UPDATE runs SET provenance = '{}'"),
    ]
    watching.watch(str(author.path), 0.5, live=False)
    assert "run 1 (paper): 1 cells done\n" in capsys.readouterr().err
