"""Forward command controllers behave as those of ros2_control."""

import numpy as np

from dbp_ros.sim.controllers import ForwardController, JointTargets

JOINTS = ("left_elbow_joint", "left_wrist_1_joint")


def controller():
    return ForwardController("left_controller", JOINTS)


def test_an_active_controller_forwards_finite_commands_of_its_size():
    forward = controller()
    assert forward.accept(np.zeros(2))
    assert forward.lifecycle_state == "active"
    assert forward.status == ""


def test_an_inactive_controller_ignores_commands_until_it_is_activated():
    forward = controller()
    forward.deactivate()
    assert not forward.accept(np.zeros(2))
    assert forward.ignored_commands == 1
    assert forward.status == "left_controller is inactive: call left_controller/activate"
    forward.activate()
    assert forward.accept(np.zeros(2))


def test_a_command_of_the_wrong_size_deactivates_the_controller():
    forward = controller()
    assert not forward.accept(np.zeros(3))
    assert forward.lifecycle_state == "inactive"
    assert forward.failed
    assert "expected 2 positions, got 3" in forward.status
    assert not forward.accept(np.zeros(2)), "the right size does not activate it"
    forward.clear()
    assert "expected 2 positions, got 3" in forward.status, "a reset of the cell does not either"
    forward.activate()
    assert forward.accept(np.zeros(2))
    assert forward.status == ""


def test_a_non_finite_command_is_dropped_and_the_controller_stays_active():
    forward = controller()
    assert not forward.accept(np.array([0.1, np.nan]))
    assert forward.lifecycle_state == "active"
    assert "expected 2 finite numbers, got [0.1, nan]" in forward.status
    assert forward.accept(np.zeros(2))
    assert forward.refused_commands == 1
    forward.clear()
    assert forward.status == ""


def test_a_command_sets_the_joints_of_one_controller():
    targets = JointTargets(np.zeros(3))
    before = targets.positions
    targets.set(slice(1, 3), np.array([0.1, 0.2]))
    assert targets.positions.tolist() == [0.0, 0.1, 0.2]
    assert before.tolist() == [0.0, 0.0, 0.0], "positions are not written in place"


def test_after_a_protective_stop_the_last_command_is_in_effect():
    targets = JointTargets(np.zeros(2))
    targets.protective_stop(np.array([0.01, 0.02]))
    targets.set(slice(0, 2), np.array([0.5, 0.6]))
    assert targets.stopped
    assert targets.positions.tolist() == [0.01, 0.02]
    targets.protective_stop(None)
    assert not targets.stopped
    assert targets.positions.tolist() == [0.5, 0.6]


def test_a_protective_stop_holds_the_position_of_a_reset():
    targets = JointTargets(np.zeros(2))
    targets.protective_stop(np.zeros(2))
    targets.hold(np.ones(2))
    assert targets.positions.tolist() == [1.0, 1.0]
    targets.protective_stop(None)
    assert targets.positions.tolist() == [1.0, 1.0]
