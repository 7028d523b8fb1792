"""How much memory something needs, measured in a process of its own."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from dbp_ros.telemetry.stopwatch import Call

CALLS = 2
PRELOADED = ["benchmarks.infer.timing"]


def peak_growth_mb(make: Callable[[], Call]) -> float:
    """Return by how many MB the memory of a fresh process grows at most while a call is made.

    The libraries are loaded before; what is counted is the network and what it needs to run.

    Args:
        make: Builds the call; at the top of a module or a method of something that can be sent.
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
    before = memory_kb("VmRSS")
    call = make()
    for _ in range(CALLS):
        call()
    sender.send((memory_kb("VmHWM") - before) / 1024)


def memory_kb(what: str, process: str = "self") -> int:
    """Return a line of a process's status, such as VmRSS, in kB."""
    status = Path("/proc", process, "status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1])
