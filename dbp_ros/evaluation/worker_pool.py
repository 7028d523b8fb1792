"""Pool of worker processes for jobs."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from dbp_ros.errors import DbpError
from dbp_ros.runtime.parent_death import die_with_parent

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_in_workers(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    *,
    start: Callable[..., None] | None = None,
    start_args: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Call a function for every job in worker processes; yield results as they are available.

    The workers end with this process, also after SIGKILL.

    Args:
        function: Picklable, so at the top of a module.
        jobs: One argument for each call.
        workers: Maximum number of processes.
        start: Called once in each worker, before its first job.
        start_args: Arguments of `start`.

    Raises:
        DbpError: If a worker is killed, or `start` fails.
    """
    if not jobs:
        return
    spawn = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    initargs = (os.getpid(), start, start_args)
    with ProcessPoolExecutor(count, spawn, initializer=_initialize, initargs=initargs) as pool:
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


def _initialize(
    parent: int, start: Callable[..., None] | None, start_args: tuple[Any, ...]
) -> None:
    die_with_parent(parent)
    if start is not None:
        start(*start_args)
