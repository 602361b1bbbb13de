import io
import os
import pty
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from actionbench.cli.progress import Lines, View, show_progress
from actionbench.experiments.running.auditing import AuditProgress
from actionbench.experiments.running.runner import CellStages, Stopping
from actionbench.progress import tell


class Clock:
    """A clock that stands still."""

    now = 0.0

    def __call__(self):
        return self.now


def cell(key):
    return SimpleNamespace(
        key=key,
        title=f"attempt {key}",
        fold=SimpleNamespace(name="fold 0"),
        seed=0,
        data=SimpleNamespace(title="d"),
    )


def shown(view):
    console = Console(file=io.StringIO(), width=100)
    console.print(view.render())
    return [line.strip() for line in console.file.getvalue().splitlines()]


def report(key, status, done, failed=0, left=None):
    return SimpleNamespace(
        cell=cell(key), status=status, done=done, failed=failed, total=4, seconds_left=left
    )


def audit(title, n_clips, n_done=0):
    return AuditProgress(SimpleNamespace(title=title, dataset=range(n_clips), fingerprint=title), n_done)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def written(clock):
    """Lines of a run, and the list that they are written into."""
    written = []
    return Lines(View("planning", clock), write=written.append, clock=clock), written


def test_the_live_view_says_which_data_are_audited(clock):
    view = View("planning", clock)
    assert shown(view) == ["planning, 0 s"]
    view.update(audit("weizmann", 90))
    view.update(audit("one", 1))
    assert shown(view)[1:] == ["0 s  auditing weizmann: 0 of 90 clips", "0 s  auditing one: 0 of 1 clips"]
    view.update(audit("one", 1, 1))
    assert shown(view)[1:] == ["0 s  auditing weizmann: 0 of 90 clips"]
    clock.now = 30
    view.update(audit("weizmann", 90, 30))
    assert shown(view)[1:] == ["30 s  auditing weizmann: 30 of 90 clips (about 60 s left)"]
    clock.now = 50
    assert shown(view)[1:] == ["50 s  auditing weizmann: 30 of 90 clips (about 40 s left)"]
    view.update(audit("weizmann", 90, 90))
    assert len(shown(view)) == 1


def test_the_live_view_counts_what_is_done_running_and_failed(clock):
    view = View("planning", clock)
    view.update(report("a", "running", 0))
    view.update(report("b", "running", 0))
    head, _, *running = shown(view)
    assert head == "0 of 4 cells done, 2 running"
    assert running == ["0 s  d attempt a fold 0 seed 0", "0 s  d attempt b fold 0 seed 0"]
    view.update(report("a", "failed", 1, failed=1, left=725.0))
    head, _, *running = shown(view)
    assert head == "1 of 4 cells done, 1 failed, 1 running, about 12 min left"
    assert running == ["0 s  d attempt b fold 0 seed 0"]
    clock.now += 726
    assert shown(view)[0] == "1 of 4 cells done, 1 failed, 1 running"
    view.update(report("b", "done", 2, failed=1, left=0.0))
    assert len(shown(view)) == 2


def test_a_long_cell_shows_how_far_it_is(clock):
    view = View("planning", clock)
    view.update(report("a", "running", 0))
    view.update(CellStages(cell("a"), []))
    assert shown(view)[2] == "0 s  d attempt a fold 0 seed 0"
    view.update(CellStages(cell("a"), [("folds", 0, 3), ("epochs", 0.5, 30)]))
    clock.now = 100
    view.update(CellStages(cell("a"), [("folds", 0, 3), ("epochs", 20.5, 30)]))
    which = "d attempt a fold 0 seed 0"
    assert shown(view)[2] == f"2 min  {which}: 0 of 3 folds, 20 of 30 epochs (about 48 s left)"
    # The epochs of the next fold have a pace of their own.
    view.update(CellStages(cell("a"), [("folds", 1, 3), ("epochs", 1.0, 30)]))
    assert shown(view)[2] == f"2 min  {which}: 1 of 3 folds (about 3 min left), 1 of 30 epochs"


def test_what_a_plug_in_tells_cannot_move_the_cursor(clock):
    view = View("planning", clock)
    view.update(report("a", "running", 0))
    view.update(CellStages(cell("a"), [("\x1b[2J\n", 1, 3)]))
    assert shown(view)[2].endswith(r"1 of 3 \x1b[2J\n")


def test_lines_say_once_which_data_are_audited_and_how_cells_end(written):
    lines, texts = written
    for now in (audit("weizmann", 90), audit("weizmann", 90, 45), audit("weizmann", 90, 90)):
        lines.update(now)
    lines.update(report("a", "running", 0))
    lines.update(CellStages(cell("a"), [("epochs", 3, 30)]))
    lines.update(report("a", "done", 1))
    lines.beat()
    assert texts == ["auditing weizmann: 90 clips", "[1/4] done    d attempt a fold 0 seed 0"]


def test_a_line_comes_at_least_every_30_seconds(written, clock):
    lines, texts = written
    for key in "abcde":
        lines.update(report(key, "running", 0))
    lines.update(CellStages(cell("a"), [("epochs", 0, 30)]))
    times = []
    while clock.now < 100:
        clock.now += 0.25
        before = len(texts)
        lines.update(CellStages(cell("a"), [("epochs", clock.now / 10, 30)]))
        lines.beat()
        times += [clock.now] * (len(texts) - before)
    gaps = [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
    assert 0 < max(gaps) <= 30
    assert times[-1] > 70
    assert len(times) < 5
    which = "d attempt {} fold 0 seed 0, 30 s"
    assert texts[0] == (
        "0 of 4 cells done, 5 running; d attempt a fold 0 seed 0: 2 of 30 epochs (about 5 min left), 30 s; "
        f"{which.format('b')}; {which.format('c')}; and 2 more"
    )


def test_a_quiet_run_answers_interrupts_alone(clock):
    texts = []
    lines = Lines(View("planning", clock), quiet=True, write=texts.append, clock=clock)
    lines.update(report("a", "running", 0))
    lines.update(report("a", "done", 1))
    clock.now = 100
    lines.beat()
    assert not texts
    lines.update(Stopping([], None))
    lines.beat()
    assert texts == ["interrupted: no cell runs, and none begins"]


@pytest.mark.parametrize(
    ("n_cells", "seconds", "words"),
    [
        (
            1,
            7.2,
            "1 cell that runs, at most 8 s; a second Ctrl-C ends them at once: d attempt 0 fold 0 seed 0",
        ),
        (2, 725.0, "2 cells that run, at most 13 min; "),
        (5, None, "5 cells that run, as long as they take, as there is no limits.time; "),
        (5, 12_001.0, "at most 3 h 21 min; a second Ctrl-C ends them at once: d attempt 0 fold 0 seed 0; "),
        (5, 1.0, "d attempt 2 fold 0 seed 0; 2 more"),
    ],
)
def test_an_interrupt_says_what_it_waits_for_and_how_long_at_most(written, n_cells, seconds, words):
    lines, texts = written
    stopping = Stopping([cell(str(number)) for number in range(n_cells)], seconds)
    lines.update(stopping)
    lines.beat()
    (text,) = texts
    assert text.startswith("interrupted: waiting for ")
    assert words in text
    view = View("planning")
    view.update(stopping)
    assert " ".join(shown(view)[1:]) == text


def test_what_a_block_tells_is_shown_where_there_is_no_terminal(capsys):
    with show_progress("training"):
        tell("epochs", 3, 30)
    assert capsys.readouterr().err == ""


PROGRAM = """
import sqlite3, sys
from actionbench.cli.progress import show_progress
from actionbench.progress import tell
with show_progress("training"):
    tell("epochs", 3, 30)
    while sys.argv[1] == "python":
        pass
    # Compiled code that has no end, and does not look for signals.
    sqlite3.connect(":memory:").execute(
        "WITH RECURSIVE one(x) AS (SELECT 1 UNION ALL SELECT x FROM one) SELECT count(*) FROM one"
    )
"""


@pytest.fixture
def on_terminal():
    """Start a program whose standard error is a terminal; return it and what reads from there."""
    ours, theirs = pty.openpty()
    started = []

    def start(*words):
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(program)
        return program

    def until(words):
        text = ""
        while words not in text:
            text += os.read(ours, 4096).decode(errors="replace")
        return text

    yield start, until
    for program in started:
        program.kill()
        program.wait()
    os.close(ours)
    os.close(theirs)


def test_a_terminal_shows_what_is_told_and_an_interrupt_ends_it(on_terminal):
    start, until = on_terminal
    program = start("python")
    until("training: 3 of 30 epochs, ")
    program.send_signal(signal.SIGINT)
    until("KeyboardInterrupt")
    assert program.wait() == -signal.SIGINT


def test_an_interrupt_is_answered_where_compiled_code_runs_and_a_second_ends_it(on_terminal):
    start, until = on_terminal
    program = start("compiled")
    until("training: 3 of 30 epochs, ")
    program.send_signal(signal.SIGINT)
    until("interrupted: waiting for the step that runs, which has no limit of time; a second Ctrl-C ends it")
    program.send_signal(signal.SIGINT)
    until("actionbench: interrupted; ended at once")
    assert program.wait() == 130
