"""Deletion of the oldest recorded episodes, by total size and age."""

import time
from collections.abc import Iterator
from pathlib import Path

from dbp_ros.data.recorder import bag_numbers, bag_path

BYTES_PER_MB = 1_000_000
SECONDS_PER_HOUR = 3600.0


class BagRetention:
    """Limit of the bags in a folder. The newest bag remains, as it continues the numbering.

    Attributes:
        deleted: Number of deleted bags.
    """

    def __init__(self, folder: Path, max_mb: float, max_age_h: float) -> None:
        """Set the limits.

        Args:
            folder: Folder of the bags.
            max_mb: Largest total size in [MB], 0 for no limit.
            max_age_h: Largest age of a bag in [h], 0 for no limit.
        """
        self.deleted = 0
        self._folder, self._max_mb, self._max_age_h = folder, max_mb, max_age_h

    def apply(self, used: int) -> None:
        """Delete bags beyond the limits.

        Args:
            used: Number of the last episode that is not needed any more; later ones remain.
        """
        for path in list(self._excess(used)):
            path.unlink(missing_ok=True)
            self.deleted += 1

    def _excess(self, used: int) -> Iterator[Path]:
        """Yield the bags to delete, the oldest first."""
        numbers = bag_numbers(self._folder)
        status = {number: bag_path(self._folder, number).stat() for number in numbers}
        size = sum(one.st_size for one in status.values())
        oldest_s = time.time() - SECONDS_PER_HOUR * self._max_age_h
        for number in numbers[:-1]:
            too_large = self._max_mb and size > BYTES_PER_MB * self._max_mb
            too_old = self._max_age_h and status[number].st_mtime < oldest_s
            if number > used or not (too_large or too_old):
                return
            size -= status[number].st_size
            yield bag_path(self._folder, number)
