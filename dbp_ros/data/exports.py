"""Exports of episodes to the formats of other projects."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.library_imports import library_imports
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.robot import RobotDescription

# Called with the number of episodes written.
Report = Callable[[int], None]
# Name of an exported bag by the index of its episode.
EXPORTED_BAG = "episode_{:06d}.mcap"


@dataclass(frozen=True)
class LeRobotExport(Settings):
    """Encoding of the images in a data set of LeRobot."""

    images_as: Literal["video", "png"] = setting(
        "video", "images of cameras: video is small and lossy, png is exact"
    )
    codec: Literal["auto", "av1", "h264"] = setting(
        "auto", "codec of the videos; auto is the first that this PyAV can encode"
    )
    crf: int | None = setting(
        None, "constant rate factor of the videos, more is smaller and worse", ge=0, le=51
    )


@dataclass(frozen=True)
class RobomimicExport(Settings):
    """Filter keys of a file of robomimic."""

    validation_fraction: float = setting(
        0.1, "share of the demonstrations in mask/valid; the others are in mask/train", ge=0, le=0.9
    )


@dataclass(frozen=True)
class McapExport(Settings):
    """Compression of exported bags."""

    compression: Literal["none", "lz4", "zstd"] = setting(
        "zstd", "compression of the bags; images are PNG files in any case"
    )


def export_lerobot(
    episodes: EpisodeSet, directory: Path, config: LeRobotExport, robot_type: str, report: Report
) -> None:
    """Write a set as a folder of LeRobot v3.0; see `write_lerobot`.

    Raises:
        EpisodeError: If a library is missing, or an episode cannot be read or written.
    """
    with library_imports("writing LeRobot"):
        from dbp_ros.data.lerobot.writer import write_lerobot
    write_lerobot(episodes, directory, config, robot_type, report)


def export_robomimic(
    episodes: EpisodeSet, path: Path, config: RobomimicExport, report: Report
) -> None:
    """Write a set as an HDF5 file of robomimic; see `write_robomimic`.

    Raises:
        EpisodeError: If a library is missing, or an episode cannot be read or written.
    """
    with library_imports("writing robomimic"):
        from dbp_ros.data.foreign.robomimic_writer import write_robomimic
    write_robomimic(episodes, path, config, report)


def export_mcap(
    episodes: EpisodeSet,
    directory: Path,
    config: McapExport,
    robot: RobotDescription | None,
    report: Report,
) -> None:
    """Write a set as a folder of rosbag2 files, one per episode; see `write_bags`.

    Raises:
        EpisodeError: If a library is missing, or an episode cannot be read or written.
    """
    with library_imports("writing bags"):
        from dbp_ros.data.bags.bag_export import write_bags
    write_bags(episodes, directory, config, robot, report)
