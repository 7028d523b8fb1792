"""Settings of the view node."""

from dataclasses import dataclass

from dbp_ros.settings.controllers import RobotConfig
from dbp_ros.settings.fields import setting


@dataclass(frozen=True)
class ViewConfig(RobotConfig):
    """Settings of the view node, which publishes what RViz and Foxglove show."""

    view_rate_hz: float = setting(10.0, "Messages per second", ge=0.5, le=60.0)
