"""The table of a store, shown again whenever a run has written to it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from .terminal import console, say

if TYPE_CHECKING:
    from ..experiments.store import RunState, Store

    States: TypeAlias = Iterator[tuple[Store, RunState | None]]


def watch(path: str, seconds: float, *, live: bool) -> None:
    """Follow a store until its last run has ended.

    Parameters
    ----------
    path : path
        The store, which may not exist yet.
    seconds : float
        How often to look.
    live : bool
        Whether the table is shown on the terminal, and again at each change; otherwise each change is a line on
        standard error.
    """
    if not os.path.isfile(path):
        say(f"{path}: there is no store yet; waiting for one")
    (_show_live if live else _print_lines)(follow(path, seconds))


def _print_lines(states: States) -> None:
    before = ""
    for _, state in states:
        if (line := _in_words(state)) != before:
            say(line)
        before = line


def _show_live(states: States) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from ..reports.analysis.tables import comparison_table, layout
    from ..reports.rendering.terminal import Tables

    with Live(console=console(), auto_refresh=False) as view:
        for store, state in states:
            table = Tables(layout(comparison_table(store)))
            view.update(Group(table, Text(_in_words(state), style="bold")), refresh=True)


def follow(path: str, seconds: float) -> States:
    """Yield a store and the state of its last run, at first and after each change, until that run has ended."""
    from ..experiments.store import Store

    while not os.path.isfile(path):
        time.sleep(seconds)
    with Store.open(path) as store:
        seen = None
        while True:
            # Read first: what is written while the state is read is another change.
            version = store.data_version()
            if version != seen:
                seen, state = version, store.state()
                yield store, state
                if state is not None and state.finished:
                    return
            time.sleep(seconds)


def _in_words(state: RunState | None) -> str:
    if state is None:
        return "no run has begun yet"
    ended = sum(state.counts.values())
    of = "" if state.n_cells is None else f" of {state.n_cells}"
    others = "".join(
        f", {state.counts[status]} {status}" for status in ("failed", "skipped") if status in state.counts
    )
    end = ", finished" if state.finished else ""
    return f"run {state.run_id} ({state.name}): {ended}{of} cells done{others}{end}"
