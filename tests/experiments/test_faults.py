"""Cells and runs that fail in every way, at random instants: no harm to the store, to other cells, or the machine."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import suppress

import psutil
import pytest

from actionbench.errors import ActionbenchError, StoreError
from actionbench.experiments.isolation import pool
from actionbench.experiments.isolation.fork_server import ForkServer
from actionbench.experiments.isolation.pool import ResourceLimits, Task, run_isolated
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.running.runner import run_cells
from actionbench.experiments.store import Store

TOKEN = "ACTIONBENCH_FAULTS"

FAULTS = '''
import ctypes, os, signal, stat, subprocess, sys, time
import numpy as np
from actionbench.baselines.trivial.chance import Chance

SLEEP = [sys.executable, "-S", "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"]

class Faulty(Chance):
    """Predicts by chance, after it has gone wrong in the way of its name at the instant that it is told."""

    def __init__(self, *, mode="good", delay=0.0, turn=0, random_state=0):
        self.mode, self.delay, self.turn, self.random_state = mode, delay, turn, random_state

    def fit(self, clips, labels, groups=None):
        time.sleep(self.delay)
        getattr(self, f"_{self.mode}")()
        return super().fit(clips, labels, groups)

    def count(self):
        return {"parameters": 2**70 if self.mode == "countless" else 1}

    def explain(self):
        return "x" * (40 * 2**20 if self.mode == "generous" else 1)

    def _good(self): ...
    _countless = _generous = _good

    def _raises(self):
        raise ValueError("a name that is not UTF-8: \\udcff")

    def _exits(self):
        os._exit(3)

    def _segfaults(self):
        ctypes.string_at(0)

    def _dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _prints(self):
        for _ in range(1024):
            sys.stdout.write("x" * 2**20)

    def _hangs(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(600)

    def _stops(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def _stops_above(self):
        os.kill(os.getppid(), signal.SIGSTOP)

    def _grows(self):
        self.memory_ = np.ones(2**26)
        time.sleep(600)

    def _leaves(self):
        subprocess.Popen(SLEEP)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(SLEEP[0], SLEEP)
            os._exit(0)
        os.wait()

    def _leaves_and_raises(self):
        self._leaves()
        raise KeyError("left")

    def _leaves_and_exits(self):
        self._leaves()
        os._exit(0)

    def _orphans(self):
        self._leaves()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)

    def _closes(self):
        os.closerange(0, 1024)

    def _babbles(self):
        for number in range(3, 1024):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.write(number, os.urandom(4096))
            except OSError:
                pass
        time.sleep(600)
'''

KINDS = {
    "good": None,
    "raises": "error",
    "countless": "error",
    "exits": "crash",
    "segfaults": "crash",
    "dies": "crash",
    "prints": "output",
    "generous": "output",
    "hangs": "timeout",
    "stops": "timeout",
    "stops_above": None,
    "grows": "memory",
    "leaves": None,
    "leaves_and_raises": "error",
    "leaves_and_exits": "crash",
    "orphans": "crash",
    "closes": "crash",
    "babbles": "crash",
}

ENDLESS = ["hangs", "stops"]

LIMITS = {"time": "1 h", "memory": "400 MiB", "output": "20 MiB"}
# For what never ends by itself, and for what stands beside it, which a busy machine may hold up.
SHORT = LIMITS | {"time": "10 s"}


@pytest.fixture
def token(monkeypatch):
    """A word in the environment of all processes that a test starts."""
    word = uuid.uuid4().hex
    monkeypatch.setenv(TOKEN, word)
    return word


def left_behind(token, word="", seconds=300.0):
    """Return what still runs, after some patience, of all that was started with a token and that names a word."""
    end = time.monotonic() + seconds
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                started = process.pid != os.getpid() and process.environ().get(TOKEN) == token
                if started and word in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


@pytest.fixture
def faulty(tmp_path):
    path = tmp_path / "faulty.py"
    path.write_text(FAULTS)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.sqlite"


@pytest.fixture
def fork_server(token, monkeypatch):
    monkeypatch.setattr(pool, "GRACE", 0.3)
    fork_server = ForkServer([pool.WARM])
    yield fork_server
    fork_server.close()
    assert left_behind(token) == []


def matrix(points, limits=LIMITS):
    return read_matrix(
        {
            "name": "faults",
            "limits": limits,
            "datasets": [
                {"name": "figures", "subjects": 2, "clips_per_subject": 1, "split": "leave-one-group-out"}
            ],
            "attempts": [
                {"name": "faulty", "title": f"{n} {point['mode']}", "params": point}
                for n, point in enumerate(points)
            ],
        }
    )


def run(points, path, faulty, limits=LIMITS, **options):
    plan = make_plan(matrix(points, limits), plugins=[faulty], only=["fold=0"])
    with Store.open(path) as store:
        run_cells(plan, store, cache="none", **options)
    return {cell.key: cell.params["mode"] for cell in plan.cells}


def check(path):
    """Return kind and predictions of each row of a store, which must be sound."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    found = {}
    with Store.open(path) as store:
        for key, (status, kind) in store.status_of().items():
            found[key] = kind, store.predictions(key)[1].tobytes() if status == "done" else None
    return found


@pytest.mark.slow
def test_every_fault_has_its_kind_and_harms_nothing_beside_it(path, faulty, fork_server):
    asked = {}
    for modes, limits in (([*KINDS.keys() - set(ENDLESS)], LIMITS), (ENDLESS, SHORT)):
        points = [{"mode": mode} for mode in modes]
        asked |= run(points, path, faulty, limits, workers=2, fork_server=fork_server)
    found = check(path)
    assert {mode: found[key][0] for key, mode in asked.items()} == KINDS
    assert all((predictions is None) == (kind is not None) for kind, predictions in found.values())


@pytest.mark.slow
def test_what_a_killed_fork_server_leaves_is_ended(path, faulty, token, fork_server):
    points = [{"mode": "orphans"}, {"mode": "leaves", "delay": 0.3}, {"mode": "good", "delay": 0.3}]
    asked = run(points, path, faulty, workers=2, fork_server=fork_server)
    found = check(path)
    assert {mode: found[key][0] for key, mode in asked.items()} == {
        "orphans": "crash",
        "leaves": None,
        "good": None,
    }
    assert left_behind(token, "sleep(600)") == []


def test_what_is_said_of_a_fault(path, faulty, fork_server):
    run(
        [{"mode": mode} for mode in ("raises", "babbles", "countless")], path, faulty, fork_server=fork_server
    )
    with Store.open(path) as store:
        rows = store.cells()
    said = {row["params"]["mode"]: row["message"] for row in rows.to_dict("records")}
    assert said["raises"] == "a name that is not UTF-8: \\udcff"
    assert said["babbles"] == "wrote into the channel that its result comes through"
    assert said["countless"].startswith("Faulty.count must give integers below 2**63, got parameters ")


@pytest.mark.parametrize("word", [{"error": "X"}, 5, (), (1, 2), ["x"]])
def test_a_message_that_is_none_is_no_result(word):
    with pytest.raises(ValueError, match="neither an outcome nor a failure"):
        pool.check_message(word)


@pytest.mark.slow
def test_30_rounds_of_faults_at_random_instants(path, faulty, fork_server):
    rng = random.Random(0)
    before = {}
    for turn in range(30):
        modes = rng.sample(sorted(KINDS.keys() - set(ENDLESS)), 2)
        # They take as long as they may.
        if turn % 20 == 0:
            modes[0] = rng.choice(ENDLESS)
        points = [
            {"mode": mode, "delay": rng.choice([0.0, rng.uniform(0, 0.2)]), "turn": turn} for mode in modes
        ]
        limits = SHORT if modes[0] in ENDLESS else LIMITS
        asked = run(points, path, faulty, limits, workers=2, fork_server=fork_server)
        found = check(path)
        assert {mode: found[key][0] for key, mode in asked.items()} == {mode: KINDS[mode] for mode in modes}
        assert before.items() <= found.items()
        before = found


def program(path, faulty, points, *words):
    """Start the command line on some cells."""
    content = matrix(points)
    lines = [
        'name = "faults"',
        "[limits]",
        'time = "1 h"',
        "[[datasets]]",
        'name = "figures"',
        "subjects = 2",
    ]
    lines += ["clips_per_subject = 1", 'split = "leave-one-group-out"']
    for entry in content.attempts:
        params = ", ".join(f"{key} = {value!r}" for key, value in entry.params.items())
        lines += ["[[attempts]]", 'name = "faulty"', f'title = "{entry.title}"', f"params = {{ {params} }}"]
    (faulty.parent / "faults.toml").write_text("\n".join(lines))
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "actionbench", "run", "faults.toml", "-j", "2", "--cache", "none"),
            *("--plugin", faulty, "--store", path, *words),
        ],
        cwd=faulty.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_rows(path, number, running):
    while running.poll() is None:
        try:
            with Store.open(path, must_exist=True) as store:
                if len(store.status_of()) >= number:
                    return
        except ActionbenchError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"it has ended with fewer than {number} rows: {running.communicate()[1]}")


def interrupt_twice(running):
    """Return what is said; a second interrupt that comes before the first is heard is one with it."""
    for patience in (1, *[60] * 10):
        running.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return running.communicate(timeout=patience)[1]
    raise AssertionError("it does not end")


def kill_at_random(path, faulty, token, rng, rounds):
    points = [{"mode": "leaves" if turn % 3 == 0 else "good", "turn": turn} for turn in range(30)]
    before = {}
    for _ in range(rounds):
        running = program(path, faulty, points)
        time.sleep(rng.uniform(0.8, 3.0))
        running.kill()
        running.communicate()
        assert left_behind(token) == []
        if path.exists():
            found = check(path)
            assert before.items() <= found.items()
            before = found
    running = program(path, faulty, points)
    said = running.communicate()[1]
    assert running.returncode == 0, said
    assert f"60 cells: {len(before)} were stored, {60 - len(before)} run now, 0 failed" in said
    found = check(path)
    assert before.items() <= found.items()
    assert len(found) == 60
    assert {kind for kind, _ in found.values()} == {None}
    assert left_behind(token) == []


@pytest.mark.slow
def test_runs_that_are_killed_at_random_instants(path, faulty, token):
    kill_at_random(path, faulty, token, random.Random(2), rounds=8)


KILLED_IN_A_COMMIT = """
import os, signal, sqlite3, sys, threading, time
from actionbench.experiments.store import Store
store = Store.open(sys.argv[1])
threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGKILL)).start()
number = 0
while True:
    number += 1
    with store.transaction():
        store.connection.execute("INSERT OR REPLACE INTO audits VALUES (?, ?)", (str(number), "x" * 200_000))
        store.connection.execute("INSERT OR REPLACE INTO codes VALUES (?, ?)", (str(number), "y" * 200_000))
    os.write(1, b"%d\\n" % number)
"""


def test_a_process_that_is_killed_in_a_commit_loses_nothing_that_it_had_said(path):
    rng = random.Random(3)
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, "-c", KILLED_IN_A_COMMIT, path, str(rng.uniform(0.05, 0.3))], capture_output=True
        )
        assert result.returncode == -signal.SIGKILL
        told = int((result.stdout.split() or [b"0"])[-1])
        check(path)
        connection = sqlite3.connect(path)
        for table, column in (("audits", "key"), ("codes", "code")):
            rows = connection.execute(f"SELECT max(CAST({column} AS INTEGER)) FROM {table}").fetchone()
            assert (rows[0] or 0) >= told
        pairs = "SELECT count(*) FROM audits WHERE key NOT IN (SELECT code FROM codes)"
        assert connection.execute(pairs).fetchone() == (0,)
        connection.close()


@pytest.mark.slow
def test_one_interrupt_lets_cells_finish_and_a_second_one_cancels_them(path, faulty, token):
    points = [
        {"mode": "good"},
        {"mode": "good", "delay": 4.0, "turn": 1},
        {"mode": "good", "delay": 4.0, "turn": 2},
    ]
    running = program(path, faulty, points)
    wait_for_rows(path, 1, running)
    running.send_signal(signal.SIGINT)
    said = running.communicate()[1]
    assert (running.returncode, "Traceback" in said) == (130, False)
    found = check(path)
    assert 1 <= len(found) < 6
    assert {kind for kind, _ in found.values()} == {None}

    slow = [{"mode": "leaves"}, *({"mode": "hangs", "turn": turn} for turn in range(3))]
    running = program(path, faulty, slow)
    wait_for_rows(path, len(found) + 1, running)
    said = interrupt_twice(running)
    assert (running.returncode, "Traceback" in said) == (130, False)
    assert left_behind(token) == []
    after = check(path)
    assert found.items() <= after.items()
    kinds = [kind for kind, _ in after.values()]
    assert set(kinds) == {None, "cancelled"}
    cancelled = [key for key, (kind, _) in after.items() if kind == "cancelled"]
    running = program(path, faulty, slow, "--set", "limits.time=1")
    running.communicate()
    assert running.returncode == 1
    assert {check(path)[key][0] for key in cancelled} == {"timeout"}


def test_a_cell_that_has_finished_is_never_written_as_cancelled(path, faulty, fork_server, monkeypatch):
    """The interrupt comes between the commit of a cell and all else."""
    plan = make_plan(matrix([{"mode": "good"}]), plugins=[faulty])
    real = Store.add_cell

    def interrupted(self, *arguments):
        real(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "add_cell", interrupted)
    with Store.open(path) as store, pytest.raises(KeyboardInterrupt):
        run_cells(plan, store, cache="none", fork_server=fork_server, workers=1)
    assert [kind for kind, _ in check(path).values()] == [None]


class Full(Store):
    """A store on a disk that has room for some pages more."""

    def fill(self, room):
        pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count = {pages + room}")


@pytest.mark.parametrize("room", [0, pytest.param(4, marks=pytest.mark.slow)])
def test_a_full_disk_is_said_and_costs_no_finished_cell(path, faulty, fork_server, room):
    points = [{"mode": "good", "turn": turn} for turn in range(12)]
    plan = make_plan(matrix(points), plugins=[faulty])
    with Full.open(path) as store:
        store.fill(room)
        with pytest.raises(StoreError, match=r"s\.sqlite: cannot be written \(database or disk is full\)"):
            run_cells(plan, store, cache="none", fork_server=fork_server, workers=2)
    before = check(path)
    assert len(before) < len(plan.cells)
    run(points, path, faulty, workers=2, fork_server=fork_server)
    assert before.items() <= check(path).items()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if (
        os.getuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "none", folder], capture_output=True
        ).returncode
    ):
        pytest.skip("a small file system cannot be mounted")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_the_command_with_a_sentence(small_disk, faulty, token):
    path, filler = small_disk / "s.sqlite", small_disk / "filler"
    points = [{"mode": "good", "turn": turn} for turn in range(10)]
    Store.open(path).close()
    before = {}
    for room in (0, 250_000):
        filler.unlink(missing_ok=True)
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
        filler.write_bytes(bytes(max(free - room, 0)))
        running = program(path, faulty, points, "-q")
        said = running.communicate()[1]
        assert running.returncode == 2, said
        (line,) = said.splitlines()
        assert line.startswith(f"actionbench: {path}: cannot be ")
        filler.unlink()
        found = check(path)
        assert before.items() <= found.items()
        before = found
    running = program(path, faulty, points[:2], "-q")
    said = running.communicate()[1]
    assert running.returncode == 0, said
    assert before.items() <= check(path).items()
    assert left_behind(token) == []


def test_no_room_for_temporary_files_is_said(small_disk, faulty, path, monkeypatch, fork_server):
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    points = [{"mode": "good", "turn": turn} for turn in range(3)]
    # Room for the folder of the run, and for that of no cell.
    room = os.statvfs(small_disk).f_favail
    for number in range(room - 1):
        (small_disk / str(number)).touch()
    with pytest.raises(ActionbenchError, match="no process can be started for a cell: .*No space left"):
        run(points, path, faulty, fork_server=fork_server)
    assert check(path) == {}
    for number in range(room - 1):
        (small_disk / str(number)).unlink()
    run(points, path, faulty, fork_server=fork_server)
    assert {kind for kind, _ in check(path).values()} == {None}


def test_where_no_process_can_be_started_it_is_said(token):
    class Dead(ForkServer):
        def fork(self, channel, output):
            self._process.kill()
            return super().fork(channel, output)

    dead = Dead()
    try:
        with pytest.raises(ActionbenchError, match="no process can be started for a cell: .* ends each time"):
            list(run_isolated([Task("x", len, ((),))], fork_server=dead, resource_limits=ResourceLimits()))
    finally:
        dead.close()
