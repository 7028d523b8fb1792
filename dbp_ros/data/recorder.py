"""Writes episodes to disk while they happen, and loses no more than a second of one to a kill."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dbp_ros.data.bag import BagTopic, BagWriter, EpisodeEnd, mend_bag
from dbp_ros.types import seconds_to_ns

SUFFIX = ".mcap"
RECORDING, EPISODE = "recording_", "episode_"
SYNC_S, POLL_S = 0.5, 0.1
# An episode's first decision was made from what had come before it.
PRELUDE_S = 1.0
WAITING_MESSAGES = 4000
# Unlike a message, an end is waited for. A bag without one is mended at the next start.
END_WAITS_S = 2.0

Task = Callable[[], None]
# A role, a serialised message, and when it came.
Said = tuple[str, bytes, int]


def bag_path(folder: Path, number: int) -> Path:
    """Return the path of the bag of an episode that is over."""
    return folder / f"{EPISODE}{number:06d}{SUFFIX}"


def bag_numbers(folder: Path) -> list[int]:
    """Return the numbers of the episodes that are over, in order."""
    return sorted(_number(path) for path in folder.glob(f"{EPISODE}*{SUFFIX}"))


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def mend_folder(folder: Path) -> list[int]:
    """Make whole bags of those that an earlier run left cut off; return their numbers."""
    mended = []
    for path in sorted(folder.glob(f"{RECORDING}*{SUFFIX}")):
        mend_bag(path, bag_path(folder, _number(path)))
        if bag_path(folder, _number(path)).exists():
            mended.append(_number(path))
    return mended


class BagRecorder:
    """Records the topics of a robot, one bag for each episode.

    `put`, `begin` and `end` are called by one thread and never wait for the disk; a thread of its
    own writes. What it cannot write in time is dropped and counted.
    """

    def __init__(
        self, folder: Path, sources: Mapping[str, BagTopic], ended: Callable[[int], None]
    ) -> None:
        """Mend what was cut off, and go on counting from there.

        Args:
            folder: Where the bags belong. It is made.
            sources: The topics, by what role they play.
            ended: Called by the writing thread with the number of a bag that is whole.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.mended = mend_folder(folder)
        self.number = max(bag_numbers(folder), default=0)
        self.recording = False
        self.dropped = 0
        self.error: Exception | None = None
        self.name = "recorder"
        self._folder, self._sources, self._ended = folder, sources, ended
        self._prelude: deque[Said] = deque()
        self._lasting: dict[str, Said] = {}
        self._newest_ns = 0
        self._tasks: queue.Queue[Task] = queue.Queue(WAITING_MESSAGES)
        self._closing = threading.Event()
        self._writer: BagWriter | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def put(self, role: str, data: bytes, stamp_ns: int) -> None:
        """Record a serialised message, or keep it for the beginning of the next episode."""
        self._newest_ns = stamp_ns
        if self._sources[role].lasts:
            self._lasting[role] = role, data, stamp_ns
        if self.recording:
            self._leave(lambda: self._write(role, data, stamp_ns))
            return
        self._prelude.append((role, data, stamp_ns))
        while self._prelude[0][2] < self._prelude_ns:
            self._prelude.popleft()

    @property
    def _prelude_ns(self) -> int:
        return self._newest_ns - seconds_to_ns(PRELUDE_S)

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Begin an episode, with what came in the last second and what holds since before."""
        self.number += 1
        prelude, number = [*self._still_holding(), *self._prelude], self.number
        self._prelude.clear()

        def open_bag() -> None:
            path = self._folder / f"{RECORDING}{number:06d}{SUFFIX}"
            self._writer = BagWriter(path, self._sources, facts)
            for message in prelude:
                self._write(*message)

        self.recording = self._leave(open_bag)

    def _still_holding(self) -> Iterator[Said]:
        """Yield what was said before the prelude and lasts, as of the prelude's beginning."""
        repeated = {role for role, _, _ in self._prelude}
        for role, data, stamp_ns in self._lasting.values():
            if role not in repeated:
                yield role, data, max(stamp_ns, self._prelude_ns)

    def end(self, end: EpisodeEnd) -> threading.Event:
        """End the episode; return what is set when all of it is on the disk."""
        number, on_disk = self.number, threading.Event()
        self.recording = False

        def close_bag() -> None:
            if self._writer is not None:
                self._writer.close(end)
                self._writer = None
                path = bag_path(self._folder, number)
                path.with_name(f"{RECORDING}{number:06d}{SUFFIX}").rename(path)
                on_disk.set()
                self._ended(number)

        self._leave(close_bag, END_WAITS_S)
        return on_disk

    def close(self) -> None:
        """Write what is left and stop. An episode that goes on is left cut off."""
        self._closing.set()
        self._thread.join(timeout=10.0)

    def _leave(self, task: Task, wait_s: float = 0.0) -> bool:
        try:
            self._tasks.put(task, wait_s > 0.0, wait_s)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def _write(self, role: str, data: bytes, stamp_ns: int) -> None:
        if self._writer is not None:
            self._writer.write(role, data, stamp_ns)

    def _run(self) -> None:
        try:
            sync_at = time.monotonic()
            while not (self._closing.is_set() and self._tasks.empty()):
                self._work(sync_at)
                if time.monotonic() >= sync_at:
                    sync_at = time.monotonic() + SYNC_S
                    self._sync()
            self._sync()
        except Exception as error:
            self.error = error
            raise

    def _work(self, until: float) -> None:
        """Do the next task, if there is one in time."""
        try:
            task = self._tasks.get(timeout=min(POLL_S, max(0.0, until - time.monotonic())))
        except queue.Empty:
            return
        task()

    def _sync(self) -> None:
        if self._writer is not None:
            self._writer.sync()
