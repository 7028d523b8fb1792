"""Location of the package resources: `config/`, `launch/` and `models/`."""

from pathlib import Path

from dbp_ros.errors import ConfigError


def resource_directory() -> Path:
    """Return the folder that holds `package.xml`, `config/`, `launch/` and `models/`.

    This is the nearest ancestor of this file that is the root of the package or contains
    `share/dbp_ros`. It exists in a clone, after `pip install` and in a colcon workspace.

    Raises:
        ConfigError: If no such folder exists.
    """
    for ancestor in Path(__file__).resolve().parents:
        for candidate in (ancestor, ancestor / "share" / "dbp_ros"):
            if (candidate / "package.xml").is_file() and (candidate / "config").is_dir():
                return candidate
    raise ConfigError(
        f"no config/ and package.xml of dbp_ros above {Path(__file__).resolve()}: "
        "install the package with pip or colcon, or run it from a clone"
    )
