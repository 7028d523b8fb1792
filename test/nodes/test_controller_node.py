"""A controller of the cell looks from outside like one of ros2_control."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from lifecycle_msgs.msg import TransitionEvent
from processes.robot import wait_until
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


class Bench(Node):
    """A cell in a namespace with one controller, and what is around it."""

    def __init__(self) -> None:
        super().__init__("cell", namespace="cell_1")
        self.obeyed: list[list[float]] = []
        self.events: list[tuple[str, str]] = []
        self.controller = ForwardController(NAME, JOINTS)
        self.node = ControllerNode(self, self.controller, lambda p: self.obeyed.append(p.tolist()))
        self.commands = self.create_publisher(Float64MultiArray, f"{NAME}/commands", COMMAND)
        self.create_subscription(
            TransitionEvent,
            f"{NAME}/transition_event",
            lambda m: self.events.append((m.start_state.label, m.goal_state.label)),
            10,
        )
        self.loop = RateThread("physics", 250, lambda _: self.node.read())

    def send(self, *positions: float) -> None:
        self.commands.publish(Float64MultiArray(data=np.array(positions)))

    def call(self, kind, service, request):
        client = self.create_client(kind, f"{NAME}/{service}")
        assert client.wait_for_service(timeout_sec=10.0)
        future = client.call_async(request)
        wait_until(future.done, f"{service} to answer")
        return future.result()


@pytest.fixture
def bench(domain: int) -> Iterator[Bench]:
    with spinning(Bench) as node:
        spinner = BackgroundSpinner("controllers", [node.node])
        wait_until(lambda: node.commands.get_subscription_count() == 1, "the subscription")
        yield node
        node.loop.stop()
        spinner.close()


def test_the_subscriber_of_its_commands_bears_the_name_of_the_controller(bench: Bench) -> None:
    wait_until(lambda: bench.get_subscriptions_info_by_topic(COMMANDS), "the subscriber")
    (found,) = bench.get_subscriptions_info_by_topic(COMMANDS)
    assert (found.node_namespace, found.node_name) == ("/cell_1", NAME)


def test_its_parameters_are_those_of_a_forward_command_controller(bench: Bench) -> None:
    request = GetParameters.Request(names=["joints", "interface_name"])
    joints, interface = bench.call(GetParameters, "get_parameters", request).values
    assert list(joints.string_array_value) == JOINTS
    assert interface.string_value == "position"


def test_commands_are_obeyed_when_they_are_read(bench: Bench) -> None:
    bench.send(0.1, 0.2)
    time.sleep(0.2)
    assert bench.obeyed == []
    bench.loop.start()
    wait_until(lambda: bench.obeyed == [[0.1, 0.2]], "the command")


def test_switches_are_published_and_commands_from_before_an_activation_dropped(
    bench: Bench,
) -> None:
    bench.loop.start()
    assert bench.call(Trigger, "deactivate", Trigger.Request()).success
    wait_until(lambda: len(bench.events) == 2, "the events", lambda: str(bench.events))
    assert bench.events == [("active", "deactivating"), ("deactivating", "inactive")]
    bench.send(0.1, 0.2)
    wait_until(lambda: bench.controller.ignored_commands == 1, "the command to be ignored")
    assert bench.call(Trigger, "activate", Trigger.Request()).success
    wait_until(lambda: len(bench.events) == 4, "the events", lambda: str(bench.events))
    assert bench.events[2:] == [("inactive", "activating"), ("activating", "active")]
    assert bench.call(Trigger, "activate", Trigger.Request()).success
    bench.send(0.3, 0.4)
    wait_until(lambda: bench.obeyed == [[0.3, 0.4]], "the command", lambda: str(bench.obeyed))
    assert len(bench.events) == 4, "no switch, no event"


def test_a_command_that_waits_at_the_activation_is_dropped(bench: Bench) -> None:
    bench.controller.deactivate()
    bench.send(0.1, 0.2)
    time.sleep(0.2)
    client = bench.create_client(Trigger, f"{NAME}/activate")
    assert client.wait_for_service(timeout_sec=10.0)
    future = client.call_async(Trigger.Request())
    time.sleep(0.2)
    bench.loop.start()
    wait_until(future.done, "the activation")
    assert future.result().success
    time.sleep(0.1)
    assert bench.obeyed == []


def test_a_command_of_the_wrong_size_deactivates_it_for_all_to_see(bench: Bench) -> None:
    bench.loop.start()
    bench.send(0.1, 0.2, 0.3)
    wait_until(lambda: len(bench.events) == 2, "the events")
    assert bench.events[-1] == ("deactivating", "inactive")
    bench.send(0.1, 0.2)
    wait_until(lambda: bench.controller.ignored_commands == 1, "the command to be ignored")
    assert bench.obeyed == []


def test_a_switch_that_no_physics_carries_out_is_refused(bench: Bench) -> None:
    answer = bench.call(Trigger, "deactivate", Trigger.Request())
    assert not answer.success
    assert "left_controller was not switched within 2 s" in answer.message
