"""Peak memory of a call, measured in a process of its own."""

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection

import psutil

from dbp_ros.telemetry.stopwatch import Call

CALLS = 2
PRELOADED = ["benchmarks.infer.timing"]


def peak_growth_mb(make: Callable[[], Call]) -> float:
    """Return the peak growth of a fresh process's memory in [MiB] while a call is built and run.

    The libraries are loaded before, so only the network and its working memory count.

    Args:
        make: Builds the call. Must be picklable.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(make, sender), daemon=True)
    process.start()
    sender.close()
    try:
        grown_mb: float = receiver.recv()
    finally:
        process.join()
    return grown_mb


def _measure(make: Callable[[], Call], sender: Connection) -> None:
    before = psutil.Process().memory_info().rss
    call = make()
    for _ in range(CALLS):
        call()
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send((peak - before) / 2**20)
