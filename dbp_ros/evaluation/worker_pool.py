"""Pool of worker processes for jobs."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from dbp_ros.errors import DbpError
from dbp_ros.runtime.parent_death import die_with_parent

Job = TypeVar("Job")
Result = TypeVar("Result")
Resource = TypeVar("Resource")

# The resource of this worker, if it has one.
_resources: list[Any] = []


def run_in_workers(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[Result]:
    """Call a function for every job in worker processes; yield results as they are available.

    The workers end with this process, also after SIGKILL.

    Args:
        function: Picklable, so at the top of a module.
        jobs: One argument for each call.
        workers: Maximum number of processes.

    Raises:
        DbpError: If a worker is killed.
    """
    return _run(function, jobs, workers, None)


def run_with_resource(
    make: Callable[[], Resource],
    function: Callable[[Resource, Job], Result],
    jobs: Sequence[Job],
    workers: int,
) -> Iterator[Result]:
    """Call a function for every job, with a resource that each worker makes once.

    Args:
        make: Returns the resource, such as a simulation. Picklable.
        function: Takes the resource and a job, such as a method of the resource. Picklable.
        jobs: One argument for each call.
        workers: Maximum number of processes.

    Raises:
        DbpError: If a worker is killed, or `make` fails.
    """
    return _run(partial(_call, function), jobs, workers, make)


def _run(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    make: Callable[[], Any] | None,
) -> Iterator[Result]:
    if not jobs:
        return
    spawn, initargs = multiprocessing.get_context("spawn"), (os.getpid(), make)
    count = min(workers, len(jobs))
    with ProcessPoolExecutor(count, spawn, initializer=_initialize, initargs=initargs) as pool:
        with _interrupts_ignored():
            running = [pool.submit(function, job) for job in jobs]
        try:
            for job in as_completed(running):
                yield job.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            # Their jobs may take minutes; files are written atomically.
            for worker in multiprocessing.active_children():
                worker.terminate()
            if isinstance(error, BrokenProcessPool):
                raise DbpError(
                    "a worker process was killed, for example for lack of memory, or could not "
                    "start: give fewer --workers; the same command continues where results are "
                    "written"
                ) from error
            raise


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C in the processes that start within the block, and in this one until its end.

    Ctrl-C reaches every process of a terminal; the parent ends its workers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _initialize(parent: int, make: Callable[[], Any] | None) -> None:
    die_with_parent(parent)
    if make is not None:
        _resources[:] = [make()]


def _call(function: Callable[[Any, Job], Result], job: Job) -> Result:
    return function(_resources[0], job)
