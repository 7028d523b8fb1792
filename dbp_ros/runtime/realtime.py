"""Punctuality: what a process asks of the operating system.

`request_realtime` is the one place where garbage collection, the switching of threads, memory,
cores and scheduling are arranged; it says in words what it got. Which process is given which cores
is in `placement`.
"""

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial

from dbp_ros.runtime.core_leases import LEASES, CoreLeases
from dbp_ros.runtime.cpu_affinity import POLICY_CORES, Role, cores_for, cores_to_keep_apart
from dbp_ros.settings.process import RealtimeConfig

MCL_CURRENT_AND_FUTURE = 3
PR_SET_PDEATHSIG = 1
GIL_SWITCH_INTERVAL_S = 0.00005
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Pictures are smaller. glibc allows no more for what is taken from the heap.
KEPT_BLOCK_BYTES = 32 << 20
KEPT_BYTES = 256 << 20
# What has cores of its own, and how many.
LEASED = {Role.GUARD: 1, Role.POLICY: POLICY_CORES}


def request_realtime(config: RealtimeConfig, place: Role | None = None) -> list[str]:
    """Ask for real-time scheduling of every thread of this process.

    Threads that a library started before, those of the middleware say, are included; threads
    started later inherit it. Everything is optional: on a machine that allows none of it the
    process runs all the same.

    Args:
        config: What is wished.
        place: What the process is for, which says where it runs where `config` does not; nowhere
            in particular if not given.

    Returns:
        One sentence for each thing asked for, saying what was got.
    """
    sys.setswitchinterval(GIL_SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.disable()
    got = [
        f"garbage collection is off, threads switch every {1e3 * GIL_SWITCH_INTERVAL_S:g} ms",
        _try("keeping freed memory", _keep_freed_memory),
    ]
    if config.cpu_affinity:
        got.append(_bind(config.cpu_affinity))
        if place:
            # Other stacks keep off them, whoever had them before.
            for core in config.cpu_affinity:
                LEASES.take(place.value, core)
    elif place:
        got.append(apply_cpu_affinity(place))
    if config.realtime_priority:
        got.append(set_priority(config.realtime_priority, *running_threads()))
    if config.lock_memory:
        got.append(_try("locked memory", _lock_memory))
    return got


def apply_cpu_affinity(place: Role, leases: CoreLeases = LEASES) -> str:
    """Let this process run on the cores that are for it; say what was got.

    Args:
        place: What the process is for.
        leases: Which cores other stacks have.
    """
    available = running_cores()
    guards, policies = (leases.taken(role.value) for role in (Role.GUARD, Role.POLICY))
    taken = guards if place in (Role.GUARD, Role.REST) else guards | policies
    cores = cores_for(place, available, taken)
    for _ in available:
        if place not in LEASED or all(leases.take(place.value, core) for core in cores):
            break
        # Another stack took one at this very moment, or every core is another's.
        taken = taken | set(cores)
        cores = cores_for(place, available, taken)
    got = _bind(cores) if cores else f"any of {len(available)} cores"
    others = {Role.GUARD: guards, Role.POLICY: policies}.get(place, set()) & set(available)
    stacks = 1 + len(others) // LEASED.get(place, 1)
    if others and len(available) < (apart := cores_to_keep_apart(stacks)):
        got += f"; {stacks} stacks share {len(available)} cores, {apart} would keep them apart"
    return got


def set_priority(priority: int, *threads: int) -> str:
    """Put threads, the calling one if none is named, under SCHED_FIFO; say what was got."""

    def schedule() -> None:
        for thread in threads or (0,):
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))

    return _try(f"SCHED_FIFO {priority}", schedule)


def set_niceness(niceness: int) -> str:
    """Let the calling thread have a core before others of ordinary priority; say what was got."""
    thread = threading.get_native_id()
    ask = partial(os.setpriority, os.PRIO_PROCESS, thread, niceness)
    return _try(f"niceness {niceness} of {threading.current_thread().name}", ask)


def die_with_parent(parent: int) -> None:
    """End this process, as `kill -9` does, when the one that started it ends, or if it has.

    Args:
        parent: Process id of the one that started it, in its main thread.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def running_threads() -> set[int]:
    """Return the ids of all threads of this process, those of libraries too."""
    return {int(name) for name in os.listdir("/proc/self/task")}


def running_cores() -> tuple[int, ...]:
    """Return the cores that this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


def _keep_freed_memory() -> None:
    """Let the next picture have the memory of the last.

    Otherwise large blocks go back to the kernel each time, which hands them out again page by page
    and zeroed: copying 640x480 pixels then takes 0.6 ms instead of 0.04.
    """
    libc = ctypes.CDLL(None)
    for what, size in ((M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES)):
        if libc.mallopt(what, size) != 1:
            raise OSError(f"this C library refuses {size} bytes")


def _bind(cores: tuple[int, ...]) -> str:
    def bind() -> None:
        for thread in running_threads():
            os.sched_setaffinity(thread, cores)

    return _try(f"cores {cores}", bind)


def _lock_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _try(what: str, ask: Callable[[], None]) -> str:
    try:
        ask()
    except (OSError, ValueError, AttributeError) as error:
        return f"{what}: not granted ({error})"
    return f"{what}: granted"
