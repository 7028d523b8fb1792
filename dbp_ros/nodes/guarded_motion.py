"""Motion of the arms along a path, with chunks to the guard in place of the policy."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from lifecycle_msgs.msg import State
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.errors import DbpError
from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.nodes.conversions import trajectory_message
from dbp_ros.nodes.operator_client import DISCOVERY_S, DISCOVERY_SPREAD_S, OperatorClient
from dbp_ros.nodes.qos import COMMAND, JOINT_STATES, LATCHED
from dbp_ros.nodes.ros_graph import JOINT_STATE, TRAJECTORY, RosGraph
from dbp_ros.types import Array

GUARD_PARAMETERS = (
    *("robot", "joints", "home_positions", "home_speed", "velocity_limit", "acceleration_limit"),
    *("position_lower", "position_upper", "tracking_error_limit", "real_time_factor"),
    "joint_state_timeout_s",
)
CHUNK_RATE_HZ = 50.0
# Times of the points of a chunk after its stamp, in [s].
POINT_TIMES_S: Array = 0.05 * np.arange(1, 11, dtype=np.float64)
# Fractions of the tracking limit: an arm within the first has arrived; beyond the second, the path
# is paused.
ARRIVED, LAGGING = 0.2, 0.6
# Longest step on the path, in [s]. The guard brakes if no chunk arrives for this time, so a process
# that was delayed for longer continues where the arms came to rest.
MAX_STEP_S = 0.1
# Shortest age, in [s], at which joint states are not those of the arms: a shell command may wait.
RECENT_S = 0.3
# The arms rest if no joint moves farther than the first, in [rad] or [m], for the second.
STILL, STILL_S, REST_LIMIT_S = 0.003, 0.3, 3.0
SETTLE_S = 3.0
STATE_S = 2.0


class Path(Protocol):
    """Path in joint space, at rest at both ends."""

    duration_s: float
    goal: Array

    def positions(self, times_s: Array) -> Array:
        """Return positions. Shape (n, nu) for times of shape (n,), in [s]."""


@dataclass(frozen=True)
class MotionLimits:
    """Limits of the guard for a slow motion; all of shape (nu,), in [rad], [m] and [s].

    Attributes:
        lower: Position limits.
        upper: Position limits.
        velocity: Share `home_speed` of the velocity limits, or the smaller `speed_scaling`.
        acceleration: Share `home_speed` of the acceleration limits.
        tolerance: Limits of the tracking error.
    """

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    tolerance: Array


def step_on_path_s(state: GuardState, elapsed_s: float) -> float:
    """Return the time by which a path advances, in [s].

    Args:
        state: State of the guard; it holds the arms without fresh chunks or joint states.
        elapsed_s: Time since the last step, in [s] of the simulation if there is one.
    """
    return 0.0 if state.mode is GuardMode.HOLDING else min(elapsed_s, MAX_STEP_S)


class GuardedMotion:
    """Motion of the arms by an operator, through the guard.

    Attributes:
        robot: Description of the robot, as given to the guard.
        joints: Joints of the guard, in the order of all positions.
        home: Start pose of the robot in [rad] and [m]. Shape (nu,).
        limits: Limits of the motion.
        joint_state_timeout_s: Age at which positions are no longer those of the arms.
        state: Last state of the guard.
    """

    def __init__(self, operator: OperatorClient, report: Callable[[str], None]) -> None:
        """Read the parameters of the guard, and subscribe to its state and to joint states.

        Args:
            operator: Connection to the stack.
            report: Prints a line of progress.

        Raises:
            DbpError: If there is no guard, or it is of another version.
        """
        self._operator = operator
        self._report = report
        self.state = GuardState()
        self._positions: dict[str, float] = {}
        self._arrivals_s: dict[str, float] = {}
        node = operator.node
        node.create_subscription(String, "guard/state", self._on_state, LATCHED)
        settings = self._guard_settings()
        joint_states = self._input_of_guard(JOINT_STATE)
        node.create_subscription(JointState, joint_states, self._on_joint_states, JOINT_STATES)
        self._chunk_topic = self._input_of_guard(TRAJECTORY)
        self.robot: str = settings["robot"]
        self.joints: list[str] = list(settings["joints"])
        self.home = np.array(settings["home_positions"])
        # The guard limits a path to this speed; trajectory controllers do not know it.
        speed = min(settings["home_speed"], self._speed_scaling())
        self.limits = MotionLimits(
            np.array(settings["position_lower"]),
            np.array(settings["position_upper"]),
            speed * np.array(settings["velocity_limit"]),
            settings["home_speed"] * np.array(settings["acceleration_limit"]),
            np.array(settings["tracking_error_limit"]),
        )
        self._real_time_factor = float(settings["real_time_factor"])
        self.joint_state_timeout_s = max(RECENT_S, settings["joint_state_timeout_s"])

    def start(self, enable: bool) -> Array:
        """Deactivate the policy and enable control; return the positions of the arms.

        Args:
            enable: Whether to enable control if it is disabled.

        Raises:
            DbpError: If the arms cannot be moved.
        """
        enabled = self._require_ready(enable)
        self._deactivate_policy()
        self._require_only_publisher()
        self._wait_for_rest()
        start = self.measured_positions()
        if not enabled:
            self._operator.enable_control(True)
            self._operator.spin_until(lambda: self.state.enabled, STATE_S)
        return start

    def _wait_for_rest(self) -> None:
        """Wait until the arms are still: the guard follows the last chunk, then brakes."""
        reference, since_s = self.measured_positions(), time.monotonic()

        def rests() -> bool:
            nonlocal reference, since_s
            measured = self._measured()
            if np.abs(measured - reference).max() > STILL:
                reference, since_s = measured, time.monotonic()
            return time.monotonic() - since_s >= STILL_S

        self._operator.spin_until(rests, REST_LIMIT_S)

    def _guard_settings(self) -> dict[str, Any]:
        request = GetParameters.Request(names=list(GUARD_PARAMETERS))
        response = self._operator.call(GetParameters, "guard/get_parameters", request)
        values = map(parameter_value_to_python, response.values)
        settings = dict(zip(GUARD_PARAMETERS, values, strict=True))
        if unset := [name for name, value in settings.items() if value is None]:
            raise DbpError(
                f"the guard has no parameter {', '.join(unset)}: it is of another version"
            )
        return settings

    def _input_of_guard(self, kind: str) -> str:
        graph = RosGraph(self._operator.node, self._operator.namespace)
        if not self._operator.spin_until(
            lambda: len(graph.inputs_of_guard(kind)) == 1, DISCOVERY_S
        ):
            found = ", ".join(graph.subscribed("guard", (kind,))) or "none"
            raise DbpError(
                f"the guard has other topics of {kind} than one and that of an operator: {found}; "
                "see dbp status"
            )
        return graph.inputs_of_guard(kind)[0]

    def _speed_scaling(self) -> float:
        return float(json.loads(self._operator.trigger("guard/statistics"))["speed_scaling"])

    def wall_duration_s(self, path: Path) -> float:
        """Return the shortest duration of a path in wall time, in [s]."""
        return path.duration_s / self._real_time_factor

    def _wait_for_state(self) -> None:
        if not self._operator.spin_until(lambda: self.state != GuardState(), STATE_S):
            raise DbpError("the guard publishes no state: see dbp status")

    def _deactivate_policy(self, discovery_s: float = DISCOVERY_SPREAD_S) -> None:
        if not self._operator.spin_until(
            lambda: self._operator.offers("policy/get_state"), discovery_s
        ):
            return
        if self._operator.policy_state() == State.PRIMARY_STATE_ACTIVE:
            self._operator.deactivate_policy()
            self._report("the policy is deactivated")

    def _require_only_publisher(self) -> None:
        policy = f"{self._operator.namespace}/policy"
        publishers = set(self._operator.publishers(self._chunk_topic))
        if policy in publishers:
            # Its services may have been discovered since.
            self._deactivate_policy(DISCOVERY_S)
        if others := sorted(publishers - {policy}):
            raise DbpError(f"{', '.join(others)} also publishes {self._chunk_topic}: end it first")

    @property
    def stopped(self) -> bool:
        """Whether a stop of the guard is latched."""
        return self.state.mode is GuardMode.STOPPED

    def measured_positions(self) -> Array:
        """Wait for a new position of every joint; return them. Shape (nu,).

        Raises:
            DbpError: If no joint state of a joint arrives.
        """
        since_s = time.monotonic()

        def missing() -> list[str]:
            return [j for j in self.joints if self._arrivals_s.get(j, -np.inf) <= since_s]

        if not self._operator.spin_until(lambda: not missing(), STATE_S):
            raise DbpError(f"missing in joint_states: {', '.join(missing())}; see dbp status")
        return self._measured()

    def recent_positions(self) -> Array | None:
        """Return the last positions; None if one is too old. Shape (nu,)."""
        oldest_s = min(self._arrivals_s.get(joint, -np.inf) for joint in self.joints)
        recent = time.monotonic() - oldest_s <= self.joint_state_timeout_s
        return self._measured() if recent else None

    def _require_ready(self, enable: bool) -> bool:
        """Check that control is enabled or may be enabled; return whether it is enabled."""
        self._wait_for_state()
        if self.stopped:
            raise DbpError(f"the guard is {self.state}: dbp reset, then dbp enable")
        if self.state.operator_control:
            raise DbpError(
                "an operator has control, so the guard ignores these chunks: dbp give-back first"
            )
        enabled = self.state.enabled
        if not enabled and not enable:
            raise DbpError(f"the guard is {self.state}: use --enable, or dbp enable first")
        return enabled

    def require_disabled(self) -> None:
        """Check that the guard does not command the arms.

        Raises:
            DbpError: If control is enabled, or a stop is latched.
        """
        self._wait_for_state()
        if self.state.mode is not GuardMode.DISABLED:
            remedy = "dbp reset" if self.stopped else "dbp disable"
            raise DbpError(f"the guard is {self.state}, expected disabled: {remedy} first")

    def follow(self, path: Path, on_step: Callable[[float, Array], None]) -> None:
        """Publish a path until the arms arrive; pause it while an arm lags or the guard holds.

        Args:
            path: The path, from the present positions.
            on_step: Called with the time on the path in [s] and the measured positions.

        Raises:
            DbpError: If the arms do not arrive, or the guard stops them.
        """
        chunks = self._operator.node.create_publisher(JointTrajectory, self._chunk_topic, COMMAND)
        self._operator.spin_until(lambda: chunks.get_subscription_count() > 0, DISCOVERY_S)
        path_s, before = 0.0, time.monotonic()
        deadline = before + 2.0 * self.wall_duration_s(path) + SETTLE_S
        while path_s < path.duration_s or not self.is_near(path.goal, ARRIVED):
            now = time.monotonic()
            if self.is_near(path.positions(np.array([path_s]))[0], LAGGING):
                path_s += step_on_path_s(self.state, self._real_time_factor * (now - before))
            before = now
            if now > deadline:
                raise DbpError(self.explain_delay(path.goal))
            if not self.state.enabled or self.state.operator_control:
                raise DbpError(f"the guard is {self.state}: the motion is not complete")
            chunks.publish(self._chunk(path, path_s))
            on_step(path_s, self._measured())
            self._operator.spin(1.0 / CHUNK_RATE_HZ)

    def _chunk(self, path: Path, path_s: float) -> JointTrajectory:
        """Return the points of the path after `path_s`, with stamp zero, which means now."""
        positions = path.positions(path_s + POINT_TIMES_S)
        return trajectory_message(self.joints, POINT_TIMES_S, positions)

    def is_near(self, positions: Array, fraction: float) -> bool:
        """Return whether all joints are within a share of the tracking limits of positions."""
        return bool(
            (np.abs(self._measured() - positions) <= fraction * self.limits.tolerance).all()
        )

    def _measured(self) -> Array:
        return np.array([self._positions[joint] for joint in self.joints])

    def explain_delay(self, goal: Array) -> str:
        """Return a sentence about the joint that is farthest from a goal."""
        error = np.abs(self._measured() - goal)
        worst = int(np.argmax(error / self.limits.tolerance))
        return (
            f"{self.joints[worst]} is still {error[worst]:.3f} rad or m from the goal; the guard "
            f"is {self.state}: check for a blocked arm or an inactive controller, see dbp status"
        )

    def _on_state(self, message: String) -> None:
        self.state = GuardState.parse(message.data)

    def _on_joint_states(self, message: JointState) -> None:
        if len(message.position) == len(message.name):
            self._positions.update(zip(message.name, message.position, strict=True))
            self._arrivals_s |= dict.fromkeys(message.name, time.monotonic())
