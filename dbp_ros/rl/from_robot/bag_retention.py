"""Deletion of the oldest recorded episodes of each robot, by total size and age."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dbp_ros.data.recorder import bag_numbers, bag_path

BYTES_PER_MB = 1_000_000
SECONDS_PER_HOUR = 3600.0


class BagRetention:
    """Limit of the bags of each robot. The newest bag remains, as it continues the numbering.

    Attributes:
        deleted: Number of deleted bags.
    """

    def __init__(self, folder: Path, max_mb: float, max_age_h: float) -> None:
        """Set the limits.

        Args:
            folder: Folder of the bags, with a subfolder for each further robot.
            max_mb: Largest total size of a robot's bags in [MB], 0 for no limit.
            max_age_h: Largest age of a bag in [h], 0 for no limit.
        """
        self.deleted = 0
        self._folder, self._max_mb, self._max_age_h = folder, max_mb, max_age_h

    def apply(self, used: Mapping[str, int]) -> None:
        """Delete bags beyond the limits.

        Args:
            used: Number of the last episode of each robot that is not needed any more; later ones
                remain.
        """
        for robot, last in used.items():
            for path in list(self._excess(self._folder / robot, last)):
                path.unlink(missing_ok=True)
                self.deleted += 1

    def _excess(self, folder: Path, used: int) -> Iterator[Path]:
        """Yield the bags of a robot to delete, the oldest first."""
        numbers = bag_numbers(folder)
        status = {number: bag_path(folder, number).stat() for number in numbers}
        size = sum(one.st_size for one in status.values())
        oldest_s = time.time() - SECONDS_PER_HOUR * self._max_age_h
        for number in numbers[:-1]:
            too_large = self._max_mb and size > BYTES_PER_MB * self._max_mb
            too_old = self._max_age_h and status[number].st_mtime < oldest_s
            if number > used or not (too_large or too_old):
                return
            size -= status[number].st_size
            yield bag_path(folder, number)
