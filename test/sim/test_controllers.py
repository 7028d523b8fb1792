"""Forward command controllers behave as those of ros2_control."""

import numpy as np

from dbp_ros.sim.controllers import ArmTargets, ForwardController

JOINTS = ("left_elbow_joint", "left_wrist_1_joint")


def controller():
    return ForwardController("left_controller", JOINTS)


def test_an_active_controller_forwards_finite_commands_of_its_size():
    one = controller()
    assert one.accept(np.zeros(2))
    assert one.label == "active"
    assert one.state == ""


def test_an_inactive_controller_ignores_commands_until_it_is_activated():
    one = controller()
    one.deactivate()
    assert not one.accept(np.zeros(2))
    assert one.ignored_commands == 1
    assert one.state == "left_controller is inactive: call left_controller/activate"
    one.activate()
    assert one.accept(np.zeros(2))


def test_a_command_of_the_wrong_size_deactivates_the_controller():
    one = controller()
    assert not one.accept(np.zeros(3))
    assert one.label == "inactive"
    assert one.failed
    assert "expected 2 positions, got 3" in one.state
    assert not one.accept(np.zeros(2)), "the right size does not activate it"
    one.clear()
    assert "expected 2 positions, got 3" in one.state, "a reset of the cell does not either"
    one.activate()
    assert one.accept(np.zeros(2))
    assert one.state == ""


def test_a_non_finite_command_is_dropped_and_the_controller_stays_active():
    one = controller()
    assert not one.accept(np.array([0.1, np.nan]))
    assert one.label == "active"
    assert "expected 2 finite numbers, got [0.1, nan]" in one.state
    assert one.accept(np.zeros(2))
    assert one.refused_commands == 1
    one.clear()
    assert one.state == ""


def test_a_command_sets_the_joints_of_one_controller():
    targets = ArmTargets(np.zeros(3))
    before = targets.positions
    targets.set(slice(1, 3), np.array([0.1, 0.2]))
    assert targets.positions.tolist() == [0.0, 0.1, 0.2]
    assert before.tolist() == [0.0, 0.0, 0.0], "positions are not written in place"


def test_after_a_protective_stop_the_last_command_is_in_effect():
    targets = ArmTargets(np.zeros(2))
    targets.protective_stop(np.array([0.01, 0.02]))
    targets.set(slice(0, 2), np.array([0.5, 0.6]))
    assert targets.stopped
    assert targets.positions.tolist() == [0.01, 0.02]
    targets.protective_stop(None)
    assert not targets.stopped
    assert targets.positions.tolist() == [0.5, 0.6]


def test_a_protective_stop_holds_the_position_of_a_reset():
    targets = ArmTargets(np.zeros(2))
    targets.protective_stop(np.zeros(2))
    targets.hold(np.ones(2))
    assert targets.positions.tolist() == [1.0, 1.0]
    targets.protective_stop(None)
    assert targets.positions.tolist() == [1.0, 1.0]
