"""Detection of changed files in the folder of a model, by polling."""

from contextlib import suppress
from pathlib import Path

from dbp_ros.types import NS_PER_S

PERIOD_NS = NS_PER_S


class FolderWatcher:
    """Poller of names, sizes and change times of the files in a folder, once a second."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._last: list[tuple[str, int, int]] = []
        self._due_ns = 0

    def changed(self, now_ns: int) -> bool:
        """Return whether files changed since the last detected change; False between two polls."""
        if now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + PERIOD_NS
        found = self._list_files()
        changed = bool(found) and found != self._last
        self._last = found or self._last
        return changed

    def _list_files(self) -> list[tuple[str, int, int]]:
        """Return names, sizes and inode change times: a copy may preserve modification times."""
        try:
            paths = list(self.directory.iterdir())
        except OSError:
            return []
        found = []
        for path in paths:
            # A dangling link, or a file that was just deleted.
            with suppress(OSError):
                status = path.stat()
                found.append((path.name, status.st_size, status.st_ctime_ns))
        return sorted(found)
