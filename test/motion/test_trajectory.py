"""The way through a chunk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbp_ros.contract import ActionChunk
from dbp_ros.motion.trajectory import Trajectory

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
def test_each_point_still_ahead_is_reached_when_it_is_due_whatever_the_delay(delay_ns, later_ns):
    now_ns = STAMP_NS + delay_ns
    way = Trajectory.from_chunk(chunk(), COMMAND, now_ns)
    for due_ns, point in zip(chunk().due_ns, chunk().positions, strict=True):
        if due_ns > now_ns:
            np.testing.assert_allclose(way.sample(int(due_ns))[0], point, atol=1e-12)


@pytest.mark.parametrize("delay_ns", [0, 1, STEP_NS, 3 * STEP_NS + 1, 50 * STEP_NS])
def test_it_begins_at_the_present_command(delay_ns):
    way = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS + delay_ns)
    np.testing.assert_array_equal(way.sample(STAMP_NS + delay_ns)[0], COMMAND)


def test_a_point_that_is_due_now_is_past():
    way = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS + 2 * STEP_NS)
    np.testing.assert_array_equal(way.positions[1], [3.0, -3.0])


def test_between_two_points_it_is_straight_and_its_velocity_is_the_slope():
    way = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS)
    position, velocity = way.sample(STAMP_NS + STEP_NS * 5 // 2)
    np.testing.assert_allclose(position, [2.5, -2.5])
    np.testing.assert_allclose(velocity, [50.0, -50.0])


def test_past_its_end_it_stays_at_the_last_point():
    way = Trajectory.from_chunk(chunk(), COMMAND, STAMP_NS)
    position, velocity = way.sample(STAMP_NS + 9 * STEP_NS)
    np.testing.assert_array_equal(position, [8.0, -8.0])
    np.testing.assert_array_equal(velocity, [0.0, 0.0])


def test_a_chunk_that_is_all_past_leads_to_its_last_point():
    now_ns = STAMP_NS + 100 * STEP_NS
    way = Trajectory.from_chunk(chunk(), COMMAND, now_ns)
    position, velocity = way.sample(now_ns + 4_000_000)
    np.testing.assert_array_equal(position, [8.0, -8.0])
    np.testing.assert_array_equal(velocity, [0.0, 0.0])


def test_a_chunk_of_one_point_is_a_way():
    way = Trajectory.from_chunk(chunk(points=1), COMMAND, STAMP_NS)
    np.testing.assert_allclose(way.sample(STAMP_NS + STEP_NS // 2)[0], [0.75, -0.75])
