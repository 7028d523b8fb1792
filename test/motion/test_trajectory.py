"""Trajectories through chunks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbp_ros.motion.trajectory import Trajectory
from dbp_ros.types import ActionChunk

STAMP_NS = 5_000_000_000
STEP_NS = 20_000_000
COMMAND = np.array([0.5, -0.5])


def chunk(points=8):
    """Return a chunk whose point k is at (k + 1, -(k + 1)) and due k + 1 steps after its stamp."""
    index = np.arange(1, points + 1)
    return ActionChunk(
        positions=np.stack([index, -index], axis=1).astype(float),
        due_ns=STAMP_NS + STEP_NS * index,
        stamp_ns=STAMP_NS,
    )


@given(st.integers(-STEP_NS, 7 * STEP_NS), st.integers(1, 8 * STEP_NS))
@settings(deadline=None)
def test_each_future_point_is_reached_when_it_is_due_at_any_latency(delay_ns, later_ns):
    now_ns = STAMP_NS + delay_ns
    path = Trajectory.from_chunk(chunk(), COMMAND, now_ns)
    for due_ns, point in zip(chunk().due_ns, chunk().positions, strict=True):
        if due_ns > now_ns:
            np.testing.assert_allclose(path.sample(int(due_ns))[0], point, atol=1e-12)


@pytest.mark.parametrize("delay_ns", [0, 1, STEP_NS, 3 * STEP_NS + 1, 50 * STEP_NS])
def test_a_trajectory_begins_at_the_present_command(delay_ns):
    path = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS + delay_ns)
    np.testing.assert_array_equal(path.sample(STAMP_NS + delay_ns)[0], COMMAND)


def test_a_point_that_is_due_now_is_past():
    path = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS + 2 * STEP_NS)
    np.testing.assert_array_equal(path.positions[1], [3.0, -3.0])


def test_between_two_points_the_velocity_is_the_slope():
    path = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS)
    position, velocity = path.sample(STAMP_NS + STEP_NS * 5 // 2)
    np.testing.assert_allclose(position, [2.5, -2.5])
    np.testing.assert_allclose(velocity, [50.0, -50.0])


def test_after_its_end_a_trajectory_stays_at_the_last_point():
    path = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS)
    position, velocity = path.sample(STAMP_NS + 9 * STEP_NS)
    np.testing.assert_array_equal(position, [8.0, -8.0])
    np.testing.assert_array_equal(velocity, [0.0, 0.0])


def test_a_chunk_in_the_past_leads_to_its_last_point():
    now_ns = STAMP_NS + 100 * STEP_NS
    path = Trajectory.from_chunk(chunk(), COMMAND, now_ns)
    position, velocity = path.sample(now_ns + 4_000_000)
    np.testing.assert_array_equal(position, [8.0, -8.0])
    np.testing.assert_array_equal(velocity, [0.0, 0.0])


def test_a_chunk_may_have_one_point():
    path = Trajectory.from_chunk(chunk(points=1), COMMAND, STAMP_NS)
    np.testing.assert_allclose(path.sample(STAMP_NS + STEP_NS // 2)[0], [0.75, -0.75])


@pytest.mark.parametrize("delay_ns", [0, STEP_NS // 3, STEP_NS, 3 * STEP_NS + 1])
def test_a_delayed_chunk_leads_to_the_same_positions(delay_ns):
    late = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS + delay_ns)
    soon = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS)
    for k in range(1, 40):
        now_ns = STAMP_NS + delay_ns + STEP_NS + k * STEP_NS // 5
        for one, other in zip(late.sample(now_ns), soon.sample(now_ns), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)


def test_only_the_newer_of_two_chunks_is_followed():
    """Chunks are not averaged: a gripper that the newer chunk closes is closed."""
    opens, closes = chunk(), chunk()
    opens.positions[:], closes.positions[:] = 0.08, 0.03
    now_ns = STAMP_NS + STEP_NS // 2
    command = Trajectory.from_chunk(opens, COMMAND, STAMP_NS).sample(now_ns)[0]
    path = Trajectory.from_chunk(closes, command, now_ns)
    for due_ns in closes.due_ns.tolist():
        np.testing.assert_allclose(path.sample(due_ns)[0], [0.03, 0.03], atol=1e-12)


def test_a_repeated_chunk_is_followed_like_a_single_one():
    """An unchanged plan does not slow the arms down."""
    once = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS)
    command, tick_ns = COMMAND, STEP_NS // 5
    for k in range(35):
        now_ns = STAMP_NS + k * tick_ns
        path = Trajectory.from_chunk(chunk(), command, now_ns)
        command = path.sample(now_ns + tick_ns)[0]
        np.testing.assert_allclose(command, once.sample(now_ns + tick_ns)[0], atol=1e-9)
