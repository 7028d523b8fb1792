"""Priority of a process below that of the control loops."""

import os
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def lower_priority(niceness: int) -> None:
    """Raise the niceness of this process, and of its session if it leads one.

    With `sched_autogroup`, the default of most desktop kernels, Linux shares the cores among
    sessions first, and the niceness of a process counts within its session only. Each process of a
    stack leads a session.

    Args:
        niceness: Increase, from 0 to 19.
    """
    found = os.nice(niceness)
    if os.getsid(0) == os.getpid():
        # Kernels without groups have no such file.
        with suppress(OSError):
            AUTOGROUP.write_text(str(found), encoding="ascii")
