import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from actionbench.experiments.evaluation.result import CellResult
from actionbench.experiments.isolation import fork_server
from actionbench.experiments.isolation.pool import ResourceLimits, Task, run_isolated
from actionbench.experiments.isolation.worker import read_stages

# The functions live in a module of their own, so that the other process can import them.
CALLS = """
import contextlib, os, signal, subprocess, sys, time
import numpy as np
import psutil
from actionbench.experiments.evaluation.result import CellResult

def outcome(value=0.0):
    return CellResult(probabilities=np.full((1, 2), value))

def give(value):
    return outcome(value)

def wait(seconds):
    time.sleep(seconds)
    return outcome()

def wait_for(path):
    while not (os.path.exists(path) and os.path.getsize(path)):
        time.sleep(0.01)
    return outcome()

def tell_until(path):
    from actionbench.progress import each, tell
    for fold in each("folds", range(2), 2):
        step = 0
        while not os.path.exists(path):
            step = (step + 1) % 1000
            tell("steps", step, 1000)
    return outcome()

def fail(word):
    print("printed", word)
    sys.stderr.write("complained")
    raise ValueError(word)

def leave(code):
    os._exit(code)

def die(number):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), number)

def stop():
    sys.exit(3)

def grow(mebibytes):
    block = np.ones(mebibytes * 2**17)
    time.sleep(600)

def leave_child(path):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(path, "w") as file:
        file.write(str(child.pid))
    time.sleep(600)

def share(mebibytes, children):
    block = np.ones(mebibytes * 2**17)
    forked = [os.fork() for _ in range(children)]
    if 0 in forked:
        block.sum()
        time.sleep(600)
    time.sleep(1)
    for pid in forked:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return outcome(block[0])

def keep_features():
    from actionbench.features.cache import compute_one, temporary_cache
    from actionbench.features.clip import Clip
    class Large:
        def extract(self, clip):
            return {"value": np.ones(2**22, np.uint8)}
    with temporary_cache():
        compute_one(Large(), Clip(np.zeros((2, 3, 4), np.uint8), 25.0))
        time.sleep(0.5)
    return outcome()

def stop_others(which, times):
    fork_server = psutil.Process().parent()
    other = fork_server if which == "fork server" else fork_server.parent()
    for _ in range(times):
        with contextlib.suppress(psutil.NoSuchProcess):
            other.suspend()
        time.sleep(0.01)
    return outcome()

def look(then):
    folder = os.environ["TMPDIR"]
    found = {"folder": folder, "files": os.listdir(folder), "mode": os.stat(folder).st_mode & 0o777}
    if then == "write":
        open(os.path.join(folder, "x"), "w").close()
    elif then == "child":
        if os.fork() == 0:
            time.sleep(0.3)
            open(os.path.join(folder, "x"), "w").close()
            os._exit(0)
    elif then == "chmod":
        os.chmod(folder, 0o500)
    elif then == "remove":
        os.rmdir(folder)
    elif then == "link":
        os.rmdir(folder)
        os.symlink("/", folder)
    elif then == "beside":
        open(os.path.join(folder, "..", "x"), "w").close()
    elif then == "trace":
        import faulthandler
        faulthandler.dump_traceback(open(os.path.join(folder, "..", "trace"), "w"))
    return found

def threads(api):
    import sklearn.cluster  # brings OpenMP
    from threadpoolctl import threadpool_info
    return outcome(max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == api))
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    (tmp_path / "isolation_calls.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("isolation_calls", None)
    import isolation_calls

    return isolation_calls


def run(*tasks, **options):
    workers = options.pop("workers", 1)
    return {
        task.key: result
        for task, result in run_isolated(tasks, workers=workers, resource_limits=ResourceLimits(**options))
    }


def test_outcomes_come_back_from_other_processes(calls):
    results = run(*(Task(str(n), calls.give, (n,)) for n in range(5)), workers=2)
    assert {key: result.outcome.probabilities[0, 0] for key, result in results.items()} == {
        str(n): n for n in range(5)
    }
    assert all(isinstance(result.outcome, CellResult) for result in results.values())


@pytest.mark.parametrize("then", ["write", "child", "chmod", "remove", "link", "beside", "trace"])
def test_nobody_finds_what_a_task_before_has_left(calls, then):
    found = run(*(Task(str(n), calls.look, (then,)) for n in range(3)))
    looks = [result.outcome for result in found.values()]
    assert [(look["files"], look["mode"]) for look in looks] == [([], 0o700)] * 3
    assert len({look["folder"] for look in looks}) == 3
    assert not any(Path(look["folder"]).parent.exists() for look in looks)


def test_a_folder_that_was_left_empty_is_used_again(calls):
    found = run(*(Task(str(n), calls.look, ("nothing",)) for n in range(6)), workers=2)
    assert len({result.outcome["folder"] for result in found.values()}) <= 2


def test_each_failure_is_known_by_its_kind_and_the_others_go_on(calls):
    results = run(
        Task("raise", calls.fail, ("ouch",)),
        Task("exit", calls.leave, (7,)),
        Task("segfault", calls.die, (int(signal.SIGSEGV),)),
        Task("sys.exit", calls.stop, ()),
        Task("good", calls.give, (1,)),
    )
    assert results["good"].outcome is not None
    failed = results["raise"]
    assert (failed.kind, failed.error, failed.message) == ("error", "ValueError", "ouch")
    assert "raise ValueError(word)" in failed.traceback
    assert "printed ouch" in failed.log
    assert "complained" in failed.log
    assert (results["exit"].kind, results["exit"].message) == ("crash", "the process ended with exit code 7")
    assert (results["segfault"].kind, results["segfault"].message) == (
        "crash",
        "the process was killed by SIGSEGV",
    )
    assert (results["sys.exit"].kind, results["sys.exit"].error) == ("error", "SystemExit")


def test_what_a_task_tells_comes_out_while_it_runs(calls, tmp_path):
    told = []

    def note(task, stages):
        told.append((task.key, stages))
        if stages:
            (tmp_path / "enough").touch()

    task = Task("one", calls.tell_until, (str(tmp_path / "enough"),))
    ((_, result),) = run_isolated([task], progress=note)
    assert result.kind is None
    assert told[0] == ("one", [])
    key, ((folds, *counts), (steps, step, n_steps)) = told[1]
    assert (key, folds, counts, steps, n_steps) == ("one", "folds", [0, 2], "steps", 1000)
    assert 0 <= step < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 5000,
        b'{"epochs": 3}',
        b'[["epochs", 4, 3]]',
        b'[["epochs", NaN, 3]]',
        b'[["epochs", true, 3]]',
        b'[["epochs", 1, 1e999]]',
        b'[["epochs", 1, %s]]' % (b"9" * 900),
        b'[["%s", 1, 3]]' % (b"e" * 100),
        b"\xff\xfe",
    ],
)
def test_nonsense_of_a_task_about_how_far_it_is_counts_as_nothing(tmp_path, content):
    (tmp_path / "stages").write_bytes(content)
    assert read_stages(str(tmp_path / "stages")) is None


def test_how_far_a_task_is_can_make_nobody_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b'[["epochs", 1, 3]]' + b" " * 10_000_000)
    assert read_stages(str(tmp_path / "pipe")) is None
    assert read_stages(str(tmp_path / "link")) is None
    assert read_stages(str(tmp_path / "none")) is None
    assert read_stages(str(tmp_path / "large")) == [("epochs", 1, 3)]


def test_limits_hold(calls):
    late = run(Task("late", calls.wait, (600,)), seconds=0.5)["late"]
    assert (late.kind, late.message) == ("timeout", "took longer than the limit of 0.5 s")
    large = run(Task("large", calls.grow, (1500,)), memory_bytes=2**30)["large"]
    assert (large.kind, large.message) == ("memory", "used more than the limit of 1024 MiB of memory")
    assert large.tree_memory_bytes > 2**30


def test_memory_that_processes_share_counts_once(calls):
    block = 400 << 20
    found = run(Task("share", calls.share, (400, 3)), memory_bytes=3 * block)["share"]
    assert found.outcome is not None, found.message
    assert block < found.tree_memory_bytes < 2 * block


def test_features_that_the_package_keeps_are_not_the_output_of_a_task(calls):
    found = run(Task("keep", calls.keep_features, ()), output_bytes=2**21)["keep"]
    assert found.outcome is not None, found.message


def becomes(true, seconds=300.0):
    """Return whether something becomes true; how long that takes is the machine's affair."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_written(path):
    return path.is_file() and bool(path.read_text())


def gone(pid):
    def is_gone():
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return True

    return becomes(is_gone)


def test_children_of_a_task_end_with_it(calls, tmp_path):
    # On a busy machine the child may not be there yet when the time is over.
    for seconds in (1, 10, 100, 1000):
        result = run(Task("parent", calls.leave_child, (str(tmp_path / "pid"),)), seconds=seconds)["parent"]
        assert result.kind == "timeout"
        if is_written(tmp_path / "pid"):
            break
    assert gone(int((tmp_path / "pid").read_text()))


def test_stopping_early_ends_what_runs(calls, tmp_path):
    path = str(tmp_path / "pid")
    tasks = [Task("parent", calls.leave_child, (path,)), Task("quick", calls.wait_for, (path,))]
    results = run_isolated(tasks, workers=2)
    assert next(results)[0].key == "quick"
    results.close()
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.slow
@pytest.mark.parametrize("which", ["fork server", "supervisor"])
def test_a_process_above_that_a_task_stops_goes_on(calls, which):
    results = run(*(Task(str(n), calls.stop_others, (which, 1)) for n in range(2)))
    assert [result.kind for result in results.values()] == [None, None]
    # It still ends when nobody needs it any more.
    with contextlib.closing(fork_server.ForkServer()) as own:
        task = Task("last", calls.stop_others, (which, 1))
        assert [result.kind for _, result in run_isolated([task], fork_server=own)] == [None]


@pytest.mark.slow
def test_a_task_that_stops_the_fork_server_again_and_again_crashes_and_the_others_go_on(calls, monkeypatch):
    monkeypatch.setattr(fork_server, "STOP_TICK", 0.2)
    results = run(
        Task("stops", calls.stop_others, ("fork server", 60_000)),
        Task("beside", calls.wait, (1,)),
        Task("good", calls.give, (1,)),
        workers=2,
    )
    assert {key: result.kind for key, result in results.items()} == {
        "stops": "crash",
        "beside": None,
        "good": None,
    }


def test_threads_are_limited(calls):
    for threads in (1, 2):
        results = run(*(Task(api, calls.threads, (api,)) for api in ("openmp", "blas")), threads=threads)
        found = {api: result.outcome.probabilities[0, 0] for api, result in results.items()}
        assert found == {"openmp": threads, "blas": 1}


def test_tasks_are_taken_only_as_processes_become_free(calls):
    taken = []

    def tasks():
        for number in range(4):
            taken.append(number)
            yield Task(str(number), calls.give, (number,))

    results = run_isolated(tasks(), workers=2)
    next(results)
    assert len(taken) == 2
    assert len(list(results)) == 3


def environment(folder):
    """Return the environment of a program that finds the modules of a folder."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def test_tasks_end_when_the_program_is_killed(calls, tmp_path):
    """A program without a main guard runs a task that never ends and is killed without warning."""
    script = tmp_path / "script.py"
    script.write_text(
        "from actionbench.experiments.isolation.pool import Task, run_isolated\n"
        "import isolation_calls\n"
        f"print(list(run_isolated([Task('x', isolation_calls.leave_child, ({str(tmp_path / 'pid')!r},))])))\n"
    )
    folder = tmp_path / "temporary"
    folder.mkdir()
    program = subprocess.Popen([sys.executable, script], env={**environment(tmp_path), "TMPDIR": str(folder)})
    pid = tmp_path / "pid"
    assert becomes(lambda: is_written(pid))
    assert [path.name.startswith("actionbench-") for path in folder.iterdir()] == [True]
    program.kill()
    program.wait()
    assert gone(int(pid.read_text()))
    assert becomes(lambda: not list(folder.iterdir()))


@pytest.mark.slow
def test_a_program_needs_no_main_guard(calls, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from actionbench.experiments.isolation.pool import Task, run_isolated\n"
        "import isolation_calls\n"
        "for _, ending in run_isolated([Task('x', isolation_calls.give, (0.25,))]):\n"
        "    print(ending.outcome.probabilities[0, 0])\n"
    )
    result = subprocess.run(
        [sys.executable, script], env=environment(tmp_path), capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "0.25\n")
