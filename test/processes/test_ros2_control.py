"""The arm and its command stay together when ros2_control's controllers come and go."""

import time

import numpy as np
import pytest
from processes.fake_controllers import ACTIVE
from processes.fake_ros2_control import (
    JOINTS_OF,
    LEFT,
    LEFT_GRIPPER,
    RIGHT,
    TRAJECTORY,
)
from processes.rig import Rig
from processes.robot import wait_until

# Time for a jump to happen in, once a controller obeys again.
AFTERWARDS_S = 0.3
# Without word from a controller the guard needs so long to bring the commands to the arms.
SETTLES_S = 1.2
LEFT_PAN = 0


def assert_it_stays_disabled(rig: Rig) -> None:
    """Check that no joint moves without a person's act."""
    wait_until(lambda: rig.guard.state.startswith("disabled"), "the guard to be disabled")
    time.sleep(AFTERWARDS_S)
    assert rig.guard.state.startswith("disabled")
    assert rig.rests()


def assert_it_goes_on(rig: Rig) -> None:
    """Check that enabling is all it takes to follow the policy again, without a jump."""
    rig.track()
    rig.assert_no_jump()


@pytest.mark.parametrize("is_hidden", [False, True], ids=["announced", "unseen"])
def test_a_controller_activated_after_a_stop_finds_the_measurement_as_its_command(
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
        rig.wait_for_withdrawal(LEFT)
    time.sleep(AFTERWARDS_S)
    rig.robot.activate(LEFT)
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


def test_an_e_stop_outlives_a_manager_that_comes_back_with_the_arm_elsewhere(rig: Rig) -> None:
    rig.track()
    assert rig.guard.stop()[0]
    rig.guard.wait_for("stopped", "e-stop")
    rig.wait_for_rest()
    rig.robot.die()
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
def test_a_controller_that_was_off_withdraws_the_enabling(rig: Rig, interrupt) -> None:
    rig.track()
    interrupt(rig)
    rig.wait_for_withdrawal(LEFT)
    assert_it_stays_disabled(rig)
    assert_it_goes_on(rig)


def test_a_controller_whose_transitions_are_lost_is_found_inactive_by_its_activity(
    rig: Rig,
) -> None:
    rig.track()
    for controller in rig.robot.controllers.values():
        controller.announces = False
    rig.robot.deactivate(LEFT_GRIPPER)
    rig.wait_for_withdrawal(LEFT_GRIPPER)
    rig.refuses_to_enable(LEFT_GRIPPER)
    rig.robot.activate(LEFT_GRIPPER)
    assert_it_goes_on(rig)


@pytest.mark.parametrize("is_killed", [False, True], ids=["ended", "killed"])
@pytest.mark.parametrize("pause_s", [0.4, 1.5])
def test_a_manager_that_comes_back_with_the_arm_elsewhere_withdraws_the_enabling(
    rig: Rig, is_killed: bool, pause_s: float
) -> None:
    rig.track()
    rig.robot.die(is_killed)
    time.sleep(pause_s)
    rig.robot.restart(rig.robot.hardware.positions + 0.45 * (np.arange(14) == LEFT_PAN))
    rig.wait_for_withdrawal()
    assert_it_stays_disabled(rig)
    rig.robot.reap()
    assert_it_goes_on(rig)


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


def test_a_robot_that_obeys_again_after_a_protective_stop_stays_where_it_is(rig: Rig) -> None:
    rig.track()
    rig.robot.hardware.obeys = False
    rig.drive_away()
    rig.guard.wait_for("stopped", "left_shoulder_pan_joint", since=rig.first_sentence)
    time.sleep(SETTLES_S)
    rig.robot.hardware.obeys = True
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()
    assert_it_goes_on(rig)


def test_a_robot_that_obeys_again_after_a_reset_stays_where_it_is(rig: Rig) -> None:
    rig.track()
    rig.robot.hardware.obeys = False
    rig.drive_away()
    rig.guard.wait_for("stopped", since=rig.first_sentence)
    wait_until(lambda: rig.guard.reset()[0], "the reset to be granted")
    time.sleep(0.1)
    rig.robot.hardware.obeys = True
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


@pytest.mark.parametrize("is_latched", [False, True], ids=["holding", "stopped"])
def test_an_arm_moved_by_hand_stays_where_it_was_put(rig: Rig, is_latched: bool) -> None:
    rig.track()
    if is_latched:
        rig.guard.stop()
    rig.policy.publishes = False
    rig.wait_for_rest()
    rig.robot.hardware.obeys = False
    rig.robot.hardware.hand_velocity = 0.4 * (np.arange(14) == LEFT_PAN)
    time.sleep(1.0)
    rig.robot.hardware.hand_velocity = np.zeros(14)
    time.sleep(SETTLES_S)
    rig.robot.hardware.obeys = True
    time.sleep(AFTERWARDS_S)
    rig.assert_no_jump()
    assert rig.rests()


def test_two_arms_that_lose_their_controllers_at_once_are_both_named(rig: Rig) -> None:
    rig.track()
    rig.robot.deactivate(LEFT, RIGHT)
    rig.wait_for_withdrawal(LEFT, RIGHT)
    rig.refuses_to_enable(LEFT, RIGHT)
    rig.robot.activate(LEFT, RIGHT)
    assert_it_stays_disabled(rig)
    assert_it_goes_on(rig)


def test_the_other_arm_brakes_within_its_limits_when_one_controller_ends(rig: Rig) -> None:
    rig.track()
    rig.robot.unload(LEFT)
    rig.wait_for_withdrawal(LEFT)
    rig.wait_for_rest()
    assert rig.robot.controllers[RIGHT].state == ACTIVE
    rig.assert_no_jump()
    rig.refuses_to_enable(LEFT)
