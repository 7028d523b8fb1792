"""Detection of other publishers of the cell's joints."""

import os
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from processes.fake_robot import wait_until
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import JointState
from stamps import stamp_to_ns

from dbp_ros.nodes.joint_publishers import JointPublisherSearch, JointPublisherWatch
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import SENSOR

TOPIC, JOINTS = "/joint_states", ("left_elbow_joint", "left_wrist_1_joint")
ENOUGH_S = 5.0
PUBLISHER = """
import sys, time, rclpy
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import JointState
rclpy.init()
node = Node(sys.argv[1], namespace="robot")
publisher = node.create_publisher(JointState, "/joint_states", 10)
print("publishing", flush=True)
while True:
    publisher.publish(JointState(name=sys.argv[2:], position=[0.0] * len(sys.argv[2:])))
    time.sleep(0.1)
"""


@contextmanager
def robot_process(node: str, *joints: str) -> Iterator[None]:
    """Run a process that publishes joints at 10 Hz."""
    command = [sys.executable, "-c", PUBLISHER, node, *joints]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "publishing\n"
        yield
    finally:
        child.kill()
        child.wait()


class Cell(Node):
    """A cell that publishes its joints on request."""

    def __init__(self) -> None:
        super().__init__("simulation")
        self.watch = JointPublisherWatch(self, TOPIC, JOINTS)
        self.topic = self.create_publisher(JointState, "joint_states", SENSOR)

    def publish(self) -> None:
        message = JointState(name=JOINTS, position=array("d", (0.0, 0.0)))
        message.header.stamp = self.get_clock().now().to_msg()
        self.watch.add_own_stamp(stamp_to_ns(message.header.stamp))
        self.topic.publish(message)


@pytest.fixture
def cell(domain: int) -> Iterator[Cell]:
    with spinning(Cell) as node:
        yield node
        node.watch.close()


@pytest.fixture
def context(domain: int) -> Iterator[Context]:
    with spinning(lambda: Node("simulation")) as node:
        yield node.context


def test_a_search_returns_the_publisher_and_the_fix(context: Context) -> None:
    with robot_process("joint_state_broadcaster", "base_joint", *JOINTS):
        found = JointPublisherSearch(context, TOPIC, JOINTS, ENOUGH_S).problem()
    assert found == (
        "/robot/joint_state_broadcaster publishes left_elbow_joint and 1 more joints of the "
        "simulated cell on /joint_states: end it, or give the simulation another ROS_DOMAIN_ID or "
        "namespace"
    )


def test_a_search_ignores_other_joints(context: Context) -> None:
    with robot_process("base_driver", "wheel_joint"):
        assert JointPublisherSearch(context, TOPIC, JOINTS, 1.0).problem() == ""


def test_a_watch_ignores_own_messages(cell: Cell) -> None:
    with robot_process("base_driver", "wheel_joint"):
        wait_until(lambda: cell.count_publishers(TOPIC) == 2, "the other publisher")
        for _ in range(500):
            cell.publish()
            assert cell.watch.problem() == ""


def test_a_watch_detects_a_robot_that_starts_later(cell: Cell) -> None:
    cell.publish()
    assert cell.watch.problem() == ""
    with robot_process("joint_state_broadcaster", *JOINTS):
        found: list[str] = []

        def watch() -> bool:
            cell.publish()
            if problem := cell.watch.problem():
                found.append(problem)
            return bool(found)

        wait_until(watch, "the robot to be found")
    assert found[0].startswith("/robot/joint_state_broadcaster publishes left_elbow_joint and 1")
