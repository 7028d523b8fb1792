"""No arm jumps when controllers of ros2_control are switched, unloaded or restarted."""

import time

import numpy as np
import pytest
from processes.fake_controllers import ACTIVE
from processes.fake_robot import wait_until
from processes.fake_ros2_control import (
    JOINTS_OF,
    LEFT,
    LEFT_GRIPPER,
    RIGHT,
    TRAJECTORY,
)
from processes.rig import Rig

# Time for a jump after a controller becomes active.
AFTERWARDS_S = 0.3
# Without transition events the guard needs this time to reanchor the commands.
SETTLES_S = 1.2
LEFT_PAN = 0


def assert_it_stays_disabled(rig: Rig) -> None:
    """Check that control stays disabled and no joint moves."""
    wait_until(lambda: rig.guard.state.startswith("disabled"), "the guard to be disabled")
    time.sleep(AFTERWARDS_S)
    assert rig.guard.state.startswith("disabled")
    assert rig.rests()


def assert_tracking_resumes(rig: Rig) -> None:
    """Check that after enabling the arms follow the policy again, without a jump."""
    rig.track()
    rig.assert_no_jump()


@pytest.mark.parametrize("is_hidden", [False, True], ids=["announced", "unseen"])
def test_a_controller_activated_after_a_stop_receives_the_measured_position(
    rig: Rig, is_hidden: bool
) -> None:
    rig.track()
    if is_hidden:
        rig.hide(LEFT)
    rig.robot.deactivate(LEFT)
    rig.drive_away()
    if is_hidden:
        rig.guard.wait_for("stopped", "left_shoulder_pan_joint", since=rig.first_sentence)
    else:
        rig.wait_for_fault(LEFT)
    time.sleep(SETTLES_S if is_hidden else AFTERWARDS_S)
    rig.robot.activate(LEFT)
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


def test_an_e_stop_stays_latched_when_a_manager_restarts_with_the_arm_elsewhere(rig: Rig) -> None:
    rig.track()
    assert rig.guard.stop()[0]
    rig.guard.wait_for("stopped", "e-stop")
    rig.wait_for_rest()
    rig.robot.shut_down()
    rig.robot.restart(rig.robot.hardware.positions + 1.2 * (np.arange(14) == LEFT_PAN))
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()
    assert rig.guard.state.startswith("stopped")


def switch_off_and_on(rig: Rig) -> None:
    rig.policy.wait_for_extreme()
    rig.robot.deactivate(LEFT)
    rig.policy.wait_for_extreme()
    rig.robot.activate(LEFT)


def unload_and_load(rig: Rig) -> None:
    rig.policy.wait_for_extreme()
    rig.robot.unload(LEFT)
    rig.policy.wait_for_extreme()
    rig.robot.load(LEFT, JOINTS_OF[LEFT])
    rig.robot.activate(LEFT)


def move_with_another_controller(rig: Rig) -> None:
    rig.robot.switch(activate=[TRAJECTORY], deactivate=[LEFT])
    rig.robot.controllers[TRAJECTORY].target -= 0.4
    time.sleep(1.0)
    rig.robot.switch(activate=[LEFT], deactivate=[TRAJECTORY])


def restart_in_20_ms(rig: Rig) -> None:
    rig.robot.deactivate(LEFT)
    time.sleep(0.02)
    rig.robot.activate(LEFT)


def restart_in_one_cycle(rig: Rig) -> None:
    rig.robot.switch(deactivate=[LEFT], activate=[LEFT])


@pytest.mark.parametrize(
    "interrupt",
    [
        switch_off_and_on,
        unload_and_load,
        move_with_another_controller,
        restart_in_20_ms,
        restart_in_one_cycle,
    ],
)
def test_a_controller_that_was_inactive_disables_control(rig: Rig, interrupt) -> None:
    rig.track()
    interrupt(rig)
    rig.wait_for_fault(LEFT)
    assert_it_stays_disabled(rig)
    assert_tracking_resumes(rig)


def test_a_controller_without_transition_events_is_found_inactive_by_its_activity(
    rig: Rig,
) -> None:
    rig.track()
    for controller in rig.robot.controllers.values():
        controller.publishes_transitions = False
    rig.robot.deactivate(LEFT_GRIPPER)
    rig.wait_for_fault(LEFT_GRIPPER)
    rig.refuses_to_enable(LEFT_GRIPPER)
    rig.robot.activate(LEFT_GRIPPER)
    assert_tracking_resumes(rig)


@pytest.mark.parametrize("is_killed", [False, True], ids=["ended", "killed"])
@pytest.mark.parametrize("pause_s", [0.4, 1.5])
def test_a_manager_that_restarts_with_the_arm_elsewhere_disables_control(
    rig: Rig, is_killed: bool, pause_s: float
) -> None:
    rig.track()
    rig.robot.shut_down(is_killed)
    time.sleep(pause_s)
    rig.robot.restart(rig.robot.hardware.positions + 0.45 * (np.arange(14) == LEFT_PAN))
    rig.wait_for_fault()
    assert_it_stays_disabled(rig)
    rig.robot.remove_killed()
    assert_tracking_resumes(rig)


def test_no_arm_jumps_when_a_killed_manager_measures_before_it_controls(rig: Rig) -> None:
    rig.track()
    rig.robot.shut_down(killed=True)
    time.sleep(0.4)
    rig.robot.restart(delay_s=0.3)
    rig.wait_for_fault()
    assert_it_stays_disabled(rig)
    rig.robot.remove_killed()
    assert_tracking_resumes(rig)


def test_a_gripper_that_does_not_follow_latches_a_stop(rig: Rig) -> None:
    rig.track()
    rig.policy.wait_for_extreme()
    rig.hide(LEFT_GRIPPER)
    rig.robot.deactivate(LEFT_GRIPPER)
    rig.guard.wait_for("stopped", "left_gripper_joint", since=rig.first_sentence)
    time.sleep(SETTLES_S)
    rig.robot.activate(LEFT_GRIPPER)
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


def test_a_robot_does_not_move_at_the_end_of_a_protective_stop(rig: Rig) -> None:
    rig.track()
    rig.robot.hardware.follows = False
    rig.drive_away()
    rig.guard.wait_for("stopped", "left_shoulder_pan_joint", since=rig.first_sentence)
    time.sleep(SETTLES_S)
    rig.robot.hardware.follows = True
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()
    assert_tracking_resumes(rig)


def test_a_robot_does_not_move_when_a_protective_stop_ends_after_a_reset(rig: Rig) -> None:
    rig.track()
    rig.robot.hardware.follows = False
    rig.drive_away()
    rig.guard.wait_for("stopped", since=rig.first_sentence)
    wait_until(lambda: rig.guard.reset()[0], "the reset to be granted")
    time.sleep(0.1)
    rig.robot.hardware.follows = True
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


@pytest.mark.parametrize("is_latched", [False, True], ids=["holding", "stopped"])
def test_an_arm_moved_by_hand_stays_at_its_position(rig: Rig, is_latched: bool) -> None:
    rig.track()
    if is_latched:
        rig.guard.stop()
    rig.policy.publishes = False
    rig.wait_for_rest()
    rig.robot.hardware.follows = False
    rig.robot.hardware.hand_velocity = 0.4 * (np.arange(14) == LEFT_PAN)
    time.sleep(1.0)
    rig.robot.hardware.hand_velocity = np.zeros(14)
    time.sleep(SETTLES_S)
    rig.robot.hardware.follows = True
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


def test_two_controllers_lost_together_are_both_named(rig: Rig) -> None:
    rig.track()
    rig.robot.deactivate(LEFT, RIGHT)
    rig.wait_for_fault(LEFT, RIGHT)
    rig.refuses_to_enable(LEFT, RIGHT)
    rig.robot.activate(LEFT, RIGHT)
    assert_it_stays_disabled(rig)
    assert_tracking_resumes(rig)


def test_the_other_arm_brakes_within_its_limits_when_one_controller_ends(rig: Rig) -> None:
    rig.track()
    rig.robot.unload(LEFT)
    rig.wait_for_fault(LEFT)
    rig.wait_for_rest()
    assert rig.robot.controllers[RIGHT].state == ACTIVE
    rig.assert_no_jump()
    rig.refuses_to_enable(LEFT)
