"""Queue of recorded episodes with repeatable deliveries after a restart."""

import json
from collections.abc import Iterator
from pathlib import Path

from dbp_ros.data.recorder import bag_numbers
from dbp_ros.errors import TrainingError
from dbp_ros.files import write_text


class EpisodeQueue:
    """Queue of the numbers of new episodes.

    Beyond the capacity the oldest episodes are skipped. The selection depends on the time of the
    call, so a journal records deliveries until they are acknowledged; a restarted process repeats
    them.

    Attributes:
        last: Number of the last delivered episode.
        skipped: Number of skipped episodes.
    """

    def __init__(self, episodes: Path, journal: Path, acknowledged: int, capacity: int) -> None:
        """Continue after the acknowledged episodes.

        Args:
            episodes: Folder of the bags.
            journal: File of the deliveries that are not acknowledged.
            acknowledged: Number of the last acknowledged episode.
            capacity: Episodes that may wait.

        Raises:
            TrainingError: If the journal cannot be read.
        """
        self.last, self.skipped = acknowledged, 0
        self._episodes, self._journal, self._capacity = episodes, journal, capacity
        self._delivered = [number for number in _read(journal) if number > acknowledged]
        self._repeats = list(self._delivered)

    def new_episodes(self) -> Iterator[int]:
        """Yield the numbers of the episodes to read, in order."""
        while self._repeats:
            self.last = self._repeats.pop(0)
            yield self.last
        waiting = [number for number in bag_numbers(self._episodes) if number > self.last]
        skipped = waiting[: -self._capacity]
        self.skipped += len(skipped)
        for self.last in waiting[len(skipped) :]:
            self._delivered.append(self.last)
            write_text(self._journal, json.dumps(self._delivered))
            yield self.last

    def acknowledge(self) -> None:
        """Remove the deliveries from the journal, once a checkpoint includes their updates."""
        self._delivered = []


def _read(journal: Path) -> list[int]:
    if not journal.exists():
        return []
    try:
        return [int(number) for number in json.loads(journal.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{journal} cannot be read ({error}): delete it") from error
