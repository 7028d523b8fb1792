"""Jobs side by side, each in a worker process."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from dbp_ros.runtime.parent_death import die_with_parent

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_each(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    *,
    start: Callable[..., None] | None = None,
    start_with: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Call a function for every job in worker processes; yield each result as it comes.

    An interrupt ends the workers, and so does the end of this process, however it is killed; what
    they had not finished is not yielded.

    Args:
        function: At the top of a module, so that a worker can find it.
        jobs: Arguments.
        workers: Processes at a time.
        start: Called once in each worker, before its first job.
        start_with: Its arguments.
    """
    if not jobs:
        return
    spawn = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    begin_with = (os.getpid(), start, start_with)
    with ProcessPoolExecutor(count, spawn, initializer=_begin, initargs=begin_with) as pool:
        running = [pool.submit(function, job) for job in jobs]
        try:
            for job in as_completed(running):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(parent: int, start: Callable[..., None] | None, start_with: tuple[Any, ...]) -> None:
    die_with_parent(parent)
    if start is not None:
        start(*start_with)
