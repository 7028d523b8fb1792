"""An episode as a robot lived it: what it decided, from what, and what came of it."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from dbp_ros.data.bag import CUT_OFF, Bag
from dbp_ros.data.episode import Episode
from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.sensing.image_decoding import pixels_of
from dbp_ros.sensing.joint_states import JointLayout, JointStateMerger
from dbp_ros.telemetry.policy_step import PolicyStep, parse_policy_step
from dbp_ros.types import DISABLED, NS_PER_S, STOPPED, Array, Floats, Image, seconds_to_ns

# Stamps come back from the clock of the decisions to the nanosecond, unless clocks were set.
SAME_NS = 1_000_000

Value = TypeVar("Value")


class StampedSeries(Generic[Value]):
    """Values of one stream, found by their stamps."""

    def __init__(self, samples: Iterable[tuple[int, Value]]) -> None:
        """Take over samples, in any order."""
        ordered = sorted(samples, key=lambda sample: sample[0])
        self.stamps_ns = [stamp_ns for stamp_ns, _ in ordered]
        self.values = [value for _, value in ordered]

    def before(self, stamp_ns: int) -> Value | None:
        """Return the newest value at or before a time, None where there is none."""
        index = bisect_right(self.stamps_ns, stamp_ns) - 1
        return self.values[index] if index >= 0 else None

    def at(self, stamp_ns: int) -> Value | None:
        """Return the value of this very stamp, None where there is none."""
        index = bisect_right(self.stamps_ns, stamp_ns + SAME_NS) - 1
        found = index >= 0 and abs(self.stamps_ns[index] - stamp_ns) <= SAME_NS
        return self.values[index] if found else None

    def between(self, start_ns: int, end_ns: int) -> list[Value]:
        """Return what holds from a time to another: the value before it, and those within."""
        first = max(0, bisect_right(self.stamps_ns, start_ns) - 1)
        return self.values[first : bisect_right(self.stamps_ns, end_ns)]


@dataclass(frozen=True)
class ExecutedChunk:
    """A decision and what became of it.

    Attributes:
        decision: What was drawn.
        executed: How many of its points were begun.
        until_ns: When the next decision, or the end, came.
        successor: The decision that followed, None where there is none or it is lost.
        last: Whether the episode ended with it.
    """

    decision: PolicyStep
    executed: int
    until_ns: int
    successor: PolicyStep | None
    last: bool


class BagEpisode:
    """An episode read from a bag.

    Attributes:
        joints: Names of the columns of positions.
        step_s: Time between two points of a chunk.
        end: How it ended.
        decisions: In order.
        positions: In [rad] and [m]. Values of shape (nu,).
        pictures: Of each camera; rgb8 by `pixels`.
    """

    def __init__(self, bag: Bag) -> None:
        """Sort what is in a bag.

        Raises:
            EpisodeError: If it was cut off and not mended, or a decision cannot be read.
        """
        if bag.end is None:
            raise EpisodeError("the bag was cut off: mend it first")
        facts, said = bag.facts, bag.messages
        self.joints, self.step_s = tuple(facts["joints"]), float(facts["step_s"])
        self.task, self.end = str(facts["task"]), bag.end
        self.decisions = _of_last_episode(
            [parse_policy_step(m.data) for _, m in said.get("decision", [])]
        )
        self.positions = StampedSeries(_positions(said.get("joint_states", []), self.joints))
        self.pictures = {
            camera: StampedSeries(
                (_stamp_ns(m), m) for _, m in said.get(f"image.{camera}", []) if m.data
            )
            for camera in facts["cameras"]
        }
        rewards = [(ns, float(m.data)) for ns, m in said.get("reward", [])]
        self._rewards = StampedSeries((ns, value) for ns, value in rewards if math.isfinite(value))
        self._human = StampedSeries((ns, bool(m.data)) for ns, m in said.get("intervention", []))
        self._stops = StampedSeries(
            (ns, m.data.startswith((STOPPED, DISABLED))) for ns, m in said.get("guard_state", [])
        )

    @property
    def step_ns(self) -> int:
        """Time between two points of a chunk, in [ns]."""
        return seconds_to_ns(self.step_s)

    @property
    def cut_off(self) -> bool:
        """Whether nobody saw how it ended."""
        return self.end.termination_reason == CUT_OFF

    def plays(self) -> list[ExecutedChunk]:
        """Return what became of each decision."""
        followers: list[PolicyStep | None] = [*self.decisions[1:], None]
        return [
            self._play(one, after) for one, after in zip(self.decisions, followers, strict=False)
        ]

    def _play(self, decision: PolicyStep, after: PolicyStep | None) -> ExecutedChunk:
        planned_ns = decision.stamp_ns + decision.executed * self.step_ns
        lost = after is not None and after.number != decision.number + 1
        if lost or (after is None and self.cut_off):
            return ExecutedChunk(decision, decision.executed, planned_ns, None, False)
        until_ns = self.end.stamp_ns if after is None else after.stamp_ns
        begun = -((decision.stamp_ns - until_ns) // self.step_ns)
        executed = min(max(begun, 1), decision.executed)
        return ExecutedChunk(decision, executed, until_ns, after, after is None)

    def interrupted(self, play: ExecutedChunk) -> bool:
        """Whether the arms were held before the next decision came."""
        played_ns = play.until_ns - play.decision.stamp_ns
        return played_ns > (play.decision.executed + 0.5) * self.step_ns

    def driven_by_human(self, play: ExecutedChunk) -> bool:
        """Whether a human drove the arms at any time meanwhile."""
        return any(self._human.between(play.decision.stamp_ns, play.until_ns))

    def stopped(self, play: ExecutedChunk) -> bool:
        """Whether the guard had stopped the arms, or was disabled, before the last point."""
        return bool(self._stops.before(play.until_ns))

    def seen_by(self, decision: PolicyStep) -> dict[str, Image] | None:
        """Return the very pictures that a decision was made from, None where one is missing."""
        return _pixels(
            {name: one.at(decision.image_stamps_ns[name]) for name, one in self.pictures.items()}
        )

    def seen_before(self, stamp_ns: int) -> dict[str, Image] | None:
        """Return the newest picture of each camera at a time, None where one is missing."""
        return _pixels({name: one.before(stamp_ns) for name, one in self.pictures.items()})

    def rewards(self, play: ExecutedChunk) -> list[float]:
        """Return the reward of the state that each point played led to.

        Where nobody publishes rewards, the last point of a success is worth one and all else
        nothing.
        """
        if not self._rewards.values:
            won = play.last and self.end.outcome == "success"
            return [0.0] * (play.executed - 1) + [float(won)]
        due_ns = [play.decision.stamp_ns + k * self.step_ns for k in range(1, play.executed + 1)]
        return [self._rewards.before(min(ns, play.until_ns)) or 0.0 for ns in due_ns]


def _of_last_episode(decisions: list[PolicyStep]) -> list[PolicyStep]:
    """Return the decisions of one episode: what came before it is in its bag, too."""
    kept: list[PolicyStep] = []
    for decision in reversed(decisions):
        if kept and (decision.episode, decision.number) >= (kept[-1].episode, kept[-1].number):
            break
        if kept and decision.episode != kept[-1].episode:
            break
        kept.append(decision)
    return kept[::-1]


def _positions(
    messages: Iterable[tuple[int, Any]], joints: tuple[str, ...]
) -> Iterable[tuple[int, Array]]:
    """Yield the positions of all joints as the policy got them, merged from every driver."""
    merger = JointStateMerger(joints)
    layouts: dict[tuple[str, ...], JointLayout] = {}
    for arrival_ns, message in messages:
        names = tuple(message.name)
        if names not in layouts:
            layouts[names] = JointLayout(names, joints)
        try:
            readings = layouts[names].readings(np.asarray(message.position), _stamp_ns(message))
        except ObservationError:
            # The policy did not use it either.
            continue
        states = merger.add(readings, arrival_ns) if readings else None
        if states is not None:
            yield states.stamp_ns, states.positions


def _pixels(messages: dict[str, Any]) -> dict[str, Image] | None:
    if any(message is None for message in messages.values()):
        return None
    try:
        return {camera: pixels_of(message) for camera, message in messages.items()}
    except ObservationError:
        return None


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * NS_PER_S + int(message.header.stamp.nanosec)


def to_episode(recorded: BagEpisode) -> Episode:
    """Return a recorded episode with a row for each point that was played.

    Where a human drove, the action is where the arms went; elsewhere it is what was drawn.

    Raises:
        EpisodeError: If there is no decision, or nothing was measured or seen before one.
    """
    known = [play for play in recorded.plays() if play.last or play.successor]
    rows = [row for play in known for row in _rows(recorded, play)]
    if not rows:
        raise EpisodeError("no decision of it came to its end: was the policy exploring?")
    states, actions, images, stamps_ns, rewards = zip(*rows, strict=True)
    reason = recorded.end.termination_reason
    return Episode(
        task=recorded.task,
        seed=-1,
        mode="",
        outcome=recorded.end.outcome,
        termination_reason=reason,
        state_names=recorded.joints,
        action_names=recorded.joints,
        step_s=recorded.step_s,
        states=np.stack(states).astype(np.float32),
        actions=np.stack(actions).astype(np.float32),
        rewards=np.array(rewards, np.float32),
        stamps_ns=np.array(stamps_ns, np.int64),
        images={camera: np.stack([seen[camera] for seen in images]) for camera in images[0]},
    )


def _rows(
    recorded: BagEpisode, play: ExecutedChunk
) -> Iterable[tuple[Array | Floats, Array | Floats, dict[str, Image], int, float]]:
    decision, rewards = play.decision, recorded.rewards(play)
    for point, reward in enumerate(rewards):
        stamp_ns = decision.stamp_ns + point * recorded.step_ns
        here = decision.positions[-1] if point == 0 else recorded.positions.before(stamp_ns)
        there = recorded.positions.before(stamp_ns + recorded.step_ns)
        seen = recorded.seen_by(decision) if point == 0 else recorded.seen_before(stamp_ns)
        if here is None or there is None or seen is None:
            raise EpisodeError(f"nothing was measured or seen before {stamp_ns}: drop the episode")
        action = there if recorded.driven_by_human(play) else decision.action[point]
        yield here, action, seen, stamp_ns, reward
