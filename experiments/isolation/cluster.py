"""Cells on other machines, by dask.distributed; each runs there in a process of its own, under the same limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import ActionbenchError
from ..store import provenance
from .pool import ResourceLimits, Task, TaskResult, run_isolated

if TYPE_CHECKING:
    from distributed import Client

#: Topic of the events by which workers report that they begin a cell.
_BEGUN = "actionbench-begun-{}"

# How long a scheduler may take to answer, and workers to start, in seconds.
TIMEOUT = 10
_WORKER_TIMEOUT = 600


def run_on(
    where: str,
    tasks: Iterable[Task],
    *,
    workers: int,
    resource_limits: ResourceLimits,
    preload: Iterable[str] = (),
    stopping: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Task, TaskResult], None, None]:
    """Run tasks on the workers of a cluster, as `pool.run_isolated` does on this machine.

    A task whose worker dies is begun once more, on another; its result has how often it was begun and on which
    machine it ran. (A scheduler that was there before has its own rule for how often:
    ``distributed.scheduler.allowed-failures``.)

    Parameters
    ----------
    where : str
        ``"dask"`` for a cluster of processes on this machine, ``"tcp://host:port"`` for a scheduler that is there,
        ``"slurm"`` for jobs of Slurm, as ``jobqueue.slurm`` in the configuration of dask has it.
    tasks : iterable of Task
        Taken one by one, as workers become free.
    workers : int
        How many processes or jobs are started, where any are.
    resource_limits, preload, stopping
        As for `pool.run_isolated`.

    Raises
    ------
    ActionbenchError
        If the cluster cannot be reached or started, or is lost.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise ActionbenchError(
            f'--on {where} needs dask.distributed; install it with: pip install "actionbench[dask]"'
        ) from error
    with ExitStack() as stack:
        client = stack.enter_context(_client(where, workers, resource_limits))
        try:
            yield from _run(client, iter(tasks), resource_limits, list(preload), stopping)
        except OSError as error:
            raise ActionbenchError(f"--on {where}: the scheduler was lost ({error})") from error


def _run(
    client: Client,
    tasks: Iterator[Task],
    resource_limits: ResourceLimits,
    preload: list[str],
    stopping: Callable[[], bool],
) -> Iterator[tuple[Task, TaskResult]]:
    from distributed import as_completed

    running: dict[str, Task] = {}
    completed = as_completed(loop=client.loop)
    while True:
        places = max(1, sum(client.nthreads().values()))
        while len(running) < places and not stopping() and (task := next(tasks, None)) is not None:
            # A name of its own: what ran before under this key is not the result.
            name = f"actionbench-{task.key}-{time.time_ns()}"
            future = client.submit(_on_worker, task, resource_limits, preload, key=name, pure=False)
            running[name] = task
            completed.add(future)
        if not running:
            return
        future = next(completed)
        yield running.pop(str(future.key)), _result(client, future)


def _result(client: Client, future: Any) -> TaskResult:
    begun = [event["worker"] for _, event in client.get_events(_BEGUN.format(future.key))]
    starts = max(1, len(begun))
    if future.status == "finished":
        return replace(future.result(), n_starts=starts)
    error = future.exception()
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return TaskResult(
            kind="crash",
            message=f"the workers that ran it died: {', '.join(begun) or error.last_worker}",
            n_starts=starts,
        )
    if error is None:
        raise ConnectionError("a task was cancelled")
    return TaskResult(kind="error", error=type(error).__name__, message=str(error), n_starts=starts)


def _on_worker(task: Task, resource_limits: ResourceLimits, preload: list[str]) -> TaskResult:
    """Run a task in a process of its own; called in a worker."""
    from distributed import get_worker

    worker = get_worker()
    with suppress(ValueError):
        worker.log_event(_BEGUN.format(worker.get_current_task()), {"worker": worker.address})
    ((_, result),) = run_isolated([task], resource_limits=resource_limits, preload=preload)
    return replace(
        result, machine=provenance.machine(threads=resource_limits.threads, workers="of a cluster")
    )


@contextmanager
def _client(where: str, workers: int, resource_limits: ResourceLimits) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    if where.startswith(("tcp://", "tls://")):
        try:
            client = Client(where, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ActionbenchError(f"--on {where}: no scheduler answers there ({error})") from error
        with client:
            yield client
        return
    if where not in ("dask", "slurm"):
        raise ActionbenchError(
            f"--on {where}: must be dask, slurm or the address of a scheduler, tcp://HOST:PORT"
        )
    # Begun once more after the first death, not after the second.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), ExitStack() as stack:
        if where == "dask":
            cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
        else:
            cluster = _slurm(resource_limits)
            cluster.scale(jobs=workers)
        stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster, set_as_default=False))
        try:
            client.wait_for_workers(1, timeout=_WORKER_TIMEOUT)
        except TimeoutError as error:
            raise ActionbenchError(f"--on {where}: no worker has come within {_WORKER_TIMEOUT} s") from error
        yield client


def _slurm(resource_limits: ResourceLimits) -> Any:
    import dask

    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise ActionbenchError(
            '--on slurm needs dask-jobqueue; install it with: pip install "actionbench[dask]"'
        ) from error
    asked: dict[str, Any] = {"processes": 1, "cores": resource_limits.threads}
    if resource_limits.memory_bytes is not None:
        asked["memory"] = f"{resource_limits.memory_bytes} B"
    elif dask.config.get("jobqueue.slurm.memory", None) is None:
        raise ActionbenchError(
            "--on slurm: the memory of a job is not known; set limits.memory in the matrix, or jobqueue.slurm.memory "
            "in the configuration of dask"
        )
    return SLURMCluster(**asked)
