"""`dbp home --trajectory`: motion to the start pose by trajectory controllers of ros2_control.

The order is: control disabled, trajectory controllers active instead of the forward controllers,
motion, forward controllers active again, control enabled.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from rclpy.publisher import Publisher
from trajectory_msgs.msg import JointTrajectory

from dbp_ros.errors import DbpError
from dbp_ros.motion.homing import HomingPath, check_home
from dbp_ros.nodes.conversions import trajectory_message
from dbp_ros.nodes.guarded_motion import ARRIVED, SETTLE_S, GuardedMotion
from dbp_ros.nodes.operator_client import DISCOVERY_S, OperatorClient
from dbp_ros.nodes.qos import COMMAND
from dbp_ros.robots.ros2_control import homing_controllers
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.types import Array

# Time between two points of the trajectory, in [s].
POINT_S = 0.1
# Distance from the path beyond which an arm does not follow it, in [rad] or [m].
OFF_PATH = 0.1
# Time after which a switch or a trajectory has reached its receivers, in [s].
SWITCH_S = 0.5
# Time in which the arms brake on their path after a stop, in [s], and points of that trajectory.
BRAKING_S, BRAKING_POINTS = 0.5, 5

Switch = Callable[[str, Sequence[str], Sequence[str]], None]


def home_by_trajectory(
    operator: OperatorClient, report: Callable[[str], None], enable: bool, switch: Switch
) -> str:
    """Move the arms to the start pose by trajectory controllers; return a message for the user.

    An emergency stop of the guard, Ctrl-C and missing joint states bring the arms to rest on their
    path.

    Args:
        operator: Connection to the stack.
        report: Prints a line of progress.
        enable: Whether to enable control at the end.
        switch: Switches controllers: namespace, controllers to activate, those to deactivate.

    Raises:
        DbpError: If control is enabled, the robot has no trajectory controllers, a switch fails,
            the guard stops, joint states are missing, or the arms do not arrive.
    """
    motion = GuardedMotion(operator, report)
    motion.require_disabled()
    robot = read_robot(motion.robot)
    homing = homing_controllers(robot)
    if len(homing) < len(robot.arms):
        raise DbpError(
            f"{motion.robot} has no homing_controller for every arm: add it to the description of "
            "the robot, or use dbp home without --trajectory"
        )
    limits = motion.limits
    check_home(motion.joints, motion.home.tolist(), limits.lower.tolist(), limits.upper.tolist())
    # Only arms: a gripper keeps its position.
    replaced = [arm.controller for arm in robot.arms.values()]
    publishers = {
        name: operator.node.create_publisher(JointTrajectory, f"{name}/joint_trajectory", COMMAND)
        for name in homing
    }
    loaded = partial(_loaded, publishers)
    operator.spin_until(lambda: len(loaded()) == len(homing), DISCOVERY_S)
    if missing := [name for name in homing if name not in loaded()]:
        raise DbpError(f"{missing[0]} is not loaded: ros2 control load_controller {missing[0]}")
    # Before the switch: without joint states nothing changes.
    motion.measured_positions()
    moved = np.isin(motion.joints, [joint for joints in homing.values() for joint in joints])
    switch(operator.namespace, list(homing), replaced)
    try:
        # Positions from after the switch, which takes a while.
        operator.spin(SWITCH_S)
        start = motion.measured_positions()
        path = HomingPath(
            start, np.where(moved, motion.home, start), limits.velocity, limits.acceleration
        )
        report(f"{', '.join(homing)} active, moving home in {path.duration_s:.1f} s")
        duration_s = _follow(operator, motion, path, publishers, homing)
    except DbpError as error:
        raise DbpError(
            f"{error}; {', '.join(homing)} stay active and hold the arms, control stays disabled"
        ) from error
    switch(operator.namespace, replaced, list(homing))
    done = f"the arms are at home after {duration_s:.1f} s, the forward controllers are active"
    if not enable:
        return f"{done}; dbp enable continues"
    operator.spin(SWITCH_S)
    operator.enable_control(True)
    return f"{done}, control is enabled"


def _follow(
    operator: OperatorClient,
    motion: GuardedMotion,
    path: HomingPath,
    publishers: Mapping[str, Publisher],
    homing: Mapping[str, Sequence[str]],
) -> float:
    """Move the arms along a path; return the duration in [s]. Brake them if that fails.

    Raises:
        DbpError: If the guard stops, joint states are missing, or the arms do not arrive.
    """
    if motion.stopped:
        raise DbpError(f"the guard is {motion.state}")

    def publish(times_s: Array, positions: Array) -> None:
        for name, joints in homing.items():
            columns = [motion.joints.index(joint) for joint in joints]
            points = positions[:, columns]
            publishers[name].publish(trajectory_message(joints, times_s, points))

    count = max(2, round(path.duration_s / POINT_S))
    times_s = np.linspace(0.0, path.duration_s, count + 1)[1:]
    started_s = time.monotonic()
    publish(times_s, path.positions(times_s))
    try:
        ended = operator.spin_until(
            lambda: (
                motion.stopped
                or motion.recent_positions() is None
                or motion.is_near(path.goal, ARRIVED)
            ),
            2.0 * path.duration_s + SETTLE_S,
        )
        if motion.stopped:
            raise DbpError(f"the guard is {motion.state}")
        if motion.recent_positions() is None:
            raise DbpError(
                f"no joint states for {motion.joint_state_timeout_s:g} s: see dbp status"
            )
        if not ended:
            raise DbpError(motion.explain_delay(path.goal))
    except BaseException:
        # Also on Ctrl-C.
        braking_s = np.linspace(0.0, BRAKING_S, BRAKING_POINTS + 1)[1:]
        elapsed_s = time.monotonic() - started_s
        positions = braking_positions(path, motion.recent_positions(), elapsed_s, braking_s)
        publish(braking_s, positions)
        operator.spin(SWITCH_S)
        raise
    return time.monotonic() - started_s


def braking_positions(
    path: HomingPath, measured: Array | None, elapsed_s: float, times_s: Array
) -> Array:
    """Return positions that bring the arms to rest from where they are. Shape (n, nu).

    The speed along the path decreases evenly to zero. Arms that are not on the path, such as one
    that is blocked, stay: a controller may follow more slowly than the clock.

    Args:
        path: Path of the arms.
        measured: Measured positions; None if they are not known: then the arms are taken to be
            where the controllers move them at this time. Shape (nu,).
        elapsed_s: Time since the start of the path.
        times_s: Times of the positions; the last one ends the braking. Shape (n,).
    """
    if measured is None:
        nearest_s = elapsed_s
    else:
        nearest_s = path.nearest_time_s(measured)
        if np.abs(path.positions(np.array([nearest_s]))[0] - measured).max() > OFF_PATH:
            return np.tile(measured, (len(times_s), 1))
    return path.positions(nearest_s + times_s - times_s**2 / (2.0 * times_s[-1]))


def _loaded(publishers: Mapping[str, Publisher]) -> list[str]:
    """Return the controllers that subscribe to trajectories, also while they are inactive."""
    return [name for name, p in publishers.items() if p.get_subscription_count() > 0]
