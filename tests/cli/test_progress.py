import io
from types import SimpleNamespace

from rich.console import Console

from actionbench.cli.progress import View, show_progress
from actionbench.experiments.running.auditing import AuditProgress


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


def audit(title, n_clips, n_done=0, left=None):
    return AuditProgress(
        SimpleNamespace(title=title, dataset=range(n_clips), fingerprint=title), n_done, left
    )


def test_the_live_view_says_which_data_are_audited():
    view = View(4)
    view.update(audit("weizmann", 90))
    view.update(audit("one", 1))
    head, _, *lines = shown(view)
    assert head == "0 of 4 cells done, 0 running"
    assert lines == ["0 s  auditing weizmann: 90 clips", "0 s  auditing one: 1 clip"]
    view.update(audit("one", 1, 1))
    assert shown(view)[2:] == ["0 s  auditing weizmann: 90 clips"]
    view.update(audit("weizmann", 90, 30, 60.0))
    assert shown(view)[2:] == ["0 s  auditing weizmann: 30 of 90 clips, about 60 s left"]
    view.update(audit("weizmann", 90, 90))
    assert len(shown(view)) == 2


def test_lines_say_once_which_data_are_audited(capsys):
    with show_progress(4, quiet=False) as update:
        update(audit("weizmann", 90))
        update(audit("weizmann", 90, 45, 1.0))
        update(audit("weizmann", 90, 90))
        update(report("a", "running", 0))
        update(report("a", "done", 1))
    assert capsys.readouterr().err.splitlines() == [
        "auditing weizmann: 90 clips",
        "[1/4] done    d attempt a fold 0 seed 0",
    ]


def test_the_live_view_counts_what_is_done_running_and_failed():
    view = View(4)
    view.update(report("a", "running", 0))
    view.update(report("b", "running", 0))
    head, _, *running = shown(view)
    assert head == "0 of 4 cells done, 2 running"
    assert running == ["0 s  d attempt a fold 0 seed 0", "0 s  d attempt b fold 0 seed 0"]
    view.update(report("a", "failed", 1, failed=1, left=725.0))
    head, _, *running = shown(view)
    assert head == "1 of 4 cells done, 1 failed, 1 running, about 12 min left"
    assert running == ["0 s  d attempt b fold 0 seed 0"]
    view.update(report("b", "done", 2, failed=1, left=0.0))
    assert len(shown(view)) == 2
