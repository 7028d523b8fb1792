"""Settings of the panel node."""

import ipaddress
from dataclasses import dataclass

from dbp_ros.errors import ConfigError
from dbp_ros.settings.controllers import RobotConfig
from dbp_ros.settings.fields import setting
from dbp_ros.settings.policy import ImageTransportName

LOCALHOST = "localhost"


@dataclass(frozen=True)
class PanelConfig(RobotConfig):
    """Settings of the panel node, which serves the operator's page."""

    host: str = setting(
        "127.0.0.1",
        "Address on which the page listens; any other than one of the loopback requires the token "
        "that is printed with the address",
    )
    port: int = setting(8080, "TCP port of the page; 0 for a free one", ge=0, le=65535)
    host_names: tuple[str, ...] = setting(
        (), "Further names or addresses by which browsers reach the page"
    )
    image_transport: ImageTransportName = setting(
        "raw", "Topics of the images: image_raw, or image_raw/compressed"
    )
    page_rate_hz: float = setting(10.0, "Updates of the page per second", ge=1.0, le=30.0)
    image_rate_hz: float = setting(5.0, "Images per second and camera", ge=0.2, le=10.0)
    image_width: int = setting(240, "Largest width of an image on the page [px]", ge=32, le=1280)
    plot_duration_s: float = setting(120.0, "Duration of the plots [s]", ge=10.0, le=3600.0)
    teach_folder: str = setting("", "Folder of the teach tab; empty for no such tab")
    rerun: str = setting(
        "", "Also stream to Rerun: a file *.rrd, spawn for a viewer, or HOST:PORT; empty for none"
    )

    def __post_init__(self) -> None:
        """Raise `ConfigError` for an address that is not one of this computer's formats."""
        super().__post_init__()
        if self.host != LOCALHOST:
            try:
                ipaddress.ip_address(self.host)
            except ValueError:
                raise ConfigError(
                    f"host is {self.host!r}, expected an IP address such as 127.0.0.1 or 0.0.0.0"
                ) from None

    @property
    def on_loopback(self) -> bool:
        """Whether only this computer reaches the page."""
        return self.host == LOCALHOST or ipaddress.ip_address(self.host).is_loopback
