"""Queue of the recorded episodes of all robots, with repeatable deliveries after a restart."""

import json
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from dbp_ros.data.recording.recorder import LOCK, bag_numbers, bag_path
from dbp_ros.errors import TrainingError
from dbp_ros.files import locked, write_text

# Folder name of the robot whose node runs the learner: its bags are not in a subfolder.
OWN = ""


class RecordedEpisode(NamedTuple):
    """An episode of a robot.

    Attributes:
        robot: Subfolder of the robot's bags.
        number: Number of the episode among those of the robot.
    """

    robot: str
    number: int

    def path(self, episodes: Path) -> Path:
        """Return the path of the bag in the folder of all episodes."""
        return bag_path(episodes / self.robot, self.number)


class EpisodeQueue:
    """Queue of new episodes.

    Beyond the capacity the oldest episodes of a robot are skipped. The selection depends on the
    time of the call, so a journal records deliveries until they are acknowledged; a restarted
    process repeats them. Robots may be added at any time.

    Attributes:
        last: Number of the last delivered episode of each robot.
        skipped: Number of skipped episodes.
    """

    def __init__(
        self, episodes: Path, journal: Path, acknowledged: Mapping[str, int], capacity: int
    ) -> None:
        """Continue after the acknowledged episodes.

        Args:
            episodes: Folder of the bags, with a subfolder for each further robot.
            journal: File of the deliveries that are not acknowledged.
            acknowledged: Number of the last acknowledged episode of each robot.
            capacity: Episodes of a robot that may wait.

        Raises:
            TrainingError: If the journal cannot be read.
        """
        self.last, self.skipped = dict(acknowledged), 0
        self._episodes, self._journal, self._capacity = episodes, journal, capacity
        self._delivered = [one for one in _read(journal) if self._is_new(one)]
        self._repeats = list(self._delivered)

    @property
    def robots(self) -> list[str]:
        """Folder names of all robots."""
        if not self._episodes.is_dir():
            return [OWN]
        return [OWN, *sorted(path.name for path in self._episodes.iterdir() if path.is_dir())]

    def active_robots(self, earlier: Mapping[str, int]) -> list[str]:
        """Return the robots with a new episode, and those that have joined and run now.

        Args:
            earlier: An earlier value of `last`.
        """
        return [
            robot
            for robot in self.robots
            if self.last.get(robot, 0) != earlier.get(robot, 0)
            or (robot != OWN and _is_locked(self._episodes / robot / LOCK))
        ]

    def new_episodes(self) -> Iterator[RecordedEpisode]:
        """Yield the episodes to read, those of each robot in order."""
        while self._repeats:
            yield self._deliver(self._repeats.pop(0))
        for episode in self._waiting():
            self._delivered.append(episode)
            write_text(self._journal, json.dumps(self._delivered))
            yield self._deliver(episode)

    def acknowledge(self) -> None:
        """Remove the deliveries from the journal, once a checkpoint includes their updates.

        Deliveries that are not repeated yet stay.
        """
        self._delivered = list(self._repeats)

    def _is_new(self, episode: RecordedEpisode) -> bool:
        return episode.number > self.last.get(episode.robot, 0)

    def _deliver(self, episode: RecordedEpisode) -> RecordedEpisode:
        self.last[episode.robot] = episode.number
        return episode

    def _waiting(self) -> list[RecordedEpisode]:
        """Return the new episodes, the newest of each robot only, in the order of their ends."""
        waiting: list[tuple[int, RecordedEpisode]] = []
        for robot in self.robots:
            numbers = bag_numbers(self._episodes / robot)
            if numbers and numbers[-1] < self.last.get(robot, 0):
                # The bags were deleted, and the numbering has begun again.
                self.last[robot] = 0
            new = [one for one in (RecordedEpisode(robot, n) for n in numbers) if self._is_new(one)]
            self.skipped += max(0, len(new) - self._capacity)
            # A clock that was set back does not change the order of a robot's episodes.
            ends = accumulate(
                (one.path(self._episodes).stat().st_mtime_ns for one in new[-self._capacity :]), max
            )
            waiting += zip(ends, new[-self._capacity :], strict=True)
        return [episode for _, episode in sorted(waiting)]


def _is_locked(path: Path) -> bool:
    """Return whether a process has locked a file, which need not exist."""
    if not path.exists():
        return False
    try:
        with locked(path, 0.0):
            return False
    except TimeoutError:
        return True


def _read(journal: Path) -> list[RecordedEpisode]:
    if not journal.exists():
        return []
    try:
        found = json.loads(journal.read_text(encoding="utf-8"))
        return [RecordedEpisode(str(robot), int(number)) for robot, number in found]
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{journal} cannot be read ({error}): delete it") from error
