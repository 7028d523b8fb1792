"""Atomic writes of files and folders, checks of output paths, and file locks."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbp_ros.errors import ConfigError

POLL_S = 0.1
# Suffix of the old folder while a new one replaces it.
OLD = "old"


def require_folder(path: Path, flag: str = "--out") -> None:
    """Create a folder for results and check that files can be written to it.

    Args:
        path: The folder.
        flag: Its command line flag, for the message.

    Raises:
        ConfigError: If no file can be written to it.
    """
    check_folder(path, flag)
    path.mkdir(parents=True, exist_ok=True)


def check_folder(path: Path, flag: str = "--out") -> None:
    """Check that a folder can be created and written, without creating it.

    Raises:
        ConfigError: If it cannot.
    """
    try:
        _try_to_write(path)
    except OSError as error:
        raise _unwritable(path, flag, error, "folder") from None


def check_file(path: Path, flag: str = "--out") -> None:
    """Check that a file can be written, new or existing, without creating it.

    Raises:
        ConfigError: If it cannot.
    """
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "not a file")
        _try_to_write(path.parent)
    except OSError as error:
        raise _unwritable(path, flag, error, "file") from None


def check_new_folder(path: Path, marker: str, flag: str = "--out") -> None:
    """Check that a folder can be written, or replaced if it is of the same kind.

    Args:
        path: The folder, which is not created.
        marker: A file that every folder of this kind contains.
        flag: Its command line flag, for the message.

    Raises:
        ConfigError: If it has no name of its own, cannot be written, or contains other files.
    """
    if path.name in ("", ".."):
        raise ConfigError(
            f"{flag} {path} has no name of its own: give a folder by its name, such as models/new"
        )
    try:
        _try_to_write(path.parent)
    except OSError as error:
        raise _unwritable(path, flag, error, "folder") from None
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise ConfigError(f"{flag} {path} is not a folder: give another one")
    if not (path / marker).is_file() and any(path.iterdir()):
        raise ConfigError(f"{flag} {path} contains other files and would be replaced: give another")


def _try_to_write(folder: Path) -> None:
    """Write a temporary file to a folder; remove it and the folders created for it."""
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    finally:
        for path in created:
            with suppress(OSError):
                path.rmdir()


def shown_path(path: Path) -> str:
    """Return a path relative to the working directory if it is within, otherwise as given."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _unwritable(path: Path, flag: str, error: OSError, kind: str) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError(f"{flag} {path} cannot be written ({reason}): give another {kind}")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a temporary file and rename it to its final name at the end of the block.

    A reader finds the old file or the complete new one, even after a power loss: the data is
    synced to disk before the file is renamed. What killed processes of this machine have left of
    the same file is removed.

    Args:
        path: Final path. Its folder is created.

    Yields:
        Temporary path to write to. After an error it is removed, and an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = _temporary(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(directory: Path) -> Iterator[Path]:
    """Write a temporary folder and rename it to its final name at the end of the block.

    A reader finds the old folder, the complete new one or, between the two renames, none: a
    non-empty folder cannot be replaced by a rename. What killed processes of this machine have left
    of the same folder is removed; if the folder itself is missing, the old one is restored.

    Args:
        directory: Final path. Its parent is created.

    Yields:
        Empty temporary folder. After an error it is removed, and an older folder stays.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(directory)
    temporary = _temporary(directory)
    old = temporary.with_name(f"{temporary.name}.{OLD}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                _sync(path)
        if directory.exists():
            directory.rename(old)
        temporary.rename(directory)
    finally:
        if old.exists() and not directory.exists():
            old.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(temporary, ignore_errors=True)


def _prefix(path: Path) -> str:
    """Return the name of a temporary file or folder without the id of its process."""
    return f".{path.name}.{os.uname().nodename}."


def _temporary(path: Path) -> Path:
    return path.with_name(f"{_prefix(path)}{os.getpid()}")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files and folders of a target whose process no longer exists."""
    prefix = _prefix(path)
    # Names are listed and not paths, as a set of episodes may be large.
    for name in [one for one in os.listdir(path.parent) if one.startswith(prefix)]:
        process, _, suffix = name.removeprefix(prefix).partition(".")
        if not process.isdecimal() or _exists(int(process)):
            continue
        found = path.with_name(name)
        with suppress(OSError):
            if suffix == OLD and not path.exists():
                found.rename(path)
            elif found.is_dir():
                shutil.rmtree(found)
            else:
                found.unlink()


def _exists(process: int) -> bool:
    """Return whether there is a process with an id on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold a lock between processes of this machine within the block.

    The lock is released when the process ends, even if it is killed.

    Args:
        path: Lock file. It is created, and never removed.
        timeout_s: Time to wait for another process to release the lock.

    Raises:
        TimeoutError: If it is not released in time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    with path.open("ab") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"another process still holds {path} after {timeout_s:g} s: end it, or give "
                    "another folder"
                )
            time.sleep(POLL_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
