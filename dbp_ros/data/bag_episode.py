"""Episodes of bags: policy steps, measurements, images, rewards and interventions."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from dbp_ros.data.bag import CUT_OFF, Bag
from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.guard_state import GuardState
from dbp_ros.sensing.image_decoding import decode_image
from dbp_ros.sensing.joint_states import JointLayout, JointStateMerger
from dbp_ros.telemetry.policy_step import PolicyStep, parse_policy_step
from dbp_ros.types import NS_PER_S, Array, Image, seconds_to_ns

# Tolerance of a stamp, since the policy converts stamps between clocks and back.
STAMP_TOLERANCE_NS = 1_000_000

Value = TypeVar("Value")


class StampedSeries(Generic[Value]):
    """Timestamped values with lookup by time."""

    def __init__(self, samples: Iterable[tuple[int, Value]]) -> None:
        """Store samples, given in any order."""
        ordered = sorted(samples, key=lambda sample: sample[0])
        self.stamps_ns = [stamp_ns for stamp_ns, _ in ordered]
        self.values = [value for _, value in ordered]

    def latest(self, stamp_ns: int) -> Value | None:
        """Return the newest value at or before a time, or None."""
        index = bisect_right(self.stamps_ns, stamp_ns) - 1
        return self.values[index] if index >= 0 else None

    def at(self, stamp_ns: int) -> Value | None:
        """Return the value with this stamp, within `STAMP_TOLERANCE_NS`, or None."""
        index = bisect_right(self.stamps_ns, stamp_ns + STAMP_TOLERANCE_NS) - 1
        found = index >= 0 and abs(self.stamps_ns[index] - stamp_ns) <= STAMP_TOLERANCE_NS
        return self.values[index] if found else None

    def between(self, start_ns: int, end_ns: int) -> list[Value]:
        """Return the values in effect in an interval: the last one before it, and all within."""
        first = max(0, bisect_right(self.stamps_ns, start_ns) - 1)
        return self.values[first : bisect_right(self.stamps_ns, end_ns)]


@dataclass(frozen=True)
class ExecutedChunk:
    """A policy step and the part of its chunk that was executed.

    Attributes:
        policy_step: The recorded policy step.
        executed: Number of points whose execution began.
        end_ns: Time of the next policy step, or of the end of the episode.
        next_step: The following policy step; None at the end or where its message was lost.
        is_last: Whether the episode ended with this chunk.
    """

    policy_step: PolicyStep
    executed: int
    end_ns: int
    next_step: PolicyStep | None
    is_last: bool


class BagEpisode:
    """An episode read from a bag.

    Attributes:
        joints: Names of the columns of `positions`.
        step_s: Time between two points of a chunk, in [s].
        end: Outcome, termination reason and time of the end.
        policy_steps: In order of time.
        positions: In [rad] and [m]. Values of shape (nu,).
        images: Image messages of each camera.
    """

    def __init__(self, bag: Bag) -> None:
        """Sort the messages of a bag.

        Raises:
            EpisodeError: If the bag is incomplete, or a policy step cannot be read.
        """
        if bag.end is None:
            raise EpisodeError("the bag is incomplete: recover it first")
        metadata, messages = bag.metadata, bag.messages
        self.joints, self.step_s = tuple(metadata["joints"]), float(metadata["step_s"])
        self.end = bag.end
        self.policy_steps = _of_last_episode(
            [parse_policy_step(m.data) for _, m in messages.get("decision", [])]
        )
        self.positions = StampedSeries(_positions(messages.get("joint_states", []), self.joints))
        self.images = {
            camera: StampedSeries(
                (_stamp_ns(m), m) for _, m in messages.get(f"image.{camera}", []) if m.data
            )
            for camera in metadata["cameras"]
        }
        rewards = [(ns, float(m.data)) for ns, m in messages.get("reward", [])]
        self._rewards = StampedSeries((ns, value) for ns, value in rewards if math.isfinite(value))
        self._interventions = StampedSeries(
            (ns, bool(m.data)) for ns, m in messages.get("intervention", [])
        )
        self._stops = StampedSeries(
            (ns, GuardState.parse(m.data).inactive) for ns, m in messages.get("guard_state", [])
        )

    @property
    def step_ns(self) -> int:
        """Time between two points of a chunk, in [ns]."""
        return seconds_to_ns(self.step_s)

    @property
    def cut_off(self) -> bool:
        """Whether the recording ended before the episode."""
        return self.end.termination_reason == CUT_OFF

    def executed_chunks(self) -> list[ExecutedChunk]:
        """Return the executed part of each policy step's chunk."""
        following: list[PolicyStep | None] = [*self.policy_steps[1:], None]
        return list(map(self._executed_chunk, self.policy_steps, following))

    def _executed_chunk(self, step: PolicyStep, following: PolicyStep | None) -> ExecutedChunk:
        planned_ns = step.stamp_ns + step.executed * self.step_ns
        lost = following is not None and following.number != step.number + 1
        if lost or (following is None and self.cut_off):
            return ExecutedChunk(step, step.executed, planned_ns, None, False)
        end_ns = self.end.stamp_ns if following is None else following.stamp_ns
        started = -((step.stamp_ns - end_ns) // self.step_ns)
        executed = min(max(started, 1), step.executed)
        return ExecutedChunk(step, executed, end_ns, following, following is None)

    def interrupted(self, chunk: ExecutedChunk) -> bool:
        """Return whether the arms paused before the next policy step."""
        duration_ns = chunk.end_ns - chunk.policy_step.stamp_ns
        return duration_ns > (chunk.policy_step.executed + 0.5) * self.step_ns

    def has_intervention(self, chunk: ExecutedChunk) -> bool:
        """Return whether a human drove the arms during a chunk."""
        return any(self._interventions.between(chunk.policy_step.stamp_ns, chunk.end_ns))

    def guard_stopped(self, chunk: ExecutedChunk) -> bool:
        """Return whether the guard had stopped the arms or was disabled at the end of a chunk."""
        return bool(self._stops.latest(chunk.end_ns))

    def observed_images(self, step: PolicyStep) -> dict[str, Image] | None:
        """Return the images that a policy step was computed from, None if one is missing."""
        return _decoded(
            {name: series.at(step.image_stamps_ns[name]) for name, series in self.images.items()}
        )

    def latest_images(self, stamp_ns: int) -> dict[str, Image] | None:
        """Return the newest image of each camera at a time, None if one is missing."""
        return _decoded({name: series.latest(stamp_ns) for name, series in self.images.items()})

    def rewards(self, chunk: ExecutedChunk) -> list[float]:
        """Return the reward of the state after each executed point.

        Without published rewards, the last point of a successful episode has reward one, all
        others zero.
        """
        if not self._rewards.values:
            solved = chunk.is_last and self.end.outcome == "success"
            return [0.0] * (chunk.executed - 1) + [float(solved)]
        due_ns = [
            chunk.policy_step.stamp_ns + k * self.step_ns for k in range(1, chunk.executed + 1)
        ]
        return [self._rewards.latest(min(ns, chunk.end_ns)) or 0.0 for ns in due_ns]


def _of_last_episode(steps: list[PolicyStep]) -> list[PolicyStep]:
    """Return the policy steps of the last episode; a bag also contains earlier messages."""
    selected: list[PolicyStep] = []
    for step in reversed(steps):
        if selected and (step.episode, step.number) >= (selected[-1].episode, selected[-1].number):
            break
        if selected and step.episode != selected[-1].episode:
            break
        selected.append(step)
    return selected[::-1]


def _positions(
    messages: Iterable[tuple[int, Any]], joints: tuple[str, ...]
) -> Iterable[tuple[int, Array]]:
    """Yield the positions of all joints, merged from all drivers as in the policy."""
    merger = JointStateMerger(joints)
    layouts: dict[tuple[str, ...], JointLayout] = {}
    for arrival_ns, message in messages:
        names = tuple(message.name)
        if names not in layouts:
            layouts[names] = JointLayout(names, joints)
        try:
            readings = layouts[names].readings(np.asarray(message.position), _stamp_ns(message))
        except ObservationError:
            # The policy also drops such a message.
            continue
        states = merger.add(readings, arrival_ns) if readings else None
        if states is not None:
            yield states.stamp_ns, states.positions


def _decoded(messages: dict[str, Any]) -> dict[str, Image] | None:
    if any(message is None for message in messages.values()):
        return None
    try:
        return {camera: decode_image(message) for camera, message in messages.items()}
    except ObservationError:
        return None


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * NS_PER_S + int(message.header.stamp.nanosec)
