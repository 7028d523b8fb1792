"""Enabling compares the command interfaces of ros2_control with the settings of the guard."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from processes.chunk_publisher import ChunkPublisher
from processes.fake_robot import wait_until
from processes.fake_ros2_control import (
    JOINTS_OF,
    LEFT,
    RIGHT,
    RIGHT_GRIPPER,
    START,
)
from processes.rig import Rig
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from dbp_ros.nodes.qos import COMMAND_PUBLISHER

DEGREES = 180.0 / np.pi


def load_none(rig: Rig) -> None:
    rig.robot.unload(LEFT)


def leave_inactive(rig: Rig) -> None:
    rig.robot.deactivate(LEFT)


def load(rig: Rig, joints: tuple[str, ...], interface: str = "position") -> None:
    rig.robot.unload(LEFT)
    rig.robot.load(LEFT, joints, interface=interface)
    rig.robot.activate(LEFT)


def reverse(rig: Rig) -> None:
    load(rig, JOINTS_OF[LEFT][::-1])


def drop_a_joint(rig: Rig) -> None:
    load(rig, JOINTS_OF[LEFT][:-1])


def name_another_arm(rig: Rig) -> None:
    rig.robot.unload(LEFT, RIGHT)
    rig.robot.load(LEFT, JOINTS_OF[RIGHT])
    rig.robot.load(RIGHT, JOINTS_OF[LEFT])
    rig.robot.activate(LEFT, RIGHT)


def command_velocity(rig: Rig) -> None:
    load(rig, JOINTS_OF[LEFT], "velocity")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (load_none, ["loaded"]),
        (leave_inactive, ["activ"]),
        (reverse, ["left_wrist_3_joint", "order"]),
        (drop_a_joint, ["left_wrist_3_joint"]),
        (name_another_arm, ["right_shoulder_pan_joint"]),
        (command_velocity, ["velocity", "position"]),
    ],
)
def test_enabling_is_refused_if_a_controller_differs_from_the_settings(
    rig: Rig, change: Callable[[Rig], None], words: list[str]
) -> None:
    change(rig)
    wait_until(
        lambda: all(word in rig.guard.enable()[1] for word in words),
        f"enabling to be refused for {words}",
        lambda: rig.guard.enable()[1],
        limit_s=3.0,
    )
    rig.refuses_to_enable(LEFT, *words)
    rig.assert_nothing_moved()


def test_a_controller_reloaded_in_another_order_while_tracking_moves_no_arm(
    rig: Rig,
) -> None:
    rig.track()
    reverse(rig)
    rig.wait_for_fault(LEFT)
    wait_until(lambda: "order" in rig.guard.enable()[1], "enabling to be refused", limit_s=3.0)
    rig.assert_no_jump()


@contextmanager
def second_command_publisher(controller: str) -> Iterator[None]:
    """Create another publisher of a controller's commands."""
    node = Node("forgotten_guard", enable_rosout=False, start_parameter_services=False)
    node.create_publisher(Float64MultiArray, f"/{controller}/commands", COMMAND_PUBLISHER)
    try:
        yield
    finally:
        node.destroy_node()


def test_a_second_command_publisher_prevents_enabling(rig: Rig) -> None:
    with second_command_publisher(RIGHT_GRIPPER):
        wait_until(lambda: not rig.guard.enable()[0], "enabling to be refused", limit_s=3.0)
        rig.refuses_to_enable(f"{RIGHT_GRIPPER}/commands", "forgotten_guard")
    rig.track()
    rig.assert_no_jump()


def test_a_second_command_publisher_latches_a_stop(rig: Rig) -> None:
    rig.track()
    with second_command_publisher(RIGHT_GRIPPER):
        rig.guard.wait_for("stopped", RIGHT_GRIPPER, "forgotten_guard", since=rig.first_sentence)
        rig.wait_for_rest()
    rig.track()
    rig.assert_no_jump()


def test_a_second_policy_latches_a_stop(rig: Rig) -> None:
    rig.track()
    with closing(ChunkPublisher(START + 0.3, "forgotten_policy")) as second:
        second.start()
        rig.guard.wait_for("stopped", "action_chunk", since=rig.first_sentence)
        rig.wait_for_rest()
    rig.track()
    rig.assert_no_jump()


@pytest.mark.parametrize(
    ("factor", "offset"),
    [(DEGREES, 0.0), (1.0, 1e9), (1.0, -1e9)],
    ids=["degrees", "1e9", "-1e9"],
)
def test_a_chunk_out_of_range_is_refused(rig: Rig, factor: float, offset: float) -> None:
    rig.track()
    before = rig.guard.statistics()["refused_chunks"]
    before_rad = rig.robot.hardware.positions
    rig.policy.factor, rig.policy.offset = factor, offset
    rig.guard.wait_for("degrees", since=rig.first_sentence)
    rig.wait_for_rest()
    assert rig.guard.statistics()["refused_chunks"] > before
    assert np.abs(rig.robot.hardware.positions - before_rad).max() < 0.15
    rig.policy.reset(START)
    rig.track()
    rig.assert_no_jump()
