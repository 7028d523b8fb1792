"""Interface of a controller of the cell."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from lifecycle_msgs.msg import TransitionEvent
from processes.fake_robot import wait_until
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.controller_node import ControllerNode
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import COMMAND
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.sim.controllers import ForwardController

NAME, JOINTS = "left_controller", ["left_elbow_joint", "left_wrist_1_joint"]
COMMANDS = f"/cell_1/{NAME}/commands"


class Cell(Node):
    """A cell in a namespace with one controller, and its clients."""

    def __init__(self) -> None:
        super().__init__("cell", namespace="cell_1")
        self.forwarded: list[list[float]] = []
        self.events: list[tuple[str, str]] = []
        self.controller = ForwardController(NAME, JOINTS)
        self.node = ControllerNode(
            self, self.controller, lambda p: self.forwarded.append(p.tolist())
        )
        self.commands = self.create_publisher(Float64MultiArray, f"{NAME}/commands", COMMAND)
        self.create_subscription(
            TransitionEvent,
            f"{NAME}/transition_event",
            lambda m: self.events.append((m.start_state.label, m.goal_state.label)),
            10,
        )
        self.loop = RateThread("physics", 250, lambda _: self.node.read())

    def forward(self, positions: np.ndarray) -> None:
        self.forwarded.append(positions.tolist())

    def send(self, *positions: float) -> None:
        self.commands.publish(Float64MultiArray(data=np.array(positions)))

    def call(self, kind, service, request):
        client = self.create_client(kind, f"{NAME}/{service}")
        assert client.wait_for_service(timeout_sec=10.0)
        future = client.call_async(request)
        wait_until(future.done, f"{service} to response")
        return future.result()


@pytest.fixture
def cell(domain: int) -> Iterator[Cell]:
    with spinning(Cell) as node:
        spinner = BackgroundSpinner("controllers", [node.node])
        wait_until(lambda: node.commands.get_subscription_count() == 1, "the subscription")
        yield node
        node.loop.stop()
        spinner.close()


def test_the_subscriber_of_commands_has_the_name_of_the_controller(cell: Cell) -> None:
    wait_until(lambda: cell.get_subscriptions_info_by_topic(COMMANDS), "the subscriber")
    (found,) = cell.get_subscriptions_info_by_topic(COMMANDS)
    assert (found.node_namespace, found.node_name) == ("/cell_1", NAME)


def test_the_parameters_are_those_of_a_forward_command_controller(cell: Cell) -> None:
    request = GetParameters.Request(names=["joints", "interface_name"])
    joints, interface = cell.call(GetParameters, "get_parameters", request).values
    assert list(joints.string_array_value) == JOINTS
    assert interface.string_value == "position"


def test_commands_are_returned_by_read(cell: Cell) -> None:
    cell.send(0.1, 0.2)
    time.sleep(0.2)
    assert cell.forwarded == []
    cell.loop.start()
    wait_until(lambda: cell.forwarded == [[0.1, 0.2]], "the command")


def test_switches_are_published_and_an_inactive_controller_ignores_commands(
    cell: Cell,
) -> None:
    cell.loop.start()
    assert cell.call(Trigger, "deactivate", Trigger.Request()).success
    wait_until(lambda: len(cell.events) == 2, "the events", lambda: str(cell.events))
    assert cell.events == [("active", "deactivating"), ("deactivating", "inactive")]
    cell.send(0.1, 0.2)
    wait_until(lambda: cell.controller.ignored_commands == 1, "the command to be ignored")
    assert cell.call(Trigger, "activate", Trigger.Request()).success
    wait_until(lambda: len(cell.events) == 4, "the events", lambda: str(cell.events))
    assert cell.events[2:] == [("inactive", "activating"), ("activating", "active")]
    assert cell.call(Trigger, "activate", Trigger.Request()).success
    cell.send(0.3, 0.4)
    wait_until(lambda: cell.forwarded == [[0.3, 0.4]], "the command", lambda: str(cell.forwarded))
    assert len(cell.events) == 4, "no switch, no event"


def test_a_command_from_before_the_activation_is_dropped(cell: Cell) -> None:
    cell.controller.deactivate()
    cell.send(0.1, 0.2)
    time.sleep(0.2)
    client = cell.create_client(Trigger, f"{NAME}/activate")
    assert client.wait_for_service(timeout_sec=10.0)
    future = client.call_async(Trigger.Request())
    time.sleep(0.2)
    cell.loop.start()
    wait_until(future.done, "the activation")
    assert future.result().success
    time.sleep(0.1)
    assert cell.forwarded == []


def test_a_command_of_the_wrong_size_deactivates_with_events(cell: Cell) -> None:
    cell.loop.start()
    cell.send(0.1, 0.2, 0.3)
    wait_until(lambda: len(cell.events) == 2, "the events")
    assert cell.events[-1] == ("deactivating", "inactive")
    cell.send(0.1, 0.2)
    wait_until(lambda: cell.controller.ignored_commands == 1, "the command to be ignored")
    assert cell.forwarded == []


def test_a_switch_without_running_physics_is_rejected(cell: Cell) -> None:
    response = cell.call(Trigger, "deactivate", Trigger.Request())
    assert not response.success
    assert "left_controller was not switched within 2 s" in response.message
