"""Files that are whole or absent, whatever happens while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or none."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
