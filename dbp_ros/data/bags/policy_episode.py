"""Rows of an episode with policy steps, equal to the observations of the policy at these steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dbp_ros.data.bags.action_sources import HeldCommands, PartialCommand
from dbp_ros.data.bags.bag import Bag
from dbp_ros.data.bags.bag_episode import BagEpisode, ExecutedChunk
from dbp_ros.data.bags.bag_summary import COMMAND
from dbp_ros.data.bags.bag_topics import CHUNKS, CONTROLLERS, MEASURED
from dbp_ros.data.bags.interventions import intervention_rows
from dbp_ros.data.bags.rewards import reward_rows
from dbp_ros.data.bags.stamped_series import StampedSeries
from dbp_ros.data.episode import Episode
from dbp_ros.data.selection import Selection, choose
from dbp_ros.errors import EpisodeError, ObservationError
from dbp_ros.sensing.image_decoding import decode_image
from dbp_ros.types import Array, Floats, Image

# Largest ratio of the smallest time between policy steps to the time of their executed points.
MAX_STEP_RATIO = 1.5


@dataclass(frozen=True)
class PolicyRow:
    """Time of one row.

    Attributes:
        chunk: Chunk in execution.
        point: Steps since the policy step; zero for the row of the observation.
        stamp_ns: Time of the row on the ROS clock.
    """

    chunk: ExecutedChunk
    point: int
    stamp_ns: int


def read_policy_episode(bag: Bag, selection: Selection) -> Episode:
    """Return the rows of a bag with policy steps.

    Rows are at multiples of the control step after each policy step. The row of a policy step has
    the positions and images that the policy received, bit for bit; an image that was not recorded
    is replaced by the one before it. Other rows have the newest ones. The action is the command
    of the controllers one step later if these were recorded, else the point of the executed chunk;
    where none was executed or a human drove, the position measured one step later.

    Args:
        bag: A complete bag with policy steps.
        selection: Keys of the state are joints, of the images cameras, of the action `chunks`,
            `commands` or `measured`.

    Raises:
        EpisodeError: If a key is missing, another control step is selected, or no image precedes
            a row.
    """
    recorded = BagEpisode(bag)
    if selection.step_s not in (None, recorded.step_s):
        raise EpisodeError(
            f"step_s is {selection.step_s}, but the policy had steps of {recorded.step_s} s: leave "
            "out --step-s, or use --stride for longer steps"
        )
    _check_step(recorded)
    choose("points", selection.points, (), ())
    rows = list(_rows(recorded))
    joints = choose("state", selection.state, recorded.joints, recorded.joints)
    cameras = choose("images", selection.images, recorded.images, recorded.images)
    states = np.stack([_state(recorded, row) for row in rows])
    stamps_ns = np.array([row.stamp_ns for row in rows], np.int64)
    solved = recorded.end.outcome == "success"
    return Episode(
        task=str(bag.metadata.get("task") or "unknown"),
        seed=-1,
        mode="",
        outcome=recorded.end.outcome,
        termination_reason=recorded.end.termination_reason,
        state_names=joints,
        action_names=recorded.joints,
        step_s=recorded.step_s,
        states=states[:, [recorded.joints.index(joint) for joint in joints]],
        actions=_actions(bag, recorded, rows, selection.action),
        rewards=reward_rows(recorded.published_rewards, stamps_ns, recorded.step_ns, solved),
        stamps_ns=stamps_ns,
        images={name: _images(bag, recorded, rows, name) for name in cameras},
        interventions=intervention_rows(recorded.interventions, stamps_ns, recorded.step_ns),
    )


def _check_step(episode: BagEpisode) -> None:
    """Check the control step against the time between policy steps.

    Raises:
        EpisodeError: If all policy steps are further apart than their executed points.
    """
    ratios = [
        (following.stamp_ns - step.stamp_ns) / (step.executed * episode.step_ns)
        for step, following in pairwise(episode.policy_steps)
    ]
    if ratios and min(ratios) > MAX_STEP_RATIO:
        raise EpisodeError(
            f"step_s in the metadata is {episode.step_s}, but the points of the policy steps are "
            f"at least {min(ratios) * episode.step_s:.3g} s apart: begin an episode after the "
            "policy has published a chunk"
        )


def _rows(episode: BagEpisode) -> Iterator[PolicyRow]:
    """Yield the rows from each policy step to the next one, at least one."""
    chunks = episode.executed_chunks()
    ends_ns = [*(chunk.policy_step.stamp_ns for chunk in chunks[1:]), episode.end.stamp_ns]
    for chunk, end_ns in zip(chunks, ends_ns, strict=True):
        start_ns = chunk.policy_step.stamp_ns
        for point in range(max(1, round((end_ns - start_ns) / episode.step_ns))):
            yield PolicyRow(chunk, point, start_ns + point * episode.step_ns)


def _state(episode: BagEpisode, row: PolicyRow) -> Floats:
    observed: Floats = row.chunk.policy_step.positions[-1]
    measured = episode.positions.latest(row.stamp_ns)
    return observed if row.point == 0 or measured is None else measured.astype(np.float32)


def _images(bag: Bag, episode: BagEpisode, rows: list[PolicyRow], camera: str) -> Image:
    """Return the images of one camera. Shape (steps, height, width, 3)."""
    by_arrival = StampedSeries((ns, m) for ns, m in bag.messages[f"image.{camera}"] if m.data)
    images: list[Image] = []
    last: Any = None
    for row in rows:
        step = row.chunk.policy_step
        # The robot may have more cameras than the policy.
        observed_ns = step.image_stamps_ns.get(camera)
        message = None if observed_ns is None else episode.images[camera].at(observed_ns)
        if row.point or message is None:
            message = by_arrival.latest(row.stamp_ns)
        if message is None:
            raise EpisodeError(
                f"no image of {camera} before {row.stamp_ns / 1e9:.3f}: drop the episode"
            )
        # Most rows have the image of the row before.
        images.append(images[-1] if message is last else _decoded(message, camera, row.stamp_ns))
        last = message
    return np.stack(images)


def _decoded(message: Any, camera: str, stamp_ns: int) -> Image:
    try:
        return decode_image(message)
    except ObservationError as error:
        raise EpisodeError(f"{camera} at {stamp_ns / 1e9:.3f}: {error}") from error


def _actions(bag: Bag, episode: BagEpisode, rows: list[PolicyRow], key: str) -> Floats:
    """Return the action of each row. Shape (steps, nu)."""
    commands = recorded_commands(bag, episode.joints)
    available = [MEASURED, CHUNKS, *([CONTROLLERS] if commands else [])]
    (source,) = choose("action", (key or available[-1],), (), available)
    at: Callable[[int], Array | None] = episode.positions.latest
    if source == CONTROLLERS and commands is not None:
        at = commands.at
    actions = []
    for row in rows:
        chunk = row.chunk
        driven = source == CHUNKS and not episode.has_intervention(chunk)
        if driven and row.point < chunk.executed:
            actions.append(chunk.policy_step.action[row.point])
            continue
        command = at(row.stamp_ns + episode.step_ns)
        if command is None:
            command = episode.positions.latest(row.stamp_ns + episode.step_ns)
        actions.append(np.asarray(command, np.float32))
    return np.stack(actions).astype(np.float32)


def recorded_commands(bag: Bag, joints: tuple[str, ...]) -> HeldCommands | None:
    """Return the commands of a bag's controllers; None unless all joints have some."""
    first, received = 0, []
    for controller, size in bag.metadata.get("controllers", {}).items():
        indices = np.arange(first, first + size)
        first += size
        for arrival_ns, message in bag.messages.get(f"{COMMAND}{controller}", []):
            positions = np.asarray(message.data, np.float64)
            if len(positions) == size:
                received.append(PartialCommand(arrival_ns, indices, positions))
    commands = HeldCommands(joints, sorted(received, key=lambda command: command.arrival_ns))
    return None if commands.missing else commands
