"""Which recorded episodes wait to be learned from, the same after a kill as without one."""

import json
from collections.abc import Iterator
from pathlib import Path

from dbp_ros.data.recorder import bag_numbers
from dbp_ros.errors import TrainingError
from dbp_ros.files import write_text


class EpisodeQueue:
    """Hands out the numbers of new episodes, and notes on the disk which ones it has.

    Where too many wait the oldest are skipped. That depends on when somebody looked, so a process
    that is started anew does not decide it again: it begins with what was handed out before.

    Attributes:
        last: The number of the last episode that was handed out.
        skipped: How many episodes were skipped.
    """

    def __init__(self, episodes: Path, note: Path, learned: int, most: int) -> None:
        """Go on behind what was learned from.

        Args:
            episodes: Folder of the bags.
            note: File in which to note what was handed out since.
            learned: Number of the last episode that was learned from.
            most: Episodes that may wait.

        Raises:
            TrainingError: If the note cannot be read.
        """
        self.last, self.skipped = learned, 0
        self._episodes, self._note, self._most = episodes, note, most
        self._noted = [number for number in _read(note) if number > learned]
        self._again = list(self._noted)

    def take(self) -> Iterator[int]:
        """Yield the numbers of the episodes to read, in order."""
        while self._again:
            self.last = self._again.pop(0)
            yield self.last
        waiting = [number for number in bag_numbers(self._episodes) if number > self.last]
        skipped = waiting[: -self._most]
        self.skipped += len(skipped)
        for self.last in waiting[len(skipped) :]:
            self._noted.append(self.last)
            write_text(self._note, json.dumps(self._noted))
            yield self.last

    def learned(self) -> None:
        """Forget what was handed out: somebody has learned from it, and will not forget it."""
        self._noted = []


def _read(note: Path) -> list[int]:
    if not note.exists():
        return []
    try:
        return [int(number) for number in json.loads(note.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{note} cannot be read ({error}): delete it") from error
