"""Which cores the processes of other stacks on this computer have.

A lease is a lock on a file: it ends with its process, however that dies. Containers see the leases
of one another only where they share the temporary folder.
"""

import fcntl
import os
import tempfile
import time
from pathlib import Path

FOLDER = "dbp_ros_cores"
WORLD_WRITABLE, READ_WRITE = 0o1777, 0o666
# Another process that looks at a lease holds it for microseconds.
ATTEMPTS, PAUSE_S = 3, 0.005


class CoreLeases:
    """The leases of one computer. What cannot be leased is free for all."""

    def __init__(self, folder: Path | None = None) -> None:
        """Prepare.

        Args:
            folder: Of the lock files; one in the temporary folder if None.
        """
        self._folder = folder or Path(tempfile.gettempdir()) / FOLDER
        self._held: dict[str, int] = {}

    def take(self, role: str, core: int) -> bool:
        """Lease a core until this process ends; return whether no other process has it.

        Args:
            role: What it is for, such as `guard`; a core has one lease for each.
            core: Its number.
        """
        name = f"{role}-{core}"
        if name in self._held:
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
                self._held[name] = descriptor
                return True
        os.close(descriptor)
        return False

    def taken(self, role: str) -> set[int]:
        """Return the cores that other processes have for a role."""
        if not self._folder.is_dir():
            return set()
        names = [path.name for path in self._folder.glob(f"{role}-*")]
        return {int(name.rpartition("-")[2]) for name in names if self._is_taken(name)}

    def _is_taken(self, name: str) -> bool:
        if name in self._held:
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
            # Another user's file in a folder of all users must not be opened to be created.
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, READ_WRITE)


LEASES = CoreLeases()
