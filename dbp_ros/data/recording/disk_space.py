"""Free space of the disk of a folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

BYTES_PER_GB = 1_000_000_000


class DiskSpace:
    """Limit of the free space of the disk that has a folder."""

    def __init__(
        self,
        folder: Path,
        min_free_gb: float,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """Prepare.

        Args:
            folder: An existing folder.
            min_free_gb: Smallest free space [GB].
            free_bytes: Returns the free space of the disk of a folder.
        """
        self._folder, self._min_free_gb, self._free_bytes = folder, min_free_gb, free_bytes

    @property
    def free_gb(self) -> float:
        """Free space [GB]."""
        return self._free_bytes(self._folder) / BYTES_PER_GB

    def problem(self, needed_bytes: int = 0) -> str:
        """Return why some bytes cannot be written, with the remedy; empty if they can."""
        free_gb = self.free_gb
        required_gb = self._min_free_gb + needed_bytes / BYTES_PER_GB
        if free_gb >= required_gb:
            return ""
        return (
            f"the disk of {self._folder} has {free_gb:.1f} GB free, expected at least "
            f"{required_gb:.1f} GB (min_free_gb): delete files, or give another folder"
        )

    def remaining_s(self, bytes_per_s: float) -> float | None:
        """Return the time in [s] until the limit at a data rate; None without data."""
        if bytes_per_s <= 0.0:
            return None
        return max(0.0, self.free_gb - self._min_free_gb) * BYTES_PER_GB / bytes_per_s
