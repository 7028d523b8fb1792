"""`dbp home`: motion of the arms to the start pose of the robot."""

import time
from collections.abc import Callable

from dbp_ros.motion.homing import HomingPath, check_home
from dbp_ros.nodes.guarded_motion import GuardedMotion
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.types import Array


def move_home(operator: OperatorClient, report: Callable[[str], None], enable: bool) -> str:
    """Move the arms to the start pose; return a message for the user.

    Args:
        operator: Connection to the stack.
        report: Prints a line of progress.
        enable: Whether to enable control if it is disabled.

    Raises:
        DbpError: If there is no guard, its start pose does not fit the robot, or the arms cannot
            move or do not arrive.
    """
    motion = GuardedMotion(operator, report)
    limits = motion.limits
    check_home(motion.joints, motion.home.tolist(), limits.lower.tolist(), limits.upper.tolist())
    start = motion.start(enable)
    path = HomingPath(start, motion.home, limits.velocity, limits.acceleration)
    report(f"moving home in {motion.wall_duration_s(path):.1f} s")
    shown = 0

    def show(path_s: float, _: Array) -> None:
        nonlocal shown
        if (quarter := int(4.0 * path_s / path.duration_s)) > shown:
            shown = quarter
            report(f"{min(100, 25 * quarter)} %")

    start_s = time.monotonic()
    motion.follow(path, show)
    duration_s = time.monotonic() - start_s
    return f"the arms are at home after {duration_s:.1f} s; dbp activate starts the policy"
