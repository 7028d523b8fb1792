"""Notices that somebody put other files into the folder of a model."""

from pathlib import Path

from dbp_ros.types import NS_PER_S

PERIOD_NS = NS_PER_S


class FolderWatcher:
    """Looks once a second at the files of a folder: names, sizes and times of change, no more."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen: list[tuple[str, int, int]] = []
        self._due_ns = 0

    def changed(self, now_ns: int) -> bool:
        """Return whether files differ from when this was last true; false between two looks."""
        if now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + PERIOD_NS
        found = self._look()
        changed = bool(found) and found != self._seen
        self._seen = found or self._seen
        return changed

    def _look(self) -> list[tuple[str, int, int]]:
        """Times of change of the file system, not of the content: a copy may keep the latter."""
        try:
            found = [(path.name, path.stat()) for path in self.directory.iterdir()]
        except OSError:
            return []
        return sorted((name, status.st_size, status.st_ctime_ns) for name, status in found)
