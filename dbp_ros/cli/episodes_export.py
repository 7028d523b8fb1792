"""`dbp episodes export`: write a data set in the format of another project."""

import argparse
from pathlib import Path

from dbp_ros.cli.data_flags import PATH_HELP, add_selection, selection_of
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.exports import (
    EXPORTED_BAG,
    LeRobotExport,
    McapExport,
    Report,
    RobomimicExport,
    export_lerobot,
    export_mcap,
    export_robomimic,
)
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.lerobot.layout import INFO_PATH
from dbp_ros.errors import ConfigError
from dbp_ros.files import check_file, check_new_folder
from dbp_ros.robots.arm_solver import ArmSolver
from dbp_ros.settings.flags import add_settings, flags_of, settings_from
from dbp_ros.settings.robot_files import read_robot

LEROBOT, MCAP, ROBOMIMIC = "lerobot", "mcap", "robomimic"
EXPORTS = {LEROBOT: LeRobotExport, MCAP: McapExport, ROBOMIMIC: RobomimicExport}
# A file that every folder of a format contains.
MARKERS = {LEROBOT: INFO_PATH, MCAP: EXPORTED_BAG.format(0)}
HDF5_SUFFIX = ".hdf5"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Write a data set of any format that dbp train reads as a folder of LeRobot v3.0, as an "
        "HDF5 file of robomimic, or as bags of rosbag2: one MCAP file per episode, which ros2 bag "
        "and Foxglove open. The set is written next to --out and renamed when it is complete. "
        "What LeRobot stores as video is lossy; --images-as png is exact. Bags have the "
        "command topics of the controllers with --robot, else /joint_commands."
    )
    parser.epilog = "example: dbp episodes export data/transport --to lerobot --out data/lerobot"
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument("--to", required=True, choices=sorted(EXPORTS), help="format to write")
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        help=f"folder to write for {LEROBOT} and {MCAP}, file *{HDF5_SUFFIX} for {ROBOMIMIC}",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing data set")
    add_selection(parser)
    for name, kind in EXPORTS.items():
        add_settings(parser.add_argument_group(f"with --to {name}"), kind)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the data set.

    Raises:
        ConfigError: If --out cannot be written, or a flag belongs to another format.
        EpisodeError: If the set or one of its episodes cannot be read or written.
    """
    _check_flags(arguments)
    _check_out(arguments)
    episodes = open_episodes(arguments.path, selection_of(arguments), ArmSolver)
    console = terminal()
    with progress_of(console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("export", total=len(episodes))
        _write(arguments, episodes, lambda count: progress.update(bar, completed=count))
    console.print(f"wrote {len(episodes)} episodes to {arguments.out}", soft_wrap=True)
    if (arguments.out / "videos").is_dir():
        console.print("cameras are videos, which are lossy; --images-as png is exact")
    return 0


def _write(arguments: argparse.Namespace, episodes: EpisodeSet, report: Report) -> None:
    if arguments.to == ROBOMIMIC:
        config = settings_from(RobomimicExport, arguments)
        export_robomimic(episodes, arguments.out, config, report)
        return
    robot = read_robot(arguments.robot) if arguments.robot else None
    if arguments.to == MCAP:
        mcap = settings_from(McapExport, arguments)
        export_mcap(episodes, arguments.out, mcap, robot, report)
        return
    lerobot = settings_from(LeRobotExport, arguments)
    export_lerobot(episodes, arguments.out, lerobot, robot.name if robot else "", report)


def _check_flags(arguments: argparse.Namespace) -> None:
    for name, kind in EXPORTS.items():
        given = flags_of(settings_from(kind, arguments))
        if name != arguments.to and given:
            raise ConfigError(f"{given[0]} applies only with --to {name}: leave it out")


def _check_out(arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    if arguments.to == ROBOMIMIC:
        if out.suffix != HDF5_SUFFIX:
            raise ConfigError(f"--out is {out}, expected a file that ends in {HDF5_SUFFIX}")
        check_file(out)
    else:
        check_new_folder(out, MARKERS[arguments.to])
    source, target = arguments.path.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise ConfigError(f"--out {out} and {arguments.path} overlap: give another --out")
    if out.exists() and not arguments.force:
        raise ConfigError(f"--out {out} exists: give another, or add --force to replace it")
