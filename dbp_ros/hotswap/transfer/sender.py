"""Sending side of a bundle transfer: announces a bundle and serves its chunks."""

import hashlib
from pathlib import Path

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    CHUNK_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
    num_chunks,
)


class Sender:
    """Sender of one bundle.

    Attributes:
        announcement: Its announcement.
    """

    def __init__(self, directory: Path, sequence: int, sender: str, share_path: bool) -> None:
        """Verify a bundle.

        Args:
            directory: Folder of the bundle.
            sequence: See `Announcement`.
            sender: See `Announcement`.
            share_path: Whether receivers on this machine may read the folder directly.

        Raises:
            BundleError: If it is damaged.
        """
        bundle = read_bundle(directory)
        self._directory = directory
        self._files = (MANIFEST, *bundle.manifest.files)
        self.announcement = Announcement(
            name=bundle.manifest.name,
            sha256=bundle.sha256,
            size=sum((directory / name).stat().st_size for name in self._files),
            path=str(directory.resolve()) if share_path else "",
            sequence=sequence,
            sender=sender,
        )

    def chunks(self, request: Request) -> list[tuple[ChunkHeader, bytes]]:
        """Return the requested chunks, at most a window; none if they are of another bundle.

        Raises:
            BundleError: If they cannot be read.
        """
        if request.sha256 != self.announcement.sha256 or request.file not in self._files:
            return []
        chunks = []
        try:
            with (self._directory / request.file).open("rb") as file:
                size = file.seek(0, 2)
                # Beyond the end of a file that became shorter, the last chunk reports its size.
                first = min(request.first, num_chunks(size) - 1)
                last = min(first + min(request.count, WINDOW), num_chunks(size))
                for index in range(first, last):
                    file.seek(index * CHUNK_BYTES)
                    data = file.read(CHUNK_BYTES)
                    digest = hashlib.sha256(data).hexdigest()
                    header = ChunkHeader(request.sha256, request.file, index, size, digest)
                    chunks.append((header, data))
        except OSError as error:
            raise BundleError(f"{request.file} cannot be sent: {error}") from error
        return chunks
