"""Controllers are verified before control is enabled, also if their topics are remapped."""

import time
from collections.abc import Iterator

import pytest
import rclpy
from processes.dds_participant import Participant
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from dbp_ros.nodes.controller_monitor import ControllerMonitor
from dbp_ros.settings.controllers import ControllersConfig

CONFIG = ControllersConfig(
    joints=("pan", "lift"), controllers=("left_controller",), controller_sizes=(2,)
)
RULE = "left_controller/commands:=/driver/arm_controller/commands"
TIMEOUT_S = 10.0


@pytest.fixture
def driver(domain: int) -> Iterator[Participant]:
    participant = Participant()
    yield participant
    participant.shut_down()


@pytest.fixture
def executor(domain: int) -> Iterator[SingleThreadedExecutor]:
    context = Context()
    rclpy.init(args=["--ros-args", "-r", RULE], context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(Node("guard", context=context))
    yield executor
    executor.shutdown()
    rclpy.try_shutdown(context=context)


def last_problem(driver: Participant, executor: SingleThreadedExecutor, *joints: str) -> str:
    """Return the problem of a controller with these joints after its parameters are known."""
    [guard] = executor.get_nodes()
    monitor = ControllerMonitor(guard, CONFIG, lambda *_: None, lambda _: None)
    node = Node("arm_controller", namespace="/driver", context=driver.context)
    if joints:
        node.declare_parameter("joints", list(joints))
    node.create_subscription(Float64MultiArray, "~/commands", lambda _: None, 1)
    driver.add(node)
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
        problem = "".join(monitor.problems)
        unknown = ("is not loaded", "has not answered", "was found just now")
        if not any(words in problem for words in unknown):
            return problem
    raise AssertionError(problem)


def test_a_remapped_controller_with_its_joints_in_another_order_is_refused(
    driver: Participant, executor: SingleThreadedExecutor
) -> None:
    assert last_problem(driver, executor, "lift", "pan").startswith(
        "left_controller commands lift, pan in this order, expected pan, lift"
    )


def test_a_remapped_controller_with_the_expected_joints_is_accepted(
    driver: Participant, executor: SingleThreadedExecutor
) -> None:
    assert last_problem(driver, executor, "pan", "lift") == ""


def test_a_driver_with_the_name_of_a_controller_and_no_parameters_is_accepted(
    driver: Participant, executor: SingleThreadedExecutor
) -> None:
    assert last_problem(driver, executor) == ""
