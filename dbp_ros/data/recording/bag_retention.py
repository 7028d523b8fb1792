"""Deletion of the oldest recorded episodes, by total size and age."""

import time
from collections.abc import Iterator
from pathlib import Path

from dbp_ros.data.recording.recorder import bag_numbers, bag_path

BYTES_PER_MB = 1_000_000
SECONDS_PER_HOUR = 3600.0


class BagRetention:
    """Limit of the bags in a folder.

    Attributes:
        deleted: Number of deleted bags.
    """

    def __init__(self, folder: Path, max_mb: float, max_age_h: float, min_bags: int) -> None:
        """Set the limits.

        Args:
            folder: Folder of the bags.
            max_mb: Largest total size in [MB], 0 for no limit.
            max_age_h: Largest age of a bag in [h], 0 for no limit.
            min_bags: Newest bags that remain in any case, at least 1: the newest one continues
                the numbering.
        """
        self.deleted = 0
        self._folder, self._max_mb, self._max_age_h = folder, max_mb, max_age_h
        self._min_bags = min_bags

    def apply(self) -> None:
        """Delete bags beyond the limits."""
        for path in list(self._excess()):
            path.unlink(missing_ok=True)
            self.deleted += 1

    def _excess(self) -> Iterator[Path]:
        """Yield the bags to delete, the oldest first."""
        paths = [bag_path(self._folder, number) for number in bag_numbers(self._folder)]
        status = [path.stat() for path in paths]
        size = sum(one.st_size for one in status)
        oldest_s = time.time() - SECONDS_PER_HOUR * self._max_age_h
        for path, one in zip(paths[: -self._min_bags], status, strict=False):
            too_large = self._max_mb and size > BYTES_PER_MB * self._max_mb
            too_old = self._max_age_h and one.st_mtime < oldest_s
            if not (too_large or too_old):
                return
            size -= one.st_size
            yield path
