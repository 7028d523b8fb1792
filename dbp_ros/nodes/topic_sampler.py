"""Sampling of topics: rate, timestamps and content of the messages of each publisher."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from dbp_ros.diagnosis.snapshot import TopicStream
from dbp_ros.errors import ObservationError
from dbp_ros.nodes.camera_images import ImageTransport
from dbp_ros.nodes.cdr import UNREADABLE, CachedNames, CdrReader
from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS, StampCheck
from dbp_ros.types import NS_PER_S

DEPTH = 100
# Maximum number of messages of a publisher that may be lost in sequence.
MAX_SEQUENCE_GAP = 1000
# Fraction of messages with a wrong timestamp above which it is reported.
MAX_WRONG_STAMPS = 0.5


@dataclass(frozen=True)
class SampledMessage:
    """Data of one sampled message.

    Attributes:
        names: Names of the joints; empty for other messages.
        stamp_ns: Timestamp; None if it is not checked.
        problem: Fault of its content; empty if there is none.
    """

    names: tuple[str, ...] = ()
    stamp_ns: int | None = None
    problem: str = ""


class RosTime:
    """Current time of the clock of the timestamps.

    Attributes:
        simulated: Whether the clock is `/clock`.
        real_time_factor: Seconds of `/clock` per second of wall time.
    """

    def __init__(self) -> None:
        self.simulated = False
        self.real_time_factor = 1.0
        self._clock_ns: int | None = None
        self._read_ns = 0

    def set(self, clock_ns: int) -> None:
        """Store the time of a `/clock` message."""
        self._clock_ns, self._read_ns = clock_ns, time.monotonic_ns()

    def at(self, received_ns: int) -> int | None:
        """Return the time at which a message was received; None without `/clock`.

        Args:
            received_ns: Time of reception on the system clock.
        """
        if not self.simulated:
            return received_ns
        if self._clock_ns is None:
            return None
        elapsed_ns = time.monotonic_ns() - self._read_ns
        return self._clock_ns + round(self.real_time_factor * elapsed_ns)


@dataclass(slots=True)
class _Series:
    """Messages with consecutive sequence numbers, i.e. of one publisher."""

    names: tuple[str, ...]
    check: StampCheck
    sequence: int = 0
    missing: int = 0
    largest_bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    count: int = 0
    wrong_stamps: int = 0
    stamp_age_s: float | None = None
    stamp_problem: str = ""
    problem: str = ""

    def rate_hz(self) -> float:
        elapsed_ns = self.last_ns - self.first_ns
        return (self.count - 1) * NS_PER_S / elapsed_ns if elapsed_ns > 0 else 0.0

    def stream(self) -> TopicStream:
        frequent = self.wrong_stamps > MAX_WRONG_STAMPS * self.count
        return TopicStream(
            self.names,
            self.rate_hz(),
            self.stamp_age_s,
            self.stamp_problem if frequent else "",
            self.problem,
            self.largest_bytes,
            self.missing / max(1, self.missing + self.count),
        )


@dataclass
class TopicSampler:
    """A polled subscription that separates the messages of different publishers.

    Attributes:
        topic: Full topic name.
        max_age_s: Age above which a timestamp is reported, in [s].
        max_messages: Number of messages after which it unsubscribes; 0 for no limit.
    """

    node: Node
    kind: Any
    topic: str
    read: Callable[[bytes], SampledMessage]
    ros_time: RosTime
    max_age_s: float = 0.2
    max_messages: int = 0
    _series: list[_Series] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        """Subscribe."""
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT
        )
        self._subscription: Any = self.node.create_subscription(
            self.kind, self.topic, _ignore, qos, raw=True
        )

    @property
    def streams(self) -> tuple[TopicStream, ...]:
        """One stream for each publisher with a message."""
        return tuple(series.stream() for series in self._series)

    @property
    def rate_hz(self) -> float:
        """Total message rate of all publishers."""
        return sum(series.rate_hz() for series in self._series)

    def poll(self) -> None:
        """Read all messages in the queue."""
        while self._subscription is not None:
            with self._subscription.handle:
                taken = self._subscription.handle.take_message(self.kind, True)
            if taken is None:
                return
            message, info = taken
            self._add(self.read(message), len(message), info)
            self._count += 1
            if self.max_messages and self._count >= self.max_messages:
                self.close()

    def close(self) -> None:
        """Destroy the subscription."""
        if self._subscription is not None:
            self.node.destroy_subscription(self._subscription)
            self._subscription = None

    def _add(self, sample: SampledMessage, size: int, info: dict[str, Any]) -> None:
        series = self._series_of(sample.names, info["publication_sequence_number"] or 0)
        series.count += 1
        series.largest_bytes = max(series.largest_bytes, size)
        series.last_ns = info["source_timestamp"]
        series.first_ns = series.first_ns or series.last_ns
        series.problem = sample.problem or series.problem
        if sample.stamp_ns is not None:
            self._check_stamp(series, sample.stamp_ns, info["received_timestamp"])

    def _check_stamp(self, series: _Series, stamp_ns: int, received_ns: int) -> None:
        now_ns = self.ros_time.at(received_ns)
        if now_ns is None:
            problem = series.check.problem(NO_CLOCK_NS, 0)
        elif stamp_ns == 0:
            problem = series.check.problem(UNSTAMPED_NS, now_ns)
        else:
            series.stamp_age_s = (now_ns - stamp_ns) / NS_PER_S
            problem = series.check.problem(stamp_ns, now_ns, 5.0 if self.ros_time.simulated else 1)
        series.wrong_stamps += bool(problem)
        series.stamp_problem = problem or series.stamp_problem

    def _series_of(self, names: tuple[str, ...], sequence: int) -> _Series:
        """Return the series of a message: the one with the smallest gap in sequence numbers."""
        gaps = [
            (sequence - series.sequence, k)
            for k, series in enumerate(self._series)
            if series.names == names and 0 < sequence - series.sequence <= MAX_SEQUENCE_GAP
        ]
        if gaps:
            gap, number = min(gaps)
            series = self._series[number]
            series.missing += gap - 1
        else:
            series = _Series(names, StampCheck(self.topic, round(self.max_age_s * NS_PER_S)))
            self._series.append(series)
        series.sequence = sequence
        return series


def read_joint_state(message: bytes) -> SampledMessage:
    """Read the bytes of a `sensor_msgs/msg/JointState`."""
    try:
        reader = CdrReader(message)
        stamp_ns = reader.header()
        names = reader.names(CachedNames())
        positions = reader.doubles()
    except UNREADABLE as error:
        return SampledMessage(problem=f"malformed message: {error}")
    if len(positions) != len(names):
        return SampledMessage(names, stamp_ns, f"{len(positions)} positions for {len(names)} names")
    not_finite = [
        name for name, finite in zip(names, np.isfinite(positions), strict=True) if not finite
    ]
    problem = f"positions of {', '.join(not_finite)} are not finite" if not_finite else ""
    return SampledMessage(names, stamp_ns, problem)


def read_any(message: bytes) -> SampledMessage:
    """Accept any message without reading it."""
    return SampledMessage()


def image_reader(transport: ImageTransport) -> Callable[[bytes], SampledMessage]:
    """Return a reader of images that decodes only the first one."""
    decoded: list[str] = []

    def read(message: bytes) -> SampledMessage:
        try:
            stamp_ns = CdrReader(message).header()
            if not decoded:
                transport.read(message)
                decoded.append("")
        except (ObservationError, *UNREADABLE) as error:
            return SampledMessage(problem=f"unusable images: {error}")
        return SampledMessage(stamp_ns=stamp_ns)

    return read


def _ignore(message: bytes) -> None:
    """Callback that is never called, since messages are polled."""
