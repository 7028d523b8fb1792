"""Faults of ros2_control that `dbp status` finds."""

from processes.dbp_command import status_findings
from processes.fake_broadcasters import OtherJointStates
from processes.fake_ros2_control import JOINTS_OF, LEFT, LEFT_GRIPPER, RIGHT, RIGHT_GRIPPER
from processes.rig import Rig
from std_msgs.msg import Float64MultiArray


def test_each_controller_that_cannot_be_used_is_named(rig: Rig) -> None:
    rig.robot.deactivate(LEFT)
    rig.robot.unload(LEFT_GRIPPER, RIGHT)
    rig.robot.load(RIGHT, JOINTS_OF[RIGHT][::-1])
    rig.robot.activate(RIGHT)
    topic = f"/{RIGHT_GRIPPER}/commands"
    rival = rig.guard.create_publisher(Float64MultiArray, topic, 1)
    sentences = status_findings()
    rig.guard.destroy_publisher(rival)
    assert "inactive: it ignores" in sentences[LEFT]
    assert f"{LEFT_GRIPPER} is not loaded" in sentences[f"/{LEFT_GRIPPER}/commands"]
    assert "another order" in sentences[RIGHT]
    assert f"{rig.guard.get_fully_qualified_name()} also publishes commands" in sentences[topic]


def test_joints_that_are_missing_or_published_twice_are_named(rig: Rig) -> None:
    rig.broadcast({"one": JOINTS_OF[LEFT], "other": JOINTS_OF[LEFT][:2]})
    player = OtherJointStates("bag_player", JOINTS_OF[RIGHT][:1], age_s=10.0)
    sentence = status_findings()["/joint_states"]
    player.close()
    assert (
        "several of /bag_player, /one, /other publish left_shoulder_lift_joint, left_sh" in sentence
    )
    assert "stamped in the past, 10 s before" in sentence
    assert "missing joints: left_gripper_joint, right_shoulder_lift_joint" in sentence
