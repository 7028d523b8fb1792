"""Files and folders that are whole or absent, whatever happens while they are written."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbp_ros.errors import ConfigError

LOOK_S = 0.1


def require_folder(path: Path, flag: str = "--out") -> None:
    """Make a folder for results, and make sure that files can be written there.

    Args:
        path: The folder.
        flag: What it was given as, for the message.

    Raises:
        ConfigError: If no file can be written there.
    """
    check_folder(path, flag)
    path.mkdir(parents=True, exist_ok=True)


def check_folder(path: Path, flag: str = "--out") -> None:
    """Make sure that a folder can be made and written, and leave nothing behind.

    Raises:
        ConfigError: If it cannot.
    """
    try:
        _try_to_write(path)
    except OSError as error:
        raise _unwritable(path, flag, error, "folder") from None


def check_file(path: Path, flag: str = "--out") -> None:
    """Make sure that a file can be written, which may be there already; leave nothing behind.

    Raises:
        ConfigError: If it cannot.
    """
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "not a file")
        _try_to_write(path.parent)
    except OSError as error:
        raise _unwritable(path, flag, error, "file") from None


def check_new_folder(path: Path, mark: str, flag: str = "--out") -> None:
    """Make sure that a folder can be written as a whole, in place of an older one of its kind.

    Args:
        path: The folder. Nothing is left behind.
        mark: A file that every folder of this kind has.
        flag: What it was given as, for the message.

    Raises:
        ConfigError: If it cannot, or if a folder is there that holds something else.
    """
    try:
        _try_to_write(path.parent)
    except OSError as error:
        raise _unwritable(path, flag, error, "folder") from None
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise ConfigError(f"{flag} {path} is no folder: give another one")
    if not (path / mark).is_file() and any(path.iterdir()):
        raise ConfigError(f"{flag} {path} holds other files and would be replaced: give another")


def _try_to_write(folder: Path) -> None:
    """Write a file to a folder; remove it and what was made of the folder."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _unwritable(path: Path, flag: str, error: OSError, kind: str) -> ConfigError:
    reason = error.strerror or str(error)
    return ConfigError(f"{flag} {path} cannot be written ({reason}): give another {kind}")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Write a file beside its place and rename it when the block is over.

    A reader sees the old file or the whole new one, also after a power cut: what was written is
    on the disk before it gets its name.

    Args:
        path: Where the file belongs. Its folder is made.

    Yields:
        Where to write it. After an error it is removed, and an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        _put_on_disk(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or none."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


@contextmanager
def folder_aside(directory: Path) -> Iterator[Path]:
    """Write a folder beside its place and rename it when the block is over.

    A reader sees the old folder, the whole new one or, for a moment between the two, none: no
    system renames a folder over one that holds something.

    Args:
        directory: Where the folder belongs. The folder above it is made.

    Yields:
        An empty folder to write to. After an error it is removed, and an older folder stays.
    """
    aside = directory.with_name(f".{directory.name}.{os.getpid()}")
    old = aside.with_name(f"{aside.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for path in aside.rglob("*"):
            if path.is_file():
                _put_on_disk(path)
        if directory.exists():
            directory.rename(old)
        aside.rename(directory)
    finally:
        if old.exists() and not directory.exists():
            old.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def locked(path: Path, wait_s: float) -> Iterator[None]:
    """Hold a lock that only one process of this machine can hold, as long as the block lasts.

    It ends with the process, however that dies.

    Args:
        path: File that stands for the lock. It is made, and left.
        wait_s: How long to wait for another process to let go.

    Raises:
        TimeoutError: If it does not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with path.open("ab") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"another process holds {path}, also after {wait_s:g} s: end it, or give "
                    "another folder"
                )
            time.sleep(LOOK_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _put_on_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
