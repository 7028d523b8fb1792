"""Input device of teleoperation in a shell command: publishers, states and services."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from geometry_msgs.msg import TwistStamped
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import Joy
from std_msgs.msg import Empty, Float64, String

from dbp_ros.errors import DbpError
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.nodes.qos import COMMAND, LATCHED
from dbp_ros.runtime.stop_socket import local_guards, send_stop
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.types import Array

PARAMETERS = ("robot", "hand_speed", "hand_turn_speed")
STATES = ("teleop", "guard")
STATE_S = 2.0


class TeleopRemote:
    """Connection of an input device to the teleoperation node.

    Attributes:
        arms: Names of the arms.
        hand_speed: Largest speed of a hand in [m/s].
        hand_turn_speed: Largest angular speed of a hand in [rad/s].
        states: Newest state of teleoperation and of the guard.
    """

    def __init__(self, operator: OperatorClient) -> None:
        """Read the parameters of the teleoperation node, and create the publishers.

        Raises:
            DbpError: If it is not running.
        """
        self._operator = operator
        node = operator.node
        request = GetParameters.Request(names=list(PARAMETERS))
        try:
            response = operator.call(GetParameters, "teleop/get_parameters", request)
        except DbpError as error:
            raise DbpError(
                f"teleop is not running: start the stack with dbp up --teleop ({error})"
            ) from error
        robot, speed, turn_speed = map(parameter_value_to_python, response.values)
        self.arms: tuple[str, ...] = tuple(read_robot(robot).arms)
        self.hand_speed, self.hand_turn_speed = float(speed), float(turn_speed)
        self.states = dict.fromkeys(STATES, "")
        for name in STATES:
            node.create_subscription(
                String, f"{name}/state", lambda m, name=name: self._on_state(name, m), LATCHED
            )
        self._joy = node.create_publisher(Joy, "joy", COMMAND)
        self._alive = {
            arm: node.create_publisher(Empty, f"teleop/{arm}/alive", COMMAND) for arm in self.arms
        }
        self._twists = {
            arm: node.create_publisher(TwistStamped, f"teleop/{arm}/twist", COMMAND)
            for arm in self.arms
        }
        self._grippers = {
            arm: node.create_publisher(Float64, f"teleop/{arm}/gripper", COMMAND)
            for arm in self.arms
        }
        operator.spin_until(lambda: all(self.states.values()), STATE_S)

    def take_over(self) -> str:
        """Take control; return a message."""
        return self._operator.trigger("teleop/take_over")

    def give_back(self) -> str:
        """Return control to the policy; return a message."""
        return self._operator.give_back()

    @contextmanager
    def polling(self, poll: Callable[[], None]) -> Iterator[None]:
        """Call a function while requests are awaited; an exception from it ends the wait."""
        before, self._operator.while_waiting = self._operator.while_waiting, poll
        try:
            yield
        finally:
            self._operator.while_waiting = before

    def emergency_stop(self) -> str:
        """Stop the arms and latch the stop, on this computer at once; return a message."""
        domain = self._operator.node.context.get_domain_id()
        # Without a list of sockets the service remains.
        with suppress(OSError):
            send_stop(local_guards(domain, self._operator.namespace), timeout_s=0.0)
        return self._operator.trigger("guard/emergency_stop") or "stopped: dbp reset, dbp enable"

    def spin(self, duration_s: float) -> None:
        """Process callbacks for some time."""
        self._operator.spin(duration_s)

    def publish_alive(self, arm: str) -> None:
        """Report that the operator of an arm is present."""
        self._alive[arm].publish(Empty())

    def publish_twist(self, arm: str, twist: Array) -> None:
        """Move a hand by a twist in [m/s] and [rad/s], in the root frame. Shape (6,)."""
        message = TwistStamped()
        message.header.stamp = self._operator.node.get_clock().now().to_msg()
        linear, angular = message.twist.linear, message.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, twist)
        self._twists[arm].publish(message)

    def publish_opening(self, arm: str, share: float) -> None:
        """Move a gripper to an opening share."""
        self._grippers[arm].publish(Float64(data=share))

    def publish_joy(self, axes: Sequence[float], buttons: Sequence[int]) -> None:
        """Publish the state of a gamepad."""
        message = Joy(axes=list(axes), buttons=list(buttons))
        message.header.stamp = self._operator.node.get_clock().now().to_msg()
        self._joy.publish(message)

    def _on_state(self, name: str, message: String) -> None:
        self.states[name] = message.data
