"""Recorder of one bag per episode; a kill loses at most one second of messages."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dbp_ros.data.bag import BagTopic, BagWriter, EpisodeEnd, recover_bag
from dbp_ros.types import seconds_to_ns

SUFFIX = ".mcap"
RECORDING, EPISODE = "recording_", "episode_"
SYNC_S, POLL_S = 0.5, 0.1
# The first policy step of an episode is computed from messages that arrived before it.
PREROLL_S = 1.0
QUEUE_SIZE = 4000
# Timeout of the end of an episode, which is not dropped if the queue is full.
END_TIMEOUT_S = 2.0

WriteTask = Callable[[], None]
# Role, serialised message and time of arrival.
StampedMessage = tuple[str, bytes, int]


def bag_path(folder: Path, number: int) -> Path:
    """Return the path of the bag of a finished episode."""
    return folder / f"{EPISODE}{number:06d}{SUFFIX}"


def bag_numbers(folder: Path) -> list[int]:
    """Return the numbers of the finished episodes, in order."""
    return sorted(_number(path) for path in folder.glob(f"{EPISODE}*{SUFFIX}"))


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def recover_bags(folder: Path) -> list[int]:
    """Recover the incomplete bags of an earlier run, and return their numbers."""
    recovered = []
    for path in sorted(folder.glob(f"{RECORDING}*{SUFFIX}")):
        recover_bag(path, bag_path(folder, _number(path)))
        if bag_path(folder, _number(path)).exists():
            recovered.append(_number(path))
    return recovered


class BagRecorder:
    """Recorder of a robot's topics, one bag for each episode.

    One thread calls `record`, `begin` and `end`, which never block on the disk: a writer thread
    empties a queue. Messages are dropped and counted while the queue is full.

    Attributes:
        recovered: Numbers of the bags recovered from an earlier run.
        number: Number of the current or last episode.
        recording: Whether an episode is being recorded.
        dropped: Messages that were not recorded.
        error: Exception that ended the writer thread, or None.
    """

    def __init__(
        self,
        folder: Path,
        topics: Mapping[str, BagTopic],
        on_bag_closed: Callable[[int], None],
        compression: str = "none",
    ) -> None:
        """Recover incomplete bags, and continue their numbering.

        Args:
            folder: Folder of the bags; created if missing.
            topics: The topics, by role.
            on_bag_closed: Called by the writer thread with the number of a complete bag.
            compression: Of the bags; see `BagWriter`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.recovered = recover_bags(folder)
        self.number = max(bag_numbers(folder), default=0)
        self.recording = False
        self.dropped = 0
        self.error: Exception | None = None
        self.name = "recorder"
        self._folder, self._topics, self._on_bag_closed = folder, topics, on_bag_closed
        self._compression = compression
        self._preroll: deque[StampedMessage] = deque()
        self._latched: dict[str, StampedMessage] = {}
        self._newest_ns = 0
        self._tasks: queue.Queue[WriteTask] = queue.Queue(QUEUE_SIZE)
        self._closing = threading.Event()
        self._writer: BagWriter | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def record(self, role: str, data: bytes, stamp_ns: int) -> None:
        """Record a serialised message, or buffer it for the start of the next episode."""
        self._newest_ns = stamp_ns
        if self._topics[role].latched:
            self._latched[role] = role, data, stamp_ns
        if self.recording:
            self._enqueue(lambda: self._write(role, data, stamp_ns))
            return
        self._preroll.append((role, data, stamp_ns))
        while self._preroll[0][2] < self._preroll_ns:
            self._preroll.popleft()

    @property
    def _preroll_ns(self) -> int:
        return self._newest_ns - seconds_to_ns(PREROLL_S)

    def begin(self, metadata: Mapping[str, Any]) -> None:
        """Begin an episode with the messages of the last second and the latched ones."""
        self.number += 1
        preroll, number = [*self._older_latched(), *self._preroll], self.number
        self._preroll.clear()

        def open_bag() -> None:
            path = self._folder / f"{RECORDING}{number:06d}{SUFFIX}"
            self._writer = BagWriter(path, self._topics, metadata, self._compression)
            for message in preroll:
                self._write(*message)

        self.recording = self._enqueue(open_bag)

    def _older_latched(self) -> Iterator[StampedMessage]:
        """Yield latched messages from before the preroll, with its start as their stamp."""
        in_preroll = {role for role, _, _ in self._preroll}
        for role, data, stamp_ns in self._latched.values():
            if role not in in_preroll:
                yield role, data, max(stamp_ns, self._preroll_ns)

    def end(self, end: EpisodeEnd) -> threading.Event:
        """End the episode, and return an event that is set when the bag is on the disk."""
        number, on_disk = self.number, threading.Event()
        self.recording = False

        def close_bag() -> None:
            if self._writer is not None:
                self._writer.close(end)
                self._writer = None
                path = bag_path(self._folder, number)
                path.with_name(f"{RECORDING}{number:06d}{SUFFIX}").rename(path)
                on_disk.set()
                self._on_bag_closed(number)

        self._enqueue(close_bag, END_TIMEOUT_S)
        return on_disk

    def close(self) -> None:
        """Write the queued messages and stop; the bag of a running episode stays incomplete."""
        self._closing.set()
        self._thread.join(timeout=10.0)

    def _enqueue(self, task: WriteTask, timeout_s: float = 0.0) -> bool:
        try:
            self._tasks.put(task, timeout_s > 0.0, timeout_s)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def _write(self, role: str, data: bytes, stamp_ns: int) -> None:
        if self._writer is not None:
            self._writer.write(role, data, stamp_ns)

    def _run(self) -> None:
        try:
            sync_s = time.monotonic()
            while not (self._closing.is_set() and self._tasks.empty()):
                self._run_task(sync_s)
                if time.monotonic() >= sync_s:
                    sync_s = time.monotonic() + SYNC_S
                    self._sync()
            self._sync()
        except Exception as error:
            self.error = error
            raise

    def _run_task(self, until_s: float) -> None:
        """Run the next task, if one arrives in time."""
        try:
            task = self._tasks.get(timeout=min(POLL_S, max(0.0, until_s - time.monotonic())))
        except queue.Empty:
            return
        task()

    def _sync(self) -> None:
        if self._writer is not None:
            self._writer.sync()
