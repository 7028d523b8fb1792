"""Sets of episodes in any supported format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbp_ros.data.episode import DATASET_FILE, SUFFIX
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.library_imports import library_imports
from dbp_ros.data.npz_folder import NpzFolder
from dbp_ros.data.robot_mapping import MappedEpisodes
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.robot_files import read_robot

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class DataFormat:
    """A format of data sets.

    Attributes:
        name: Name for error messages.
        layout: Files on disk, for error messages.
        matches: Returns whether a path has this format.
        open: Imports the reader and its library, and opens a data set.
    """

    name: str
    layout: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, Selection], EpisodeSet]


def _open_lerobot(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.lerobot import LeRobotFolder

    return LeRobotFolder(path, selection)


def _open_diffusion_policy(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.diffusion_policy import DiffusionPolicyStore

    return DiffusionPolicyStore(path, selection)


def _open_robomimic(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.robomimic import RobomimicFile

    return RobomimicFile(path, selection)


def _begins_with(path: Path, magic: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _is_zip(path: Path) -> bool:
    # An .npz episode is also a zip file, but a data set of them is a folder.
    return path.suffix != SUFFIX and _begins_with(path, ZIP_MAGIC)


FORMATS = (
    DataFormat(
        "LeRobot v2 and v3",
        "a folder with meta/info.json and data/, and videos/ if cameras are stored as video",
        lambda path: (path / "meta" / "info.json").is_file(),
        _open_lerobot,
    ),
    DataFormat(
        "Diffusion Policy",
        "a .zarr folder or .zarr.zip with data/ and meta/episode_ends",
        lambda path: (path / "meta" / "episode_ends").is_dir() or _is_zip(path),
        _open_diffusion_policy,
    ),
    DataFormat(
        "robomimic",
        "an .hdf5 file with data/demo_0, data/demo_1, ...",
        lambda path: _begins_with(path, HDF5_MAGIC),
        _open_robomimic,
    ),
    DataFormat(
        "dbp_ros",
        f"a folder with episode_*{SUFFIX}, from `dbp collect`",
        lambda path: (path / DATASET_FILE).is_file() or any(path.glob(f"episode_*{SUFFIX}")),
        NpzFolder,
    ),
)


def open_episodes(path: Path, selection: Selection = DEFAULT_SELECTION) -> EpisodeSet:
    """Detect the format of a data set, and open it.

    Args:
        path: A folder or a file.
        selection: What to read of each episode.

    Raises:
        EpisodeError: If the path does not exist, its format is unknown, the library of the format
            is not installed or cannot be imported, or the set is damaged, empty, or lacks a
            selected key.
    """
    if not path.exists():
        raise EpisodeError(f"{path} does not exist: give the folder or file of a data set")
    for data_format in FORMATS:
        if data_format.matches(path):
            with library_imports(f"reading {data_format.name}"):
                found = data_format.open(path, selection)
            robot = selection.robot
            return MappedEpisodes(found, read_robot(robot)) if robot else found
    layouts = "\n".join(f"  {item.name}: {item.layout}" for item in FORMATS)
    raise EpisodeError(f"{path} has no known data format:\n{layouts}")
