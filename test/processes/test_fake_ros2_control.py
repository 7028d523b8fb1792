"""The fake behaves like ros2_control 4.46 towards a publisher of commands."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from lifecycle_msgs.msg import TransitionEvent
from processes.fake_controllers import ACTIVE, INACTIVE
from processes.fake_hardware import PERIOD_S
from processes.fake_robot import wait_until
from processes.fake_ros2_control import JOINTS_OF, LEFT, START, TRAJECTORY, FakeRos2Control
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import COMMAND_PUBLISHER, EVENTS, LATCHED

STEP = 0.004


class Commander(Node):
    """Publishes commands of the left arm, and records the messages of the fake."""

    def __init__(self) -> None:
        super().__init__("commander")
        self.events: list[tuple[str, str]] = []
        self.joint_states: list[JointState] = []
        self.publisher = self.create_publisher(
            Float64MultiArray, f"{LEFT}/commands", COMMAND_PUBLISHER
        )
        self.create_subscription(
            TransitionEvent, f"{LEFT}/transition_event", self._on_transition, EVENTS
        )
        self.create_subscription(JointState, "joint_states", self.joint_states.append, LATCHED)

    def _on_transition(self, event: TransitionEvent) -> None:
        self.events.append((event.start_state.label, event.goal_state.label))

    def command(self, *positions: float) -> None:
        """Publish, and wait for some cycles of the hardware."""
        self.publisher.publish(Float64MultiArray(data=positions))
        time.sleep(20 * PERIOD_S)


@pytest.fixture
def commander(domain: int) -> Iterator[Commander]:
    with spinning(Commander) as node:
        yield node


@pytest.fixture
def fake(commander: Commander) -> Iterator[FakeRos2Control]:
    fake = FakeRos2Control()
    fake.start()
    wait_until(lambda: commander.publisher.get_subscription_count() == 1, "the controller")
    # A command before the other direction of the discovery is lost.
    wait_until(lambda: fake.controllers[LEFT].is_matched, "the controller to find its publisher")
    wait_until(lambda: commander.joint_states, "joint states")
    yield fake
    fake.stop()


def left(fake: FakeRos2Control) -> list[float]:
    """Return the positions of the left arm."""
    return fake.hardware.positions[:6].tolist()


def test_a_command_is_reached_in_one_cycle_and_stays_in_effect(
    fake: FakeRos2Control, commander: Commander
) -> None:
    first, goal = fake.hardware.cycles, START[:6] + 0.3
    commander.command(*goal)
    assert left(fake) == goal.tolist()
    _, positions = fake.hardware.recorded(first)
    assert len(np.unique(positions[:, 0])) == 2
    np.testing.assert_array_equal(fake.hardware.positions[6:], START[6:])


def test_the_largest_step_is_measured_from_the_position_of_the_arm(
    fake: FakeRos2Control, commander: Commander
) -> None:
    commander.command(*START[:6])
    for number in range(1, 4):
        commander.command(*(START[:6] + STEP * number))
    assert fake.largest_step().ratio <= 1.0
    commander.command(*(START[:6] + 0.3))
    assert fake.largest_step().ratio > 10.0
    assert fake.largest_step().joint.startswith("left_")


def test_a_lost_message_allows_a_step_of_two_periods(
    fake: FakeRos2Control, commander: Commander
) -> None:
    commander.command(*START[:6])
    fake.controllers[LEFT].update = lambda now_ns: None
    commander.command(*(START[:6] + STEP))
    del fake.controllers[LEFT].update
    commander.command(*(START[:6] + 2 * STEP))
    step = fake.largest_step()
    assert step.size == pytest.approx(2 * STEP)
    assert step.ratio == pytest.approx(1.0, abs=1e-3)


def test_a_deactivated_controller_keeps_its_subscription_and_an_unloaded_one_loses_it(
    fake: FakeRos2Control, commander: Commander
) -> None:
    fake.deactivate(LEFT)
    commander.command(*(START[:6] + 0.3))
    assert commander.publisher.get_subscription_count() == 1
    np.testing.assert_array_equal(fake.hardware.positions, START)
    fake.unload(LEFT)
    wait_until(lambda: commander.publisher.get_subscription_count() == 0, "the subscription to end")


def test_an_activated_controller_waits_for_a_new_command(
    fake: FakeRos2Control, commander: Commander
) -> None:
    fake.deactivate(LEFT)
    commander.command(*(START[:6] + 0.3))
    fake.activate(LEFT)
    time.sleep(20 * PERIOD_S)
    np.testing.assert_array_equal(fake.hardware.positions, START)
    commander.command(*(START[:6] + 0.1))
    assert left(fake) == (START[:6] + 0.1).tolist()


def test_a_command_of_the_wrong_size_deactivates_a_controller(
    fake: FakeRos2Control, commander: Commander
) -> None:
    commander.command(*START[:5])
    assert fake.controllers[LEFT].state == INACTIVE
    commander.command(*(START[:6] + 0.3))
    np.testing.assert_array_equal(fake.hardware.positions, START)


def test_a_command_that_is_not_finite_is_dropped(
    fake: FakeRos2Control, commander: Commander
) -> None:
    commander.command(*START[:5], np.nan)
    assert fake.controllers[LEFT].state == ACTIVE
    np.testing.assert_array_equal(fake.hardware.positions, START)


def test_commands_are_applied_in_the_joint_order_of_the_controller(
    fake: FakeRos2Control, commander: Commander
) -> None:
    fake.unload(LEFT)
    fake.load(LEFT, JOINTS_OF[LEFT][::-1])
    fake.activate(LEFT)
    wait_until(lambda: commander.publisher.get_subscription_count() == 1, "the controller")
    commander.command(*START[:6])
    assert left(fake) == START[:6][::-1].tolist()


def test_transitions_are_published_as_two_events_each(
    fake: FakeRos2Control, commander: Commander
) -> None:
    wait_until(
        lambda: commander.count_publishers(f"{LEFT}/transition_event") == 1, "the controller"
    )
    time.sleep(0.1)
    commander.events.clear()
    fake.deactivate(LEFT)
    fake.activate(LEFT)
    wait_until(lambda: ("activating", "active") in commander.events, "the events", limit_s=5.0)
    assert commander.events == [
        ("active", "deactivating"),
        ("deactivating", "inactive"),
        ("inactive", "activating"),
        ("activating", "active"),
    ]


@pytest.mark.parametrize("served", [True, False])
def test_the_parameters_of_a_controller_may_be_available(
    fake: FakeRos2Control, commander: Commander, served: bool
) -> None:
    fake.unload(LEFT)
    fake.load(LEFT, JOINTS_OF[LEFT], serves_parameters=served)
    client = commander.create_client(GetParameters, f"{LEFT}/get_parameters")
    wait_until(lambda: client.service_is_ready() == served, "the service to come or go")
    if served:
        request = GetParameters.Request(names=["joints", "interface_name"])
        future = client.call_async(request)
        wait_until(future.done, "the answer")
        joints, interface = future.result().values
        assert tuple(joints.string_array_value) == JOINTS_OF[LEFT]
        assert interface.string_value == "position"


def test_two_controllers_of_the_same_joints_are_never_active_at_once(
    fake: FakeRos2Control,
) -> None:
    with pytest.raises(AssertionError, match="claimed"):
        fake.activate(TRAJECTORY)
    fake.switch(activate=[TRAJECTORY], deactivate=[LEFT])
    fake.controllers[TRAJECTORY].target += 0.05
    wait_until(lambda: np.allclose(left(fake), START[:6] + 0.05), "the arm to arrive")
    assert fake.largest_step().ratio <= 1.0


def test_joint_states_are_in_alphabetical_order_and_end_with_the_manager(
    fake: FakeRos2Control, commander: Commander
) -> None:
    newest = commander.joint_states[-1]
    assert list(newest.name) == sorted(newest.name)
    assert dict(zip(newest.name, newest.position, strict=True))["left_elbow_joint"] == START[2]
    fake.shut_down()
    wait_until(lambda: commander.publisher.get_subscription_count() == 0, "the subscription to end")
    count = len(commander.joint_states)
    time.sleep(0.1)
    assert len(commander.joint_states) == count
    fake.restart(START + 0.2)
    wait_until(lambda: len(commander.joint_states) > count, "joint states again")
    assert fake.largest_step().ratio <= 1.0


def test_a_robot_in_a_protective_stop_ignores_commands_until_its_end(
    fake: FakeRos2Control, commander: Commander
) -> None:
    fake.hardware.follows = False
    commander.command(*(START[:6] + 0.3))
    np.testing.assert_array_equal(fake.hardware.positions, START)
    fake.hardware.follows = True
    time.sleep(20 * PERIOD_S)
    assert left(fake) == (START[:6] + 0.3).tolist()
    assert fake.largest_step().ratio > 10.0
