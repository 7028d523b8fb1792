"""Choice of the further viewer of a page at run time: Rerun is not installed with the page."""

from typing import TYPE_CHECKING

from dbp_ros.robots.urdf import Urdf
from dbp_ros.settings.robot import RobotDescription

if TYPE_CHECKING:
    from dbp_ros.panel.rerun_stream import RerunStream


def open_rerun(target: str, urdf: Urdf, robot: RobotDescription) -> "RerunStream | None":
    """Return the stream to Rerun; None without a target.

    Args:
        target: A file `*.rrd`, `spawn`, or `HOST:PORT`; empty for none.
        urdf: The robot.
        robot: Its description.

    Raises:
        ConfigError: If the target is malformed.
    """
    if not target:
        return None
    from dbp_ros.panel.rerun_stream import RerunStream

    return RerunStream(target, urdf, robot)
