"""Recorder of one bag per episode; a kill loses at most one second of messages."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dbp_ros.data.bags.bag import BagTopic, BagWriter, EpisodeEnd, recover_bag
from dbp_ros.data.editing.episode_names import number_of
from dbp_ros.data.labels import read_labels
from dbp_ros.data.recording.ring_buffer import RingBuffer, StampedMessage
from dbp_ros.types import seconds_to_ns

SUFFIX = ".mcap"
RECORDING, EPISODE = "recording_", "episode_"
SYNC_S, POLL_S = 0.5, 0.1
# The first policy step of an episode is computed from messages that arrived before it.
PREROLL_S = 1.0
QUEUE_SIZE = 4000
# Memory of the queue, for images on a slow disk.
QUEUE_BYTES = 256_000_000

WriteTask = Callable[[], None]


def bag_path(folder: Path, number: int) -> Path:
    """Return the path of the bag of a finished episode."""
    return folder / f"{EPISODE}{number:06d}{SUFFIX}"


def _unfinished_path(folder: Path, number: int) -> Path:
    """Return the path of the bag of an episode that is not finished."""
    return folder / f"{RECORDING}{number:06d}{SUFFIX}"


def bag_numbers(folder: Path) -> list[int]:
    """Return the numbers of the finished episodes, in order; a copy under another name has none."""
    return _numbers(folder, EPISODE)


def _numbers(folder: Path, prefix: str) -> list[int]:
    stems = [path.stem.removeprefix(prefix) for path in folder.glob(f"{prefix}*{SUFFIX}")]
    return sorted(int(stem) for stem in stems if stem.isdecimal() and stem == f"{int(stem):06d}")


def recover_bags(folder: Path) -> list[int]:
    """Recover the incomplete bags of an earlier run, and return their numbers."""
    recovered = []
    for number in _numbers(folder, RECORDING):
        recover_bag(_unfinished_path(folder, number), bag_path(folder, number))
        if bag_path(folder, number).exists():
            recovered.append(number)
    return recovered


# File in a folder of bags that its only recorder locks.
LOCK = ".lock"


class BagRecorder:
    """Recorder of a robot's topics, one bag for each episode.

    One thread calls `record`, `begin`, `end`, `discard` and `keep`, which never block on the disk:
    a writer thread empties a queue. Messages are dropped and counted while the queue is full.

    Attributes:
        recovered: Numbers of the bags recovered from an earlier run.
        number: Number of the current or last episode.
        recording: Whether an episode is being recorded.
        messages: Messages of the current or last episode.
        size_bytes: Size of these messages.
        dropped: Messages that were not recorded.
        buffer: Messages before the next episode.
        error: Exception that ended the writer thread, or None.
    """

    def __init__(
        self,
        folder: Path,
        topics: Mapping[str, BagTopic],
        on_bag_closed: Callable[[int], None],
        compression: str = "none",
        buffer: RingBuffer | None = None,
    ) -> None:
        """Recover incomplete bags, and continue the numbering of bags and labels.

        Args:
            folder: Folder of the bags; created if missing.
            topics: The topics, by role.
            on_bag_closed: Called by the writer thread with the number of a complete bag.
            compression: Of the bags; see `BagWriter`.
            buffer: Empty buffer for the messages before an episode; by default of `PREROLL_S`.

        Raises:
            EpisodeError: If the labels of the folder cannot be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.recovered = recover_bags(folder)
        # The label of a deleted bag must not apply to a new one.
        labelled = map(number_of, read_labels(folder))
        self.number = max((*bag_numbers(folder), *labelled), default=0)
        self.recording = False
        self.messages = self.size_bytes = self.dropped = 0
        self.buffer = buffer or RingBuffer(PREROLL_S)
        self.error: Exception | None = None
        self.name = "recorder"
        self._folder, self._topics, self._on_bag_closed = folder, topics, on_bag_closed
        self._compression = compression
        # Latched messages from before those of the buffer.
        self._latched: dict[str, StampedMessage] = {}
        self._newest_ns = 0
        # Without a limit for the ends of episodes, which are never lost.
        self._tasks: queue.SimpleQueue[WriteTask] = queue.SimpleQueue()
        # Each has one writer: the calling thread, and the writer thread.
        self._queued_bytes = self._written_bytes = 0
        self._closing = threading.Event()
        self._writer: BagWriter | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def record(self, role: str, data: bytes, stamp_ns: int) -> None:
        """Record a serialised message, or buffer it for the start of the next episode."""
        self._newest_ns = stamp_ns
        if not self.recording:
            self._update_latched(self.buffer.add((role, data, stamp_ns)))
            return
        self._update_latched([(role, data, stamp_ns)])
        if self._queued_bytes - self._written_bytes > QUEUE_BYTES:
            self.dropped += 1
        elif self._enqueue(lambda: self._write_queued(role, data, stamp_ns)):
            self._queued_bytes += len(data)
            self._count(data)

    def begin(self, metadata: Mapping[str, Any]) -> None:
        """Begin an episode with the messages of the last second and the latched ones."""
        # A simulated clock begins at 0.
        start_ns = max(0, self._newest_ns - seconds_to_ns(PREROLL_S))
        messages = self.buffer.take()
        self._update_latched(message for message in messages if message[2] < start_ns)
        preroll = [message for message in messages if message[2] >= start_ns]
        self._begin(metadata, preroll, start_ns)

    def end(self, end: EpisodeEnd) -> threading.Event:
        """End the episode, and return an event that is set when the bag is on the disk."""
        number, on_disk = self.number, threading.Event()
        self.recording = False

        def close_bag() -> None:
            if self._writer is not None:
                self._writer.close(end)
                self._writer = None
                self._path(number).rename(bag_path(self._folder, number))
                on_disk.set()
                self._on_bag_closed(number)

        self._tasks.put(close_bag)
        return on_disk

    def discard(self) -> threading.Event:
        """End the episode and delete its bag; the next one has its number.

        Returns:
            An event that is set when the bag is deleted.
        """
        number, deleted = self.number, threading.Event()
        self.recording = False
        self.number -= 1

        def delete_bag() -> None:
            if self._writer is not None:
                self._writer.abandon()
                self._writer = None
                self._path(number).unlink()
            deleted.set()

        self._tasks.put(delete_bag)
        return deleted

    def keep(self, metadata: Mapping[str, Any], end: EpisodeEnd) -> threading.Event | None:
        """Write the messages of the buffer as an episode, and empty the buffer.

        Returns:
            An event that is set when the bag is on the disk; None if the queue is full.
        """
        messages = self.buffer.take()
        self._begin(metadata, messages, messages[0][2] if messages else self._newest_ns)
        self._update_latched(messages)
        return self.end(end) if self.recording else None

    def _begin(
        self, metadata: Mapping[str, Any], messages: Sequence[StampedMessage], start_ns: int
    ) -> None:
        """Begin an episode with messages, after the latched ones that are older than its start."""
        older = [(role, data, start_ns) for role, data, _ in self._latched.values()]
        first = [*older, *messages]
        number = self.number + 1

        def open_bag() -> None:
            self._writer = BagWriter(self._path(number), self._topics, metadata, self._compression)
            for message in first:
                self._write(*message)
            # A kill from now on leaves an episode.
            self._sync()

        self.recording = self._enqueue(open_bag)
        if self.recording:
            self.number, self.messages, self.size_bytes = number, 0, 0
            for _, data, _ in first:
                self._count(data)

    def _update_latched(self, messages: Iterable[StampedMessage]) -> None:
        """Store the messages that stay in effect after they have left the buffer."""
        for message in messages:
            if self._topics[message[0]].latched:
                self._latched[message[0]] = message

    def _count(self, data: bytes) -> None:
        self.messages += 1
        self.size_bytes += len(data)

    def _path(self, number: int) -> Path:
        return _unfinished_path(self._folder, number)

    def close(self) -> None:
        """Write the queued messages and stop; the bag of a running episode stays incomplete."""
        self._closing.set()
        self._thread.join(timeout=10.0)

    def _enqueue(self, task: WriteTask) -> bool:
        """Queue a message or the begin of an episode, if the queue is not full."""
        if self._tasks.qsize() >= QUEUE_SIZE:
            self.dropped += 1
            return False
        self._tasks.put(task)
        return True

    def _write_queued(self, role: str, data: bytes, stamp_ns: int) -> None:
        self._written_bytes += len(data)
        self._write(role, data, stamp_ns)

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
