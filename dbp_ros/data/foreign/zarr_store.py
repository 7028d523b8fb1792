"""Replay buffers in zarr: their place in a folder or a zip file, and their codecs."""

import zipfile
from pathlib import Path
from typing import Any

import zarr
import zarr.storage

from dbp_ros.errors import EpisodeError
from dbp_ros.extras import install_hint

try:
    from imagecodecs.numcodecs import register_codecs
except ModuleNotFoundError:
    # Only stores with compressed images need it; opening one of them reports the codec.
    pass
else:
    register_codecs(verbose=False)

ENDS = "meta/episode_ends"
# Metadata of an array in version 2 and in version 3.
ARRAY_FILES = (".zarray", "zarr.json")


def find_store(path: Path) -> Path | None:
    """Return the folder of the store: a folder, or the only store in it; None without one."""
    if (path / ENDS).is_dir():
        return path
    inside = [folder for folder in sorted(path.glob("*")) if (folder / ENDS).is_dir()]
    return inside[0] if len(inside) == 1 else None


def open_store(path: Path) -> Any:
    """Open the root group of a store.

    Args:
        path: A folder or a zip file; the store may be in a folder of it.

    Raises:
        EpisodeError: If there is no store, or a codec is not installed.
    """
    try:
        if path.is_dir():
            return zarr.open_group(str(find_store(path) or path), mode="r")
        store = zarr.storage.ZipStore(str(path), mode="r")
        return zarr.open_group(store, mode="r", path=_folder_in_zip(path))
    except ValueError as error:
        raise codec_error(error) from error


def codec_error(error: ValueError) -> Exception:
    """Return the error of a missing codec as an `EpisodeError` with the fix, others unchanged."""
    text = str(error)
    if "codec not available" not in text:
        return error
    codec = text.rpartition(":")[2].strip(" '\"")
    package = "imagecodecs" if codec.startswith("imagecodecs_") else "numcodecs"
    return EpisodeError(f"its arrays need the codec {codec} of {package}; {install_hint(package)}")


def _folder_in_zip(path: Path) -> str:
    """Return the folder of the store in a zip file; empty at its root."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for name in names:
        for file in ARRAY_FILES:
            if name.endswith(f"{ENDS}/{file}"):
                return name.removesuffix(f"{ENDS}/{file}").rstrip("/")
    raise EpisodeError(f"has no {ENDS}: give a replay buffer of Diffusion Policy")
