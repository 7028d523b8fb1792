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

# Time between two points of the trajectory, in [s].
POINT_S = 0.1
# Time after which a switch has reached the guard, in [s].
SWITCH_S = 0.5

Switch = Callable[[str, Sequence[str], Sequence[str]], None]


def home_by_trajectory(
    operator: OperatorClient, report: Callable[[str], None], enable: bool, switch: Switch
) -> str:
    """Move the arms to the start pose by trajectory controllers; return a message for the user.

    Args:
        operator: Connection to the stack.
        report: Prints a line of progress.
        enable: Whether to enable control at the end.
        switch: Switches controllers: namespace, controllers to activate, those to deactivate.

    Raises:
        DbpError: If control is enabled, the robot has no trajectory controllers, a switch fails, or
            the arms do not arrive.
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
    start = motion.measured_positions()
    moved = np.isin(motion.joints, [joint for joints in homing.values() for joint in joints])
    goal = np.where(moved, motion.home, start)
    path = HomingPath(start, goal, limits.velocity, limits.acceleration)
    switch(operator.namespace, list(homing), replaced)
    report(f"{', '.join(homing)} active, moving home in {path.duration_s:.1f} s")
    try:
        for name, joints in homing.items():
            publishers[name].publish(_trajectory(path, motion.joints, joints))
        limit_s = 2.0 * path.duration_s + SETTLE_S
        started_s = time.monotonic()
        if not operator.spin_until(lambda: motion.is_near(goal, ARRIVED), limit_s):
            raise DbpError(motion.explain_delay(goal))
        duration_s = time.monotonic() - started_s
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


def _loaded(publishers: Mapping[str, Publisher]) -> list[str]:
    """Return the controllers that subscribe to trajectories, also while they are inactive."""
    return [name for name, p in publishers.items() if p.get_subscription_count() > 0]


def _trajectory(path: HomingPath, names: Sequence[str], joints: Sequence[str]) -> JointTrajectory:
    """Return the path of some joints, with stamp zero, which means now."""
    columns = [list(names).index(joint) for joint in joints]
    count = max(2, round(path.duration_s / POINT_S))
    times_s = np.linspace(0.0, path.duration_s, count + 1)[1:]
    return trajectory_message(joints, times_s, path.positions(times_s)[:, columns])
