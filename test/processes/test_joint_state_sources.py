"""Several publishers of joint states: two drivers, a mobile base, a stale simulator, a bag."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing

import numpy as np
import pytest
from processes.fake_broadcasters import Broadcaster, OtherJointStates
from processes.fake_robot import wait_until
from processes.fake_ros2_control import (
    ARMS_AND_GRIPPERS,
    LEFT,
    ONE_BROADCASTER,
    ONE_EACH_ARM,
)
from processes.rig import Rig
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from dbp_ros.nodes.qos import SENSOR
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

LEFT_BROADCASTER, RIGHT_BROADCASTER = ONE_EACH_ARM
(BROADCASTER,) = ONE_BROADCASTER
WHEELS = ("front_left_wheel", "front_right_wheel")
ATTEMPTS = 5
# Time to discover a new publisher.
DISCOVERY_S = 0.4


@pytest.mark.parametrize("layout", [ONE_EACH_ARM, ARMS_AND_GRIPPERS], ids=["arms", "grippers"])
@pytest.mark.parametrize("rate_hz", [500.0, 100.0])
def test_joint_states_in_two_messages_are_followed_as_in_one(
    rig: Rig, layout: Mapping[str, Sequence[str]], rate_hz: float
) -> None:
    rig.broadcast(layout, rate_hz)
    rig.track()
    rig.settle()
    sentences = len(rig.guard.sentences)
    first = rig.robot.hardware.cycles
    time.sleep(1.0)
    assert (np.ptp(rig.robot.hardware.recorded(first)[1], axis=0) > 0.005).all()
    assert rig.guard.sentences[sentences:] == []
    rig.assert_no_jump()


def test_joints_of_a_mobile_base_are_ignored(rig: Rig) -> None:
    with closing(OtherJointStates("mobile_base", WHEELS, 170.0)):
        rig.track()
        rig.settle()
        sentences = len(rig.guard.sentences)
        time.sleep(1.5)
    assert rig.guard.state.startswith("tracking")
    assert rig.guard.sentences[sentences:] == []
    rig.assert_no_jump()


@pytest.mark.parametrize("age_s", [0.0, 10.0], ids=["fresh", "10 s old"])
@pytest.mark.parametrize("rate_hz", [50.0, 500.0])
def test_a_second_publisher_of_the_joints_prevents_enabling(
    rig: Rig, age_s: float, rate_hz: float
) -> None:
    with closing(OtherJointStates("stale_simulator", DUAL_UR5E_JOINTS, rate_hz, age_s)):
        time.sleep(DISCOVERY_S)
        for _ in range(ATTEMPTS):
            rig.refuses_to_enable("joint_states")
            time.sleep(0.05)
    rig.assert_nothing_moved()
    rig.track()
    rig.assert_no_jump()


def test_a_second_publisher_of_one_joint_prevents_enabling(rig: Rig) -> None:
    with closing(OtherJointStates("gripper_driver", ["right_gripper_joint"])):
        time.sleep(DISCOVERY_S)
        rig.refuses_to_enable("joint_states", "gripper_driver")
    rig.assert_nothing_moved()


@pytest.mark.parametrize("age_s", [0.0, 10.0], ids=["fresh", "10 s old"])
def test_a_second_publisher_of_the_joints_latches_a_stop(rig: Rig, age_s: float) -> None:
    rig.track()
    with closing(OtherJointStates("stale_simulator", DUAL_UR5E_JOINTS, 100.0, age_s)):
        rig.guard.wait_for("stopped", "joint_states", since=rig.first_sentence)
        rig.wait_for_rest()
        rig.assert_no_jump()
    rig.track()
    rig.assert_no_jump()


def test_joint_states_with_old_stamps_only_are_refused(rig: Rig) -> None:
    rig.robot.deactivate(BROADCASTER)
    with closing(OtherJointStates("bag_player", DUAL_UR5E_JOINTS, 250.0, age_s=10.0)) as player:
        player.positions = rig.robot.hardware.positions
        time.sleep(DISCOVERY_S)
        rig.refuses_to_enable("joint_states", "in the past")
    rig.assert_nothing_moved()


def test_enabling_names_a_missing_joint(rig: Rig) -> None:
    rig.broadcast({BROADCASTER: DUAL_UR5E_JOINTS[:-1]})
    time.sleep(DISCOVERY_S)
    rig.refuses_to_enable("right_gripper_joint")
    rig.assert_nothing_moved()


@pytest.mark.parametrize("broadcaster", [LEFT_BROADCASTER, RIGHT_BROADCASTER])
def test_a_long_gap_in_the_joint_states_of_one_arm_disables_control(
    rig: Rig, broadcaster: str
) -> None:
    rig.broadcast(ONE_EACH_ARM)
    rig.track()
    rig.robot.deactivate(broadcaster)
    rig.guard.wait_for("holding", "joint states", since=rig.first_sentence)
    rig.wait_for_rest()
    rig.wait_for_fault("joint states", broadcaster.partition("_")[0])
    rig.refuses_to_enable(broadcaster.partition("_")[0])
    rig.robot.activate(broadcaster)
    time.sleep(0.3)
    assert rig.guard.state.startswith("disabled")
    assert rig.rests()
    rig.track()
    rig.assert_no_jump()


def test_after_a_short_gap_in_the_joint_states_tracking_resumes(rig: Rig) -> None:
    rig.track()
    sentences = len(rig.guard.sentences)
    rig.robot.deactivate(BROADCASTER)
    rig.guard.wait_for("holding", "joint states", since=sentences)
    rig.wait_for_rest()
    rig.robot.activate(BROADCASTER)
    wait_until(rig.follows, "the arms to follow again", lambda: rig.guard.state)
    assert not rig.guard.seen("disabled by a fault", since=sentences)
    rig.assert_no_jump()


def test_constant_joint_states_with_fresh_stamps_latch_a_stop(rig: Rig) -> None:
    rig.track()
    broadcaster = rig.robot.controllers[BROADCASTER]
    assert isinstance(broadcaster, Broadcaster)
    broadcaster.freezes = True
    rig.drive_away()
    rig.guard.wait_for("stopped", "left_shoulder_pan_joint", since=rig.first_sentence)
    time.sleep(0.3)
    broadcaster.freezes = False
    rig.wait_for_rest()
    rig.assert_no_jump()


def test_a_controller_and_the_broadcaster_of_the_other_arm_lost_together_are_both_named(
    rig: Rig,
) -> None:
    rig.broadcast(ONE_EACH_ARM)
    rig.track()
    rig.robot.switch(deactivate=[LEFT, RIGHT_BROADCASTER])
    rig.wait_for_fault(LEFT)
    rig.wait_for_rest()
    why = rig.refuses_to_enable()
    rig.robot.activate(LEFT)
    time.sleep(0.1)
    assert why != ""
    rig.refuses_to_enable("right_")
    rig.robot.activate(RIGHT_BROADCASTER)
    rig.track()
    rig.assert_no_jump()


def test_recorders_and_slow_publishers_change_nothing(rig: Rig) -> None:
    rig.track()
    rig.settle()
    sentences = len(rig.guard.sentences)
    for number in range(5):
        recorder = Node(f"recorder_{number}", enable_rosout=False)
        topic = f"/{LEFT}/commands"
        recorder.create_subscription(Float64MultiArray, topic, lambda message: None, SENSOR)
        with ExitStack() as stack:
            stack.callback(recorder.destroy_node)
            stack.enter_context(closing(OtherJointStates("torso", ["torso_lift_joint"], 1.0)))
            time.sleep(0.2)
    time.sleep(0.3)
    assert rig.guard.sentences[sentences:] == []
    assert rig.guard.state.startswith("tracking")
    rig.assert_no_jump()
