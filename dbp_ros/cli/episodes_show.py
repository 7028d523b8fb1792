"""`dbp episodes show`: draw images, joints and rewards of episodes."""

import argparse
from pathlib import Path

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.cli.episodes_label import EPISODE_HELP
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.data.editing.episode_names import find_episodes
from dbp_ros.data.episode import require_steps
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.labels import discarded_names, read_labels
from dbp_ros.data.units import ColumnUnits
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.contact_sheet import SheetTitle, write_contact_sheet
from dbp_ros.files import check_file, check_folder, require_folder
from dbp_ros.robots.arm_solver import ArmSolver
from dbp_ros.settings.robot_files import read_robot

SUFFIX = ".png"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Write a contact sheet of each episode: images of every camera with their times, states "
        "and actions of each group of joints, and the reward. Labels are applied."
    )
    parser.epilog = "example: dbp episodes show data/transport 0 7-9 --out build/sheets"
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    parser.add_argument(
        "episodes", metavar="EPISODE", nargs="*", help=f"{EPISODE_HELP}; all if none is given"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"file that ends in {SUFFIX} for one episode, or a folder (default: sheets in the "
        "working directory)",
    )
    add_selection(parser, without=STRIDE)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the sheets.

    Raises:
        ConfigError: If the output cannot be written, or the description of the robot is invalid.
        EpisodeError: If the set cannot be opened, or has no such episode.
    """
    out, selection = arguments.out or Path("sheets"), selection_of(arguments, without=STRIDE)
    check_out = check_file if out.suffix == SUFFIX else check_folder
    check_out(out)
    episodes = open_episodes(arguments.path, selection, ArmSolver)
    names = list(episodes.names)
    if arguments.episodes:
        discarded = discarded_names(read_labels(arguments.path))
        names = find_episodes(arguments.episodes, names, str(arguments.path), discarded)
    files = _files(out, names)
    robot = read_robot(selection.robot) if selection.robot else None
    units, console = ColumnUnits.of_selection(selection), terminal()
    with progress_of(console, disable=not console.is_terminal) as progress:
        for name in progress.track(names, description="draw"):
            episode = episodes.read(episodes.names.index(name))
            require_steps(name, episode)
            title = SheetTitle(name, str(arguments.path))
            write_contact_sheet(files[name], title, episode, units, robot)
            console.print(str(files[name]), soft_wrap=True, highlight=False)
    return 0


def _files(out: Path, names: list[str]) -> dict[str, Path]:
    """Return the file of each sheet.

    Raises:
        ConfigError: If one file is given for several episodes.
    """
    if out.suffix == SUFFIX:
        if len(names) > 1:
            raise ConfigError(
                f"--out is the file {out} for {len(names)} episodes: give one EPISODE or a folder"
            )
        return {names[0]: out}
    require_folder(out)
    return {name: out / f"{_file_name(name)}{SUFFIX}" for name in names}


def _file_name(episode: str) -> str:
    """Return the name of an episode without its suffix, fit for a file."""
    stem = episode.removesuffix(".npz").removesuffix(".mcap")
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in stem)
