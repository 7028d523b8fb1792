"""Leases of CPU cores among the stacks of one computer.

A lease is a file lock, which the kernel releases when the process ends. Containers share leases
only if they share the temporary folder.
"""

import fcntl
import os
import tempfile
import time
from pathlib import Path

FOLDER = "dbp_ros_cores"
WORLD_WRITABLE, READ_WRITE = 0o1777, 0o666
# A process that checks a lease locks it for microseconds.
ATTEMPTS, PAUSE_S = 3, 0.005


class CoreLeases:
    """Core leases of one process. A core counts as free if its lock file cannot be created."""

    def __init__(self, folder: Path | None = None) -> None:
        """Set the folder of the lock files; by default one in the temporary folder."""
        self._folder = folder or Path(tempfile.gettempdir()) / FOLDER
        self._descriptors: dict[str, int] = {}

    def take(self, role: str, core: int) -> bool:
        """Lease a core until this process ends; return whether no other process has the lease.

        Args:
            role: Role of the process, such as `guard`; a core has one lease per role.
            core: Number of the core.
        """
        name = f"{role}-{core}"
        if name in self._descriptors:
            return True
        try:
            descriptor = self._open(name)
        except OSError:
            return True
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if attempt < ATTEMPTS - 1:
                    time.sleep(PAUSE_S)
            else:
                self._descriptors[name] = descriptor
                return True
        os.close(descriptor)
        return False

    def taken(self, role: str) -> set[int]:
        """Return the cores that other processes lease for a role."""
        if not self._folder.is_dir():
            return set()
        names = [path.name for path in self._folder.glob(f"{role}-*")]
        cores = {name: name.rpartition("-")[2] for name in names}
        # Any user may create files in this folder.
        return {int(c) for name, c in cores.items() if c.isdecimal() and self._is_taken(name)}

    def _is_taken(self, name: str) -> bool:
        if name in self._descriptors:
            return False
        try:
            descriptor = self._open(name)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _open(self, name: str) -> int:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(WORLD_WRITABLE)
        path = self._folder / name
        try:
            # In a sticky folder Linux refuses O_CREAT on a file of another user.
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, READ_WRITE)


LEASES = CoreLeases()
