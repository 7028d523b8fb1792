"""Hashes of data sets."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

BLOCK_BYTES = 1 << 20


def files_sha256(paths: Iterable[Path]) -> str:
    """Return the sha256 over the sorted sha256 of files, independent of their names and order."""
    return hashlib.sha256("\n".join(sorted(map(_file_sha256, paths))).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    # In blocks, because a file may exceed the memory.
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
