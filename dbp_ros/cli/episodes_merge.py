"""`dbp episodes merge`: join data sets into a new one."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from rich.console import Console

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.cli.episodes_list import BYTES_PER_MB
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.data.editing.resumed_conversion import (
    begin_conversion,
    finish_conversion,
    unfinished_folder,
)
from dbp_ros.data.editing.set_metadata import combined_metadata
from dbp_ros.data.editing.set_writing import (
    SourceEpisode,
    common_suffix,
    convert_episodes,
    link_episodes,
    require_same_spec,
    source_episodes,
)
from dbp_ros.data.episode import DATASET_FILE, SUFFIX
from dbp_ros.data.formats import open_episodes, open_recordings
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError
from dbp_ros.files import atomic_folder, check_folder, shown_path, write_text
from dbp_ros.settings.flags import flags_of


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Join data sets of the same joints, step and cameras into a new one. Files of dbp_ros are "
        "hard-linked and renumbered with their labels; sets of other formats are converted to "
        "episode_*.npz with their labels applied. Discarded episodes are left out. The same "
        "command continues an interrupted conversion."
    )
    parser.epilog = "example: dbp episodes merge data/monday data/tuesday --out data/week"
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help=PATH_HELP)
    parser.add_argument("--out", type=Path, required=True, help="new folder for the episodes")
    add_selection(parser, without=STRIDE)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the joined set.

    Raises:
        ConfigError: If the output exists or cannot be written, or a set is given twice.
        EpisodeError: If a set cannot be opened, or differs from the first.
    """
    check_new(arguments.out)
    paths: list[Path] = arguments.paths
    resolved = [path.resolve() for path in paths]
    for path in resolved:
        if resolved.count(path) > 1:
            raise ConfigError(f"{path} is given twice: give each set once")
    selection = selection_of(arguments, without=STRIDE)
    episodes = [one for path in paths for one in source_episodes(path, selection)]
    require_same_spec(paths, selection)
    out = shown_path(arguments.out)
    words = ["dbp", "episodes", "merge", *map(shown_path, paths), "--out", out]
    command = shlex.join([*words, *flags_of(selection)])
    console = terminal()
    announce(console, paths, episodes, selection)
    write_sets(arguments.out, {"": episodes}, command, console)
    console.print(summary(arguments.out), soft_wrap=True, highlight=False)
    return 0


def write_sets(
    out: Path, sets: Mapping[str, Sequence[SourceEpisode]], command: str, console: Console
) -> None:
    """Write new sets, continuing an interrupted conversion.

    Args:
        out: New folder.
        sets: Episodes by the folder of their set in `out`; an empty name is `out` itself.
        command: Command line that writes them.
        console: Shows the progress.
    """
    episodes = [one for chosen in sets.values() for one in chosen]
    if common_suffix(episodes):
        with atomic_folder(out) as folder:
            for name, chosen in sets.items():
                (folder / name).mkdir(exist_ok=True)
                write_set(folder / name, chosen, command, console)
        return
    folder = unfinished_folder(out)
    finished = sum(begin_conversion(folder / n, chosen, command) for n, chosen in sets.items())
    if finished:
        console.print(
            f"{finished} of {len(episodes)} episodes are already converted in {folder}",
            soft_wrap=True,
            highlight=False,
        )
    for name, chosen in sets.items():
        write_set(folder / name, chosen, command, console)
    finish_conversion(folder, out, sets)


def check_new(out: Path) -> None:
    """Check that a folder can be written, and does not exist or is empty.

    Raises:
        ConfigError: If it is not.
    """
    check_folder(out)
    if out.is_mount():
        raise ConfigError(f"--out {out} is a mount point: give a folder in it")
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"--out {out} has files: give a new folder")


def announce(
    console: Console,
    paths: Sequence[Path],
    episodes: Sequence[SourceEpisode],
    selection: Selection,
) -> None:
    """Print which episodes are left out, and what a conversion costs."""
    for path in paths:
        discarded = len(open_recordings(path, selection)) - len(open_episodes(path, selection))
        if discarded:
            console.print(f"{path}: {discarded} discarded episodes are left out", soft_wrap=True)
    if common_suffix(episodes):
        return
    first = open_episodes(paths[0], selection).read(0)
    size = first.states.nbytes + first.actions.nbytes
    size += sum(images.nbytes for images in first.images.values())
    size += sum(cloud.nbytes for cloud in first.points.values())
    megabytes = len(episodes) * size / BYTES_PER_MB
    console.print(
        f"{len(episodes)} episodes are converted to episode_*{SUFFIX}: about "
        f"{megabytes:.0f} MB before compression, with labels applied. Only state, action, reward, "
        "stamps, images and point clouds of the selection are written.",
        soft_wrap=True,
        highlight=False,
    )


def write_set(
    folder: Path, episodes: Sequence[SourceEpisode], command: str, console: Console
) -> None:
    """Write episodes, labels and `dataset.yaml` to an empty folder."""
    suffix = common_suffix(episodes)
    if suffix:
        names = link_episodes(folder, episodes, suffix)
    else:
        with progress_of(console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("convert", total=len(episodes))
            names = convert_episodes(folder, episodes, lambda: progress.advance(bar))
    # A folder of bags has no such file, which would mark it as one of .npz episodes.
    if suffix in ("", SUFFIX):
        numbers = [int(Path(name).stem.rpartition("_")[2]) for name in names]
        metadata = combined_metadata(episodes, numbers, command)
        write_text(folder / DATASET_FILE, yaml.safe_dump(metadata, sort_keys=False))


def summary(folder: Path) -> str:
    """Return number and size of the episodes of a written set as text."""
    files = list(folder.glob("episode_*"))
    megabytes = sum(file.stat().st_size for file in files) / BYTES_PER_MB
    return f"{folder}: {len(files)} episodes, {megabytes:.1f} MB"
