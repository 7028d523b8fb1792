"""The receiving side: a bundle that arrives in pieces, and is not there until it is whole.

The receiver asks for every piece, so it is never flooded; each piece, each file and the manifest
that names the files have a sha256. What is not whole stays in a hidden folder.
"""

import hashlib
import shutil
from pathlib import Path

from dbp_ros.bundle.bundle import sha256_of
from dbp_ros.bundle.manifest import MANIFEST, parse_manifest
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    PIECE_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
    pieces_of,
)
from dbp_ros.types import NS_PER_S

# Ask again after this long without a piece, and after that long only once in as long.
RETRY_NS, PATIENCE_NS = NS_PER_S // 2, 10 * NS_PER_S
MOST_ATTEMPTS = 3
RECEIVED_KEPT = 3
SHA256_DIGITS, FOLDER_DIGITS = 64, 16


def is_file_name(name: str) -> bool:
    """Return whether a name is that of a file in a bundle's folder, and not a hidden one."""
    return bool(name) and Path(name).name == name and name[0] != "." and "\0" not in name


class FileDownload:
    """One file on its way."""

    def __init__(self, path: Path, sha256: str) -> None:
        self.path = path
        self.sha256 = sha256
        self.attempts = 0
        self.begin()

    def begin(self) -> None:
        """Forget what has been received."""
        self.size: int | None = None
        self.received: set[int] = set()
        self.path.write_bytes(b"")

    def write(self, label: ChunkHeader, data: bytes) -> None:
        """Put a piece in its place."""
        self.size = label.size
        with self.path.open("r+b") as file:
            file.seek(label.index * PIECE_BYTES)
            file.write(data)
        self.received.add(label.index)

    @property
    def complete(self) -> bool:
        """Whether every piece has been received."""
        return self.size is not None and len(self.received) == pieces_of(self.size)

    @property
    def first_missing(self) -> int:
        """The index of the first piece that has not been received."""
        index = 0
        while index in self.received:
            index += 1
        return index

    def check(self) -> bool:
        """Return whether the file is right; begin it anew where it is not.

        Raises:
            BundleError: If it was wrong too often.
        """
        if sha256_of(self.path) == self.sha256:
            return True
        self.attempts += 1
        if self.attempts >= MOST_ATTEMPTS:
            raise BundleError(
                f"{self.path.name} arrived {MOST_ATTEMPTS} times with another sha256 than expected "
                f"({self.sha256[:12]}…): announce a bundle whose files no longer change"
            )
        self.begin()
        return False


class Receiver:
    """Puts a bundle together from pieces that may be lost, doubled, out of order or wrong."""

    def __init__(self, announcement: Announcement, received: Path, now_ns: int) -> None:
        """Begin with nothing, whatever an earlier delivery left.

        Args:
            announcement: Of the bundle.
            received: Folder of received bundles. It is made.
            now_ns: The steady time.

        Raises:
            BundleError: If the announcement makes no sense or there is no room.
            OSError: If the folder cannot be written.
        """
        sha256 = announcement.sha256
        if len(sha256) != SHA256_DIGITS or not set(sha256) <= set("0123456789abcdef"):
            raise BundleError(f"{sha256!r} was announced, expected a sha256 in hexadecimal")
        received.mkdir(parents=True, exist_ok=True)
        if (room := shutil.disk_usage(received).free) < announcement.size:
            raise BundleError(f"a bundle of {announcement.size} bytes has no room: {room} are free")
        self.announcement = announcement
        self.refused = 0
        self._target = delivered(announcement, received)
        self._folder = self._target.with_name(f".{self._target.name}")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._waiting = {MANIFEST: FileDownload(self._folder / MANIFEST, sha256)}
        self._arrived_bytes = 0
        self._asked: tuple[str, int, int] | None = None
        self._asked_ns = 0
        self._heard_ns = now_ns

    @property
    def arrived_bytes(self) -> int:
        """How much of the bundle is here."""
        return self._arrived_bytes + sum(
            len(part.received) * PIECE_BYTES for part in self._waiting.values()
        )

    def resume(self, now_ns: int) -> None:
        """Ask again at once, after a silence.

        A file of which pieces were refused is begun anew: perhaps the first was the wrong one.
        """
        self._asked, self._heard_ns = None, now_ns
        if self.refused:
            self.refused = 0
            next(iter(self._waiting.values())).begin()

    def silent(self, now_ns: int) -> bool:
        """Return whether nothing has come for so long that there is little use in asking."""
        return now_ns - self._heard_ns > PATIENCE_NS

    def request(self, now_ns: int) -> Request | None:
        """Return what to ask for now: the next window when the last is here, or late."""
        name, part = next(iter(self._waiting.items()))
        pause_ns = PATIENCE_NS if self.silent(now_ns) else RETRY_NS
        if self._asked is not None and now_ns - self._asked_ns < pause_ns:
            asked, first, end = self._asked
            last = min(end, pieces_of(part.size)) if part.size is not None else end
            if asked == name and not part.received.issuperset(range(first, last)):
                return None
        first = part.first_missing
        self._asked, self._asked_ns = (name, first, first + WINDOW), now_ns
        return Request(self.announcement.sha256, name, first, WINDOW)

    def take(self, label: ChunkHeader, data: bytes, now_ns: int) -> Path | None:
        """Take in a piece.

        Returns:
            The folder of the bundle when it is whole, else None.

        Raises:
            BundleError: If the bundle cannot become whole.
            OSError: If a file cannot be written.
        """
        part = self._waiting.get(label.file)
        if part is None or label.index in part.received or label.sha256 != self.announcement.sha256:
            return None
        if not self._fits(part, label, data):
            self.refused += 1
            return None
        self._heard_ns = now_ns
        part.write(label, data)
        if part.complete and part.check():
            self._file(label.file, part)
        return None if self._waiting else self._finish()

    def _fits(self, part: FileDownload, label: ChunkHeader, data: bytes) -> bool:
        expected = min(PIECE_BYTES, label.size - label.index * PIECE_BYTES)
        return (
            label.size <= self.announcement.size
            and part.size in (None, label.size)
            and label.index < pieces_of(label.size)
            and len(data) == expected
            and hashlib.sha256(data).hexdigest() == label.digest
        )

    def _file(self, name: str, part: FileDownload) -> None:
        """Wait no longer for a file; a manifest tells which others to wait for."""
        del self._waiting[name]
        self._arrived_bytes += part.size or 0
        if name != MANIFEST:
            return
        manifest = parse_manifest(part.path.read_bytes(), MANIFEST)
        for file, sha256 in manifest.files.items():
            if not is_file_name(file) or file == MANIFEST:
                raise BundleError(f"the manifest names {file!r}, expected bare file names")
            self._waiting[file] = FileDownload(self._folder / file, sha256)

    def _finish(self) -> Path:
        shutil.rmtree(self._target, ignore_errors=True)
        self._folder.rename(self._target)
        return self._target


def delivered(announcement: Announcement, received: Path) -> Path:
    """Return where an announced bundle is when it has been received."""
    return received / announcement.sha256[:FOLDER_DIGITS]


def forget_old(received: Path) -> None:
    """Delete all received bundles but the newest few; what is loaded needs its files no more."""
    bundles = sorted(
        (path for path in received.iterdir() if (path / MANIFEST).is_file()),
        key=lambda path: path.stat().st_mtime_ns,
    )
    for path in bundles[: -RECEIVED_KEPT or None]:
        shutil.rmtree(path, ignore_errors=True)
