"""Inputs of teleoperation: targets, twists, grippers, a gamepad and a leader arm."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Empty, Float64

from dbp_ros.errors import CommandError
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.qos import JOINT_STATES, SENSOR
from dbp_ros.teleop.gamepad import Gamepad, GamepadState
from dbp_ros.teleop.poses import pose_of
from dbp_ros.teleop.target_motion import TargetMotion
from dbp_ros.types import Array

LEADER = "leader/joint_states"


class TeleopInputs:
    """Subscriptions that set the targets of a `TargetMotion`."""

    def __init__(
        self,
        node: Node,
        motion: TargetMotion,
        lock: threading.Lock,
        root: str,
        now_ns: Callable[[], int],
        ignored: IgnoredMessages,
    ) -> None:
        """Subscribe.

        Args:
            node: Node that subscribes.
            motion: Receives the inputs.
            lock: Protects the motion.
            root: Frame of targets and twists.
            now_ns: Returns the steady time.
            ignored: Counts invalid messages.
        """
        self._gamepad_moves = False
        self._motion, self._lock, self._root = motion, lock, root
        self._now_ns, self._ignored = now_ns, ignored
        for arm in motion.arms:
            for kind, name, callback in (
                (PoseStamped, "hand_target", self._on_hand_target),
                (TwistStamped, "twist", self._on_twist),
                (Float64, "gripper", self._on_gripper),
                (Empty, "alive", self._on_alive),
            ):
                topic = f"~/{arm}/{name}"
                node.create_subscription(kind, topic, partial(callback, arm, topic), SENSOR)
        node.create_subscription(JointState, LEADER, self._on_leader, JOINT_STATES)

    @contextmanager
    def _input(self, topic: str, frame: str = "") -> Iterator[int]:
        """Lock the motion for an input in a frame; count it if it is invalid."""
        now_ns = self._now_ns()
        try:
            if frame not in ("", self._root):
                raise CommandError(f"its frame is {frame}, expected {self._root}")
            with self._lock:
                yield now_ns
        except CommandError as error:
            self._ignored.add(topic, str(error))

    def _on_hand_target(self, arm: str, topic: str, message: PoseStamped) -> None:
        with self._input(topic, message.header.frame_id) as now_ns:
            p, q = message.pose.position, message.pose.orientation
            pose = pose_of(np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w]))
            self._motion.set_hand_target(arm, pose, now_ns)

    def _on_twist(self, arm: str, topic: str, message: TwistStamped) -> None:
        with self._input(topic, message.header.frame_id) as now_ns:
            linear, angular = message.twist.linear, message.twist.angular
            values = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
            self._motion.set_twist(arm, _finite("a twist", values), now_ns)

    def _on_gripper(self, arm: str, topic: str, message: Float64) -> None:
        with self._input(topic) as now_ns:
            share = float(_finite("an opening share", [message.data])[0])
            self._motion.set_opening(arm, share, now_ns)

    def set_gamepad(self, state: GamepadState, previous_arm: str) -> None:
        """Move the selected arm by a gamepad; stop the arm that was selected before.

        A gamepad at rest does not end a twist of another device.
        """
        moves = bool(state.twist.any() or state.opening_speed)
        with self._input("joy") as now_ns:
            if state.arm != previous_arm:
                self._motion.set_twist(previous_arm, np.zeros(6), now_ns)
                self._motion.set_opening_speed(previous_arm, 0.0, now_ns)
            if moves or self._gamepad_moves:
                self._motion.set_twist(state.arm, state.twist, now_ns)
                self._motion.set_opening_speed(state.arm, state.opening_speed, now_ns)
        self._gamepad_moves = moves

    def _on_alive(self, arm: str, topic: str, _: Empty) -> None:
        with self._input(topic) as now_ns:
            self._motion.keep_alive(arm, now_ns)

    def _on_leader(self, message: JointState) -> None:
        with self._input(LEADER) as now_ns:
            if len(message.name) != len(message.position):
                raise CommandError(
                    f"{len(message.name)} names for {len(message.position)} positions"
                )
            _finite("a position", message.position)
            positions = dict(zip(message.name, message.position, strict=True))
            if not self._motion.leader.add(positions, now_ns):
                raise CommandError(
                    f"none of {', '.join(message.name)} is a joint of the leader: set leader_joints"
                )


class GamepadInput:
    """Subscription of `joy` on a node whose callbacks may block.

    Attributes:
        arm: Selected arm.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        gamepad: Gamepad,
        set_motion: Callable[[GamepadState, str], None],
        run: Callable[[str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: Node that subscribes.
            topic: Name of the topic.
            gamepad: Meaning of its messages.
            set_motion: Called with each state, and the arm that was selected before.
            run: Executes the actions `take_over` and `give_back`; may block.
        """
        self.arm = gamepad.arm
        self._gamepad, self._set_motion, self._run = gamepad, set_motion, run
        node.create_subscription(Joy, topic, self._on_joy, SENSOR)

    def _on_joy(self, message: Joy) -> None:
        state = self._gamepad.read(message.axes, message.buttons)
        self._set_motion(state, self.arm)
        self.arm = state.arm
        for action in state.actions:
            if action in ("take_over", "give_back"):
                self._run(action)


def _finite(what: str, values: Any) -> Array:
    """Return values as an array.

    Raises:
        CommandError: If one is not finite.
    """
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise CommandError(f"{what} is {array.tolist()}, expected finite numbers")
    return array
