"""Episodes of bags: policy steps, measurements, images, rewards and interventions."""

from dataclasses import dataclass
from typing import Any

from dbp_ros.data.bags.bag import CUT_OFF, Bag
from dbp_ros.data.bags.interventions import INTERVENTION, intervention_series
from dbp_ros.data.bags.joint_messages import merged_joint_states, stamp_of
from dbp_ros.data.bags.rewards import REWARD, reward_series
from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.guard_state import GuardState
from dbp_ros.sensing.image_decoding import decode_image
from dbp_ros.telemetry.policy_step import PolicyStep, parse_policy_step
from dbp_ros.types import Image, seconds_to_ns


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
        published_rewards: By time of arrival.
        interventions: Whether a human drives, by time of arrival.
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
        merged = merged_joint_states(messages.get("joint_states", []), self.joints)
        self.positions = StampedSeries((states.stamp_ns, states.positions) for _, states in merged)
        self.images = {
            camera: StampedSeries(
                (stamp_of(m), m) for _, m in messages.get(f"image.{camera}", []) if m.data
            )
            for camera in metadata["cameras"]
        }
        self.published_rewards = reward_series(messages.get(REWARD, []))
        self.interventions = intervention_series(messages.get(INTERVENTION, []))
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
        return any(self.interventions.between(chunk.policy_step.stamp_ns, chunk.end_ns))

    def guard_stopped(self, chunk: ExecutedChunk) -> bool:
        """Return whether the guard had stopped the arms or was disabled during a chunk.

        A chunk during which control is enabled does not move the arms from its first point on.
        """
        return any(self._stops.between(chunk.policy_step.stamp_ns, chunk.end_ns))

    def observed_images(self, step: PolicyStep) -> dict[str, Image] | None:
        """Return the images that a policy step was computed from, None if one is missing."""
        recorded = {
            name: self.images[name].at(stamp_ns) if name in self.images else None
            for name, stamp_ns in step.image_stamps_ns.items()
        }
        return _decoded(recorded)

    def latest_images(self, stamp_ns: int) -> dict[str, Image] | None:
        """Return the newest image of each camera at a time, None if one is missing."""
        return _decoded({name: series.latest(stamp_ns) for name, series in self.images.items()})

    def rewards(self, chunk: ExecutedChunk) -> list[float]:
        """Return the reward of the state after each executed point.

        Without published rewards, the last point of a successful episode has reward one, all
        others zero.
        """
        if not self.published_rewards.values:
            solved = chunk.is_last and self.end.outcome == "success"
            return [0.0] * (chunk.executed - 1) + [float(solved)]
        due_ns = [
            chunk.policy_step.stamp_ns + k * self.step_ns for k in range(1, chunk.executed + 1)
        ]
        return [self.published_rewards.latest(min(ns, chunk.end_ns)) or 0.0 for ns in due_ns]


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


def _decoded(messages: dict[str, Any]) -> dict[str, Image] | None:
    if any(message is None for message in messages.values()):
        return None
    try:
        return {camera: decode_image(message) for camera, message in messages.items()}
    except ObservationError:
        return None
