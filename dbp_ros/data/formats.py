"""Sets of episodes in any supported format."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dbp_ros.data.bags.bag_paths import bag_paths
from dbp_ros.data.episode import DATASET_FILE, EPISODE_FILES, SUFFIX, is_episode_file
from dbp_ros.data.episode_set import EpisodeSet
from dbp_ros.data.foreign.array_files import HDF5_SUFFIXES, open_npz_arrays
from dbp_ros.data.image_size import ResizedEpisodes
from dbp_ros.data.labelled_episodes import with_labels
from dbp_ros.data.library_imports import library_imports
from dbp_ros.data.npz_folder import NpzFolder
from dbp_ros.data.pose_actions import KinematicsOf
from dbp_ros.data.robot_mapping import MappedEpisodes, mapped_keys
from dbp_ros.data.selection import DEFAULT_SELECTION, Selection
from dbp_ros.data.subsample import SubsampledEpisodes
from dbp_ros.data.unfinished import require_finished
from dbp_ros.data.unit_conversion import ConvertedEpisodes
from dbp_ros.data.units import ColumnUnits
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.data_mapping import DataMapping
from dbp_ros.settings.robot_files import read_robot

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"
# Applies the labels of a set to it, or not.
Wrap = Callable[[EpisodeSet, Path], EpisodeSet]
# Data sets named in an error, at most.
MAX_LISTED = 5


@dataclass(frozen=True)
class DataFormat:
    """A format of data sets.

    Attributes:
        name: Name for error messages.
        layout: Files on disk, for error messages.
        matches: Returns whether a path has this format.
        open: Imports the reader and its library, and opens a data set.
        has_own_names: Whether a data set may have other names and units than the robot, which
            `data` in its description maps; a bag has those of the robot.
        describe: Returns what the reader chose without a flag, for the user to check.
    """

    name: str
    layout: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, Selection], EpisodeSet]
    has_own_names: bool = True
    describe: Callable[[Path, Selection], tuple[str, ...]] = lambda path, selection: ()


def _open_lerobot(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.lerobot.folder import LeRobotFolder

    return LeRobotFolder(path, selection)


def _open_diffusion_policy(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.foreign.diffusion_policy import DiffusionPolicyStore

    return DiffusionPolicyStore(path, selection)


def _describe_diffusion_policy(path: Path, selection: Selection) -> tuple[str, ...]:
    from dbp_ros.data.foreign.diffusion_policy import DiffusionPolicyStore

    return DiffusionPolicyStore(path, selection).notes


def _open_hdf5(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.foreign.hdf5 import open_hdf5

    return open_hdf5(path, selection)


def _describe_hdf5(path: Path, selection: Selection) -> tuple[str, ...]:
    from dbp_ros.data.foreign.hdf5 import describe_hdf5

    return describe_hdf5(path, selection)


def _has_hdf5(path: Path) -> bool:
    """Return whether a path is an HDF5 file, or a folder of them or of folders of them."""
    if path.is_file():
        return _begins_with(path, HDF5_MAGIC)
    candidates = (file for suffix in HDF5_SUFFIXES for file in path.rglob(f"*{suffix}"))
    return any(_begins_with(file, HDF5_MAGIC) for file in candidates)


def _open_bags(path: Path, selection: Selection) -> EpisodeSet:
    from dbp_ros.data.bags.bag_set import BagSet

    return BagSet(path, selection)


def _describe_bags(path: Path, selection: Selection) -> tuple[str, ...]:
    from dbp_ros.data.bags.bag_set import BagSet

    return BagSet(path, selection).notes


def _begins_with(path: Path, magic: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _has_episode_ends(path: Path) -> bool:
    ends = Path("meta", "episode_ends")
    return (path / ends).is_dir() or sum(1 for one in path.glob("*") if (one / ends).is_dir()) == 1


def _is_zip(path: Path) -> bool:
    # An .npz episode is also a zip file, but a data set of them is a folder.
    return path.suffix != SUFFIX and _begins_with(path, ZIP_MAGIC)


def _has_own_episodes(path: Path) -> bool:
    """Return whether the first .npz file of an episode is of this package, or damaged."""
    first = min(path.glob(EPISODE_FILES), default=None)
    return first is not None and is_episode_file(first)


FORMATS = (
    DataFormat(
        "LeRobot v2 and v3",
        "a folder with meta/info.json and data/, and videos/ if cameras are stored as video",
        lambda path: (path / "meta" / "info.json").is_file(),
        _open_lerobot,
    ),
    DataFormat(
        "Diffusion Policy, UMI",
        "a .zarr folder, a folder of it, or a zip of either, with data/ and meta/episode_ends",
        lambda path: _has_episode_ends(path) or _is_zip(path),
        _open_diffusion_policy,
        describe=_describe_diffusion_policy,
    ),
    DataFormat(
        "dbp_ros",
        f"a folder with {EPISODE_FILES}, from `dbp collect`",
        lambda path: (path / DATASET_FILE).is_file() or _has_own_episodes(path),
        NpzFolder,
    ),
    DataFormat(
        "bag",
        "episode_*.mcap of a recorder of this package, a bag of rosbag2 (a folder with "
        "metadata.yaml, or one .mcap or .db3 file), or a folder of bags",
        lambda path: bool(bag_paths(path)),
        _open_bags,
        has_own_names=False,
        describe=_describe_bags,
    ),
    DataFormat(
        "HDF5 (robomimic, LIBERO, ALOHA)",
        "an .hdf5 file with data/demo_0, data/demo_1, ..., or with one episode of an array per "
        "key, or a folder of such files",
        _has_hdf5,
        _open_hdf5,
        describe=_describe_hdf5,
    ),
    DataFormat(
        "NumPy",
        f"a folder of {SUFFIX} files with one episode each, an array per key",
        lambda path: any(path.glob(f"*{SUFFIX}")),
        open_npz_arrays,
    ),
)
# Marks of data sets of TensorFlow Datasets, which need TensorFlow to be read.
TENSORFLOW_FILES = ("dataset_info.json", "*/dataset_info.json", "*.tfrecord*", "*/*.tfrecord*")


def open_episodes(
    path: Path,
    selection: Selection = DEFAULT_SELECTION,
    kinematics: KinematicsOf | None = None,
) -> EpisodeSet:
    """Detect the format of a data set, and open it with its labels and the selection applied.

    Args:
        path: A folder or a file.
        selection: What to read of each episode.
        kinematics: Returns the kinematics of a robot, for actions that its description maps from
            poses of the hands.

    Raises:
        EpisodeError: If the path does not exist, its format is unknown, the library of the format
            is not installed or cannot be imported, or the set is damaged, empty, or lacks a
            selected key.
    """
    return _open(path, selection, with_labels, kinematics)


def open_recordings(
    path: Path,
    selection: Selection = DEFAULT_SELECTION,
    kinematics: KinematicsOf | None = None,
) -> EpisodeSet:
    """Open a data set as `open_episodes` does, but without its labels.

    Raises:
        EpisodeError: As `open_episodes` does.
    """
    return _open(path, selection, lambda episodes, _: episodes, kinematics)


def _open(
    path: Path, selection: Selection, wrap: Wrap, kinematics: KinematicsOf | None
) -> EpisodeSet:
    data_format = format_of(path)
    with library_imports(f"reading {data_format.name}"):
        episodes = _converted(data_format, path, selection, wrap, kinematics)
    if selection.image_size is not None:
        episodes = ResizedEpisodes(episodes, selection.image_size)
    if selection.stride is not None:
        episodes = SubsampledEpisodes(episodes, selection.stride)
    return episodes


def format_of(path: Path) -> DataFormat:
    """Detect the format of a data set.

    Raises:
        EpisodeError: If the path does not exist, its format is unknown, or it is still being
            written.
    """
    if not path.exists():
        raise EpisodeError(f"{path} does not exist: give the folder or file of a data set")
    require_finished(path)
    for data_format in FORMATS:
        if data_format.matches(path):
            return data_format
    if any(True for pattern in TENSORFLOW_FILES for _ in path.glob(pattern)):
        raise EpisodeError(
            f"{path} is a data set of TensorFlow Datasets (RLDS), which is not read: convert it to "
            "LeRobot v3 or to one .npz file per episode first"
        )
    inside = _sets_around(path)
    if inside:
        raise EpisodeError(f"{path} is no data set: give {inside}")
    layouts = "\n".join(f"  {item.name}: {item.layout}" for item in FORMATS)
    raise EpisodeError(f"{path} has no known data format:\n{layouts}")


def _sets_around(path: Path) -> str:
    """Return the data sets in a folder, or the folder of a file if that is one; empty if none."""
    if path.is_file():
        return f"its folder {path.parent}" if _matches(path.parent) else ""
    names = [child.name for child in sorted(path.iterdir()) if _matches(child)]
    rest = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"one of the data sets in it: {', '.join(names[:MAX_LISTED])}{rest}" if names else ""


def _matches(path: Path) -> bool:
    return any(data_format.matches(path) for data_format in FORMATS)


def _converted(
    data_format: DataFormat,
    path: Path,
    selection: Selection,
    wrap: Wrap,
    kinematics: KinematicsOf | None,
) -> EpisodeSet:
    """Open a set in the names of a robot, or in the chosen units."""
    episodes = data_format.open(path, selection)
    if not selection.robot:
        units, found = ColumnUnits.of_selection(selection), wrap(episodes, path)
        return ConvertedEpisodes(found, units) if units.converts else found
    robot = read_robot(selection.robot)
    if not data_format.has_own_names:
        robot = replace(robot, data=DataMapping())
    keys = mapped_keys(robot, episodes.unused) if selection.state is None else ()
    if keys:
        episodes = data_format.open(path, replace(selection, state=keys))
    of_robot = partial(kinematics, selection.robot) if kinematics else None
    return MappedEpisodes(wrap(episodes, path), robot, of_robot)


def describe_choices(path: Path, selection: Selection = DEFAULT_SELECTION) -> tuple[str, ...]:
    """Return what the reader of a data set chose without a flag, such as topics or a rate.

    Raises:
        EpisodeError: If the set cannot be opened.
    """
    return format_of(path).describe(path, selection)
