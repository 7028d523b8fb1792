"""Real-time settings of a process: garbage collection, memory, CPU affinity and scheduling.

Each function returns a sentence with the outcome. `cpu_affinity` plans the cores.
"""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from dbp_ros.runtime.core_leases import LEASES, CoreLeases
from dbp_ros.runtime.cpu_affinity import POLICY_CORES, Role, cores_for, cores_for_stacks
from dbp_ros.settings.process import RealtimeConfig

MCL_CURRENT_AND_FUTURE = 3
GIL_SWITCH_INTERVAL_S = 0.00005
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Larger than an image; the largest threshold that glibc allows.
KEPT_BLOCK_BYTES = 32 << 20
KEPT_BYTES = 256 << 20
# Names of the threads in which Fast DDS sends samples again, and to readers that come later.
RETRYING_THREADS = "dds.asyn"
# Their distance from the priority of the process; the thread that swaps models is one below.
RETRYING_BELOW = 2
# Number of cores leased for a role.
LEASED_CORES = {Role.GUARD: 1, Role.POLICY: POLICY_CORES}


def request_realtime(config: RealtimeConfig, role: Role | None = None) -> list[str]:
    """Request real-time scheduling for all threads of this process.

    That includes threads of the middleware; later threads inherit it. A request that is not granted
    is not an error.

    Args:
        config: Requested settings.
        role: Role of the process, which sets its cores if `config` has none; None for any core.

    Returns:
        One sentence per request with its outcome.
    """
    sys.setswitchinterval(GIL_SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.disable()
    outcomes = [
        f"garbage collection is off, threads switch every {1e3 * GIL_SWITCH_INTERVAL_S:g} ms",
        _try("keeping freed memory", _keep_freed_memory),
    ]
    if config.cpu_affinity:
        outcomes.append(_set_affinity(config.cpu_affinity))
        if role:
            # Other stacks avoid these cores, even if another stack has the lease.
            for core in config.cpu_affinity:
                LEASES.take(role.value, core)
    elif role:
        outcomes.append(apply_cpu_affinity(role))
    if config.realtime_priority:
        outcomes.append(schedule_process(config.realtime_priority))
    if config.lock_memory:
        outcomes.append(_try("locked memory", _lock_memory))
    return outcomes


def apply_cpu_affinity(
    role: Role, requested: tuple[int, ...] = (), leases: CoreLeases = LEASES
) -> str:
    """Pin this process to cores; return the outcome.

    Args:
        role: Role of the process.
        requested: Cores to use instead of those of the role.
        leases: Cores of other stacks.
    """
    if requested:
        return _set_affinity(requested)
    available = running_cores()
    guards, policies = (leases.taken(other.value) for other in (Role.GUARD, Role.POLICY))
    taken = guards if role in (Role.GUARD, Role.REST) else guards | policies
    cores = cores_for(role, available, taken)
    for _ in available:
        if role not in LEASED_CORES or all(leases.take(role.value, core) for core in cores):
            break
        # Another stack took the lease since `taken`, or all cores are leased.
        taken = taken | set(cores)
        cores = cores_for(role, available, taken)
    outcome = _set_affinity(cores) if cores else f"any of {len(available)} cores"
    others = {Role.GUARD: guards, Role.POLICY: policies}.get(role, set()) & set(available)
    stacks = 1 + len(others) // LEASED_CORES.get(role, 1)
    if others and len(available) < (needed := cores_for_stacks(stacks)):
        outcome += f"; {stacks} stacks share {len(available)} cores, {needed} would separate them"
    return outcome


def schedule_process(priority: int) -> str:
    """Schedule all threads of this process with SCHED_FIFO; return the outcome.

    The asynchronous senders of Fast DDS get a lower priority than all threads that publish. While
    another thread has the mutex of a writer they retry without a pause (`FlowControllerImpl::run`):
    with the same priority and no other core that thread could not run, and the process would stand
    still.
    """
    lower_retrying_threads(priority)
    return set_priority(priority, *(running_threads() - _retrying_threads()))


def lower_retrying_threads(priority: int) -> None:
    """Schedule the asynchronous senders of Fast DDS below a priority; see `schedule_process`."""
    if threads := _retrying_threads():
        set_priority(max(0, priority - RETRYING_BELOW), *threads)


def set_priority(priority: int, *threads: int) -> str:
    """Set the scheduling of threads; return the outcome.

    Args:
        priority: Priority of SCHED_FIFO; 0 for ordinary scheduling.
        threads: Ids of the threads; none for the calling one.
    """
    policy = os.SCHED_FIFO if priority else os.SCHED_OTHER

    def schedule() -> None:
        for thread in threads or (0,):
            os.sched_setscheduler(thread, policy, os.sched_param(priority))

    return _try(f"SCHED_FIFO {priority}" if priority else "ordinary scheduling", schedule)


def set_niceness(niceness: int) -> str:
    """Set the niceness of the calling thread; return the outcome."""
    thread = threading.get_native_id()
    request = partial(os.setpriority, os.PRIO_PROCESS, thread, niceness)
    return _try(f"niceness {niceness} of {threading.current_thread().name}", request)


def running_threads() -> set[int]:
    """Return the ids of all threads of this process, including those of libraries."""
    return {int(name) for name in os.listdir("/proc/self/task")}


def _retrying_threads() -> set[int]:
    """Return the ids of the threads with the name `RETRYING_THREADS`."""
    found = set()
    for thread in running_threads():
        # The thread may have ended.
        with suppress(OSError):
            name = Path(f"/proc/self/task/{thread}/comm").read_text(encoding="utf-8")
            if name.startswith(RETRYING_THREADS):
                found.add(thread)
    return found


def running_cores() -> tuple[int, ...]:
    """Return the cores that this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


def _keep_freed_memory() -> None:
    """Keep large freed blocks in the process.

    By default glibc returns them to the kernel, and the next image faults in zeroed pages: copying
    640x480 pixels then takes 0.6 ms instead of 0.04 ms.
    """
    libc = ctypes.CDLL(None)
    for option, size in ((M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES), (M_TRIM_THRESHOLD, KEPT_BYTES)):
        if libc.mallopt(option, size) != 1:
            raise OSError(f"this C library refuses {size} bytes")


def _set_affinity(cores: tuple[int, ...]) -> str:
    def set_affinity() -> None:
        for thread in running_threads():
            os.sched_setaffinity(thread, cores)

    return _try(f"cores {cores}", set_affinity)


def _lock_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _try(name: str, request: Callable[[], None]) -> str:
    try:
        request()
    except (OSError, ValueError, AttributeError) as error:
        return f"{name}: not granted ({error})"
    return f"{name}: granted"
