"""Bags of a data set on disk."""

from pathlib import Path

METADATA_FILE, METADATA_KEY = "metadata.yaml", "rosbag2_bagfile_information"
# Files of bags, and those of this package's recorders.
SUFFIXES, OWN = (".mcap", ".db3"), "episode_*.mcap"


def bag_paths(path: Path) -> list[Path]:
    """Return the bags of a data set, one per episode, in order; empty if there are none.

    A bag is a folder with a `metadata.yaml`, or a file outside of such a folder.
    """
    if path.is_file():
        return [path] if path.suffix in SUFFIXES else []
    if is_bag_folder(path):
        return [path]
    own = sorted(path.glob(OWN))
    folders = sorted(folder for folder in path.glob("*") if is_bag_folder(folder))
    return own or folders or sorted(p for p in path.glob("*") if p.suffix in SUFFIXES)


def is_bag_folder(path: Path) -> bool:
    """Return whether a folder is a recording of rosbag2."""
    file = path / METADATA_FILE
    return file.is_file() and METADATA_KEY in file.read_text(encoding="utf-8", errors="replace")
