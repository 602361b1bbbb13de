import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from actionbench.errors import ActionbenchError
from actionbench.experiments.isolation import cluster
from actionbench.experiments.isolation.pool import ResourceLimits, Task
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.running.runner import run_cells
from actionbench.experiments.store import Store

pytest.importorskip("distributed")

# What dask leaves open as it ends is its own affair.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


ATTEMPTS = (
    {"name": "nearest"},
    {"name": "nearest", "title": "bad", "params": {"mode": "exiting"}},
    {"name": "chance"},
)


def run(checked, path, plugin, **options):
    with Store.open(path) as store:
        run_cells(make_plan(checked, plugins=[plugin]), store, **options)
        cells = store.cells()
        done = cells["key"][cells["status"] == "done"]
        return cells, {key: store.predictions(key)[1].tobytes() for key in done}


def test_predictions_are_the_same_one_at_a_time_and_on_dask(tmp_path, plugin, matrix):
    found = [
        run(
            matrix(*ATTEMPTS, limits={"time": "1 h"}),
            tmp_path / f"{number}.sqlite",
            plugin,
            **options,
        )
        for number, options in enumerate(({"workers": 1}, {"workers": 2, "on": "dask"}))
    ]
    first, first_predictions = found[0]
    for cells, predictions in found[1:]:
        assert predictions == first_predictions
        assert len(predictions) == 8
        assert cells["kind"].to_list() == first["kind"].to_list()
        assert set(cells["kind"]) == {None, "crash"}


@pytest.mark.slow
def test_a_task_whose_worker_dies_is_begun_once_more(tmp_path, monkeypatch):
    (tmp_path / "cluster_calls.py").write_text(
        "import os, time\n"
        "def stay(path, seconds):\n"
        "    with open(path, 'a') as file:\n"
        "        file.write(f'{os.getpid()}\\n')\n"
        "    time.sleep(seconds)\n"
        "    return 'stayed'\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    import cluster_calls

    path = tmp_path / "begun"
    killed = []

    def kill_the_first():
        while not (path.is_file() and path.read_text()):
            time.sleep(0.05)
        cell = psutil.Process(int(path.read_text().split()[0]))
        # Above the cell is what forks cells, above that the worker.
        worker = next(one for one in cell.parents() if "fork_server" not in " ".join(one.cmdline()))
        killed.append(cell.pid)
        os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    tasks = [Task("one", cluster_calls.stay, (str(path), 4))]
    ((_, result),) = cluster.run_on("dask", tasks, workers=2, resource_limits=ResourceLimits(seconds=3600))
    killer.join()
    assert (result.outcome, result.n_starts) == ("stayed", 2), result
    pids = [int(line) for line in path.read_text().split()]
    assert len(pids) == 2
    while psutil.pid_exists(killed[0]):
        time.sleep(0.05)
    assert result.machine["machine"]


@pytest.mark.slow
def test_a_scheduler_that_is_there_is_used(tmp_path, plugin, matrix):
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"],
        stderr=subprocess.PIPE,
        text=True,
    )
    worker = None
    try:
        address = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
        worker = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "2", "--no-nanny"],
            stderr=subprocess.DEVNULL,
        )
        cells, predictions = run(matrix(*ATTEMPTS, seeds=(0, 1)), tmp_path / "s.sqlite", plugin, on=address)
    finally:
        for process in filter(None, (worker, scheduler)):
            process.kill()
            process.wait()
        scheduler.stderr.close()
    assert len(predictions) == 16
    assert set(cells["n_starts"]) == {1}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("tcp://127.0.0.1:1", r"--on tcp://127.0.0.1:1: no scheduler answers there"),
        ("moon", r"--on moon: must be dask, slurm or the address of a scheduler"),
        ("slurm", r"--on slurm: the memory of a job is not known; set limits.memory"),
    ],
)
def test_what_cannot_be_reached_is_said(where, message, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with pytest.raises(ActionbenchError, match=message):
        list(cluster.run_on(where, [], workers=1, resource_limits=ResourceLimits()))


def test_a_missing_extra_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ActionbenchError, match=r'install it with: pip install "actionbench\[dask\]"'):
        list(cluster.run_on("dask", [], workers=1, resource_limits=ResourceLimits()))
