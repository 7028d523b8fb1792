"""Episodes of a recorder on request of an operator, as long as the disk has space."""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.recording.disk_space import DiskSpace
from dbp_ros.data.recording.recorder import PREROLL_S, BagRecorder
from dbp_ros.data.recording.ring_buffer import BYTES_PER_MB
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.recorder import COMMANDS
from dbp_ros.types import NS_PER_S

# Termination reason of an episode that ends because of the disk.
DISK = "disk"
SLOW = "the queue of the writer is full: use a faster disk"


class RecordingSession:
    """Start and stop of a recorder on request of an operator.

    Every request returns a sentence for the operator. None waits for the disk, as the messages of
    that time would be lost; `writing` states when an episode is on the disk. All times are on the
    ROS clock.

    Attributes:
        ended: Number of ended episodes, by termination reason.
        discarded: Number of discarded episodes.
        problem: Why the disk ended the last episode; empty if it did not.
    """

    def __init__(
        self,
        recorder: BagRecorder,
        metadata: Callable[[], Mapping[str, Any]],
        disk: DiskSpace,
        missing: Callable[[], str] = lambda: "",
    ) -> None:
        """Prepare for the first episode.

        Args:
            recorder: The recorder.
            metadata: Returns the metadata of the next bag.
            disk: Limit of the free space.
            missing: Returns which messages are missing for an episode; empty if none are.
        """
        self.ended: dict[str, int] = {}
        self.discarded = 0
        self.problem = ""
        self._recorder, self._metadata = recorder, metadata
        self._disk, self._missing = disk, missing
        self._begun_ns = 0
        self._unwritten: list[Event] = []

    def run(self, command: str, now_ns: int) -> str:
        """Execute one of `COMMANDS`.

        Raises:
            EpisodeError: If the command is unknown or is not possible at present.
        """
        match command:
            case "toggle":
                return self.run("success" if self._recorder.recording else "begin", now_ns)
            case "begin":
                return self.begin(now_ns)
            case "success" | "failure":
                return self.end(command, now_ns)
            case "discard":
                return self.discard(now_ns)
            case "keep_last":
                return self.keep_last(now_ns)
        raise EpisodeError(f"the command is {command!r:.40}, expected one of {', '.join(COMMANDS)}")

    def begin(self, now_ns: int) -> str:
        """Begin an episode, with the messages of the last second.

        Raises:
            EpisodeError: If an episode is running, messages are missing, the disk has too little
                space or is too slow.
        """
        self._require_idle()
        if problem := self._missing() or self._disk.problem():
            raise EpisodeError(problem)
        self._recorder.begin(self._metadata())
        if not self._recorder.recording:
            raise EpisodeError(SLOW)
        self._begun_ns, self.problem = now_ns, ""
        return f"recording episode {self._recorder.number}"

    def end(self, outcome: str, now_ns: int) -> str:
        """End the episode as `success` or `failure`.

        Raises:
            EpisodeError: If no episode is running.
        """
        self._require_running()
        sentence = f"episode {self._recorder.number}: {outcome}, {self._extent(now_ns)}"
        self._end(outcome, outcome, now_ns)
        return sentence

    def discard(self, now_ns: int) -> str:
        """Delete the running episode; the next one has its number.

        Raises:
            EpisodeError: If no episode is running.
        """
        self._require_running()
        sentence = f"episode {self._recorder.number} discarded, {self._extent(now_ns)}"
        self._unwritten.append(self._recorder.discard())
        self.discarded += 1
        return sentence

    def keep_last(self, now_ns: int) -> str:
        """Write the messages of the ring buffer as an episode without a result.

        Raises:
            EpisodeError: If an episode is running, the buffer is disabled or empty, the disk has
                too little space or is too slow.
        """
        self._require_idle()
        buffer = self._recorder.buffer
        if buffer.limit_s <= PREROLL_S:
            raise EpisodeError(
                f"the ring buffer has only the {PREROLL_S:g} s before an episode: set ring_buffer_s"
            )
        if not buffer.size_bytes:
            raise EpisodeError("the ring buffer has no messages: start the drivers of the robot")
        if problem := self._disk.problem(buffer.size_bytes):
            raise EpisodeError(problem)
        duration_s, wanted_s, short = buffer.duration_s, buffer.limit_s, buffer.short
        end = EpisodeEnd("failure", "operator", now_ns)
        if (on_disk := self._recorder.keep(self._metadata(), end)) is None:
            raise EpisodeError(SLOW)
        self._unwritten.append(on_disk)
        self._count("operator")
        limit = (
            f"; {wanted_s:g} s do not fit into {buffer.max_mb:g} MB: raise ring_buffer_mb, or "
            "record compressed images"
            if short
            else ""
        )
        megabytes = self._recorder.size_bytes / BYTES_PER_MB
        return (
            f"episode {self._recorder.number}: the last {duration_s:.1f} s, {megabytes:.1f} MB"
            f"{limit}"
        )

    def tick(self, now_ns: int) -> str:
        """End the episode if the disk has too little space; return why, else an empty text."""
        if not self._recorder.recording or not (problem := self._disk.problem()):
            return ""
        self.problem = f"episode {self._recorder.number} was ended: {problem}"
        self._end("failure", DISK, now_ns)
        return self.problem

    def close(self, now_ns: int) -> None:
        """End a running episode without a result."""
        if self._recorder.recording:
            self._end("failure", "operator", now_ns)

    def duration_s(self, now_ns: int) -> float:
        """Return the duration of the running episode in [s]; 0 without one."""
        return (now_ns - self._begun_ns) / NS_PER_S if self._recorder.recording else 0.0

    @property
    def writing(self) -> bool:
        """Whether an ended episode is not yet on the disk."""
        self._unwritten = [on_disk for on_disk in self._unwritten if not on_disk.is_set()]
        return bool(self._unwritten)

    def _end(self, outcome: str, reason: str, now_ns: int) -> None:
        self._count(reason)
        self._unwritten.append(self._recorder.end(EpisodeEnd(outcome, reason, now_ns)))

    def _count(self, reason: str) -> None:
        self.ended[reason] = self.ended.get(reason, 0) + 1

    def _extent(self, now_ns: int) -> str:
        megabytes = self._recorder.size_bytes / BYTES_PER_MB
        return f"{self.duration_s(now_ns):.1f} s, {megabytes:.1f} MB"

    def _require_idle(self) -> None:
        if self._recorder.recording:
            raise EpisodeError(
                f"episode {self._recorder.number} is running: end it first, as success or failure"
            )

    def _require_running(self) -> None:
        if not self._recorder.recording:
            raise EpisodeError("no episode is running: begin one first")
