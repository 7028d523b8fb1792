"""Waypoints of grasping as functions of the tool pose."""

import numpy as np
import pytest

from dbp_ros.sim.scene import GRIPPER_STROKE_M
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.tasks.grasp import (
    CLEARANCE_M,
    Grip,
    angle_between,
    approach,
    between_fingers,
    carry,
    grasp,
    release,
)
from dbp_ros.sim.tasks.task import aligned_yaw, pointing_down

OBJECT = np.array((0.1, 0.0, 0.02))


@pytest.fixture(scope="module")
def simulation():
    return Simulation("lift")


def test_a_distant_tool_moves_above_the_object():
    waypoint = approach(OBJECT, OBJECT + np.array((0.2, 0.0, 0.15)))
    np.testing.assert_allclose(waypoint, OBJECT + np.array((0.0, 0.0, CLEARANCE_M)))


def test_a_tool_above_the_object_moves_down():
    np.testing.assert_allclose(approach(OBJECT, OBJECT + np.array((0.001, 0.0, 0.05))), OBJECT)


def test_a_low_tool_moves_up_first():
    tool = OBJECT + np.array((0.1, 0.0, 0.0))
    waypoint = approach(OBJECT, tool)
    np.testing.assert_allclose(waypoint[:2], tool[:2])
    assert waypoint[2] > tool[2] + 0.05


def test_a_steeper_funnel_stays_higher_at_the_same_offset():
    tool = OBJECT + np.array((0.012, 0.0, 0.15))
    assert approach(OBJECT, tool, 12.0)[2] > approach(OBJECT, tool)[2] + 0.03


def test_closing_fingers_tolerate_a_pushed_object():
    pushed = np.array((0.01, 0.0, 0.0))
    assert not between_fingers(pushed, GRIPPER_STROKE_M)
    assert between_fingers(pushed, GRIPPER_STROKE_M - 0.01)


def test_fingers_close_only_when_they_are_aligned(simulation):
    simulation.reset(0)
    tool = simulation.data.site("left_tcp").xpos.copy()
    aligned, diagonal = (
        grasp(simulation.model, simulation.data, "left", Grip(tool, pointing_down(yaw_rad), 0.04))
        for yaw_rad in (0.1, 0.8)
    )
    assert (aligned.opening_m, diagonal.opening_m) == (0.0, GRIPPER_STROKE_M)
    assert diagonal.position[2] > tool[2] + 0.05


def test_the_tool_rotates_before_it_moves_down(simulation):
    simulation.reset(0)
    tool = simulation.data.site("left_tcp").xpos
    below = tool - (0.0, 0.0, 0.12)
    turned, straight = (
        grasp(simulation.model, simulation.data, "left", Grip(below, pointing_down(yaw_rad), 0.04))
        for yaw_rad in (np.pi / 2, 0.0)
    )
    assert turned.position[2] == pytest.approx(below[2] + CLEARANCE_M)
    assert straight.position[2] == pytest.approx(below[2])


def test_an_object_is_carried_by_its_centre(simulation):
    simulation.reset(0)
    tool = simulation.data.site("left_tcp").xpos
    cube = simulation.data.body("cube").xpos
    target = cube + np.array((0.001, 0.0, -0.01))
    waypoint = carry(simulation.data, "left", "cube", target, pointing_down(0.0))
    np.testing.assert_allclose(waypoint.position - tool, target - cube, atol=1e-12)


def test_open_fingers_withdraw_and_closed_ones_open_first(simulation):
    simulation.reset(0)
    tool = simulation.data.site("left_tcp").xpos.copy()
    grip = Grip(tool, pointing_down(0.0), 0.04)
    assert release(simulation.model, simulation.data, "left", grip).position[2] > tool[2] + 0.1
    closed = simulation.home.copy()
    closed[6] = 0.04
    simulation.command(closed)
    simulation.advance(500)
    tool = simulation.data.site("left_tcp").xpos.copy()
    waypoint = release(simulation.model, simulation.data, "left", grip)
    np.testing.assert_allclose(waypoint.position, tool)
    assert waypoint.opening_m == GRIPPER_STROKE_M


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, np.pi])
def test_the_angle_between_two_orientations(angle):
    turned = angle_between(pointing_down(0.3), pointing_down(0.3 + angle))
    assert turned == pytest.approx(angle, abs=1e-6)


@pytest.mark.parametrize(
    ("box_yaw", "tool_yaw", "expected"),
    [(0.3, 0.0, 0.3), (0.3, 1.2, 0.3 + np.pi / 2), (-0.3, -3.0, -0.3 - np.pi)],
)
def test_a_tool_turns_to_the_nearest_sides_of_a_box(box_yaw, tool_yaw, expected):
    box = pointing_down(box_yaw) @ pointing_down(0.0).T
    assert aligned_yaw(box, pointing_down(tool_yaw)) == pytest.approx(expected)
