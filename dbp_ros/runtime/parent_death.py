"""Parent-death signal: a process ends when the process that started it ends."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1

# Loaded at import, as few operations are safe between fork and exec.
_libc = ctypes.CDLL(None)


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Request a signal for the end of the parent process; exit if the parent has ended already.

    Args:
        parent: Id of the parent process, which must start this process in its main thread.
        number: Signal to receive.
    """
    _libc.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
