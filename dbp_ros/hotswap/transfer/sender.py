"""The sending side: a bundle on this disk, announced and handed out piece by piece."""

import hashlib
from pathlib import Path

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    PIECE_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
    pieces_of,
)


class Sender:
    """A bundle that others may ask for.

    Attributes:
        announcement: What they are told of it.
    """

    def __init__(self, directory: Path, sequence: int, sender: str, share_path: bool) -> None:
        """Verify a bundle.

        Args:
            directory: Its folder.
            sequence: See `Announcement`.
            sender: See `Announcement`.
            share_path: Whether receivers on this machine may read the folder themselves.

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

    def pieces(self, request: Request) -> list[tuple[ChunkHeader, bytes]]:
        """Return the pieces that a request asks for, no more than a window of them.

        Raises:
            BundleError: If they are not of this bundle or cannot be read.
        """
        if request.sha256 != self.announcement.sha256 or request.file not in self._files:
            return []
        pieces = []
        try:
            with (self._directory / request.file).open("rb") as file:
                size = file.seek(0, 2)
                last = min(request.first + min(request.count, WINDOW), pieces_of(size))
                for index in range(request.first, last):
                    file.seek(index * PIECE_BYTES)
                    data = file.read(PIECE_BYTES)
                    digest = hashlib.sha256(data).hexdigest()
                    label = ChunkHeader(request.sha256, request.file, index, size, digest)
                    pieces.append((label, data))
        except OSError as error:
            raise BundleError(f"{request.file} cannot be sent: {error}") from error
        return pieces
