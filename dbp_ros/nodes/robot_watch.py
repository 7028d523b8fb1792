"""Warning if joint states have no publisher after the start."""

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

TOPIC = "joint_states"
LIMIT_S = 5.0
POLL_S = 0.5


class RobotWatch:
    """Timer that logs a warning if joint states have no publisher in time."""

    def __init__(self, node: Node, limit_s: float = LIMIT_S) -> None:
        """Start the timer.

        Args:
            node: The node that subscribes to the joint states.
            limit_s: Time limit, in [s] of the steady clock.
        """
        self._node = node
        self._topic = node.resolve_topic_name(TOPIC)
        self._limit_s = limit_s
        self._checks = 0
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer: Timer = node.create_timer(POLL_S, self._check, clock=steady)

    def _check(self) -> None:
        self._checks += 1
        if self._node.count_publishers(self._topic):
            self._timer.cancel()
        elif self._checks * POLL_S >= self._limit_s:
            self._timer.cancel()
            self._node.get_logger().warning(
                f"nothing publishes {self._topic} after {self._limit_s:g} s: start the drivers of "
                "the robot, or start the stack with the simulated cell: dbp up --sim, or sim:=true "
                "for ros2 launch"
            )
