"""Find the files that are installed beside the code: `config/`, `launch/`, `models/`."""

from pathlib import Path

from dbp_ros.errors import ConfigError


def resource_directory() -> Path:
    """Return the folder that holds `package.xml`, `config/`, `launch/` and `models/`.

    One rule serves a source tree, `pip install -e`, `pip install` and a colcon workspace: the
    nearest ancestor of this file that is the package's root, or that has `share/dbp_ros`.

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
