"""Receiving side of a bundle transfer: requests chunks and assembles the bundle.

The receiver requests each window of chunks, which limits the rate. Each chunk, each file and the
manifest that lists the files have a sha256. An incomplete bundle stays in a hidden folder.
"""

import hashlib
import shutil
from pathlib import Path

from dbp_ros.bundle.bundle import sha256_of
from dbp_ros.bundle.manifest import MANIFEST, parse_manifest
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    CHUNK_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
    num_chunks,
)
from dbp_ros.types import NS_PER_S

# Interval at which a request is repeated, and time without a chunk after which the sender counts as
# silent. A request to a silent sender is repeated once per timeout.
RETRY_NS, TIMEOUT_NS = NS_PER_S // 2, 10 * NS_PER_S
MAX_ATTEMPTS = 3
MAX_BUNDLES = 3
MAX_MANIFEST_BYTES = 1_000_000
SHA256_DIGITS, FOLDER_DIGITS = 64, 16


def is_file_name(name: str) -> bool:
    """Return whether a name is a bare file name and not hidden."""
    return bool(name) and Path(name).name == name and name[0] != "." and "\0" not in name


class FileDownload:
    """Download of one file."""

    def __init__(self, path: Path, sha256: str) -> None:
        self.path = path
        self.sha256 = sha256
        self.attempts = 0
        self.restart()

    def restart(self) -> None:
        """Discard the received chunks."""
        self.size: int | None = None
        self.received: set[int] = set()
        self.path.write_bytes(b"")

    def write(self, header: ChunkHeader, data: bytes) -> None:
        """Write a chunk at its position."""
        self.size = header.size
        with self.path.open("r+b") as file:
            file.seek(header.index * CHUNK_BYTES)
            file.write(data)
        self.received.add(header.index)

    @property
    def complete(self) -> bool:
        """Whether all chunks are received."""
        return self.size is not None and len(self.received) == num_chunks(self.size)

    @property
    def first_missing(self) -> int:
        """Index of the first chunk that is missing."""
        index = 0
        while index in self.received:
            index += 1
        return index

    def check(self) -> bool:
        """Return whether the sha256 is correct; restart the download if not.

        Raises:
            BundleError: After `MAX_ATTEMPTS` failures.
        """
        if sha256_of(self.path) == self.sha256:
            return True
        self.retry(f"a wrong sha256, expected {self.sha256[:12]}…")
        return False

    def retry(self, problem: str) -> None:
        """Restart the download after a failure.

        Args:
            problem: What was received and expected, for the error.

        Raises:
            BundleError: After `MAX_ATTEMPTS` failures.
        """
        self.attempts += 1
        if self.attempts >= MAX_ATTEMPTS:
            raise BundleError(
                f"{self.path.name} was received {MAX_ATTEMPTS} times with {problem}: announce a "
                "bundle whose files no longer change"
            )
        self.restart()


class Receiver:
    """Receiver of one bundle; chunks may be lost, duplicated, out of order or damaged."""

    def __init__(self, announcement: Announcement, received: Path, now_ns: int) -> None:
        """Start without the chunks of an earlier transfer.

        Args:
            announcement: Announcement of the bundle.
            received: Folder of received bundles; it is created.
            now_ns: Steady time.

        Raises:
            BundleError: If the announcement is invalid or the disk is full.
            OSError: If the folder cannot be written.
        """
        sha256 = announcement.sha256
        if len(sha256) != SHA256_DIGITS or not set(sha256) <= set("0123456789abcdef"):
            raise BundleError(f"{sha256!r} was announced, expected a sha256 in hexadecimal")
        received.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(received).free) < announcement.size:
            raise BundleError(f"a bundle of {announcement.size} bytes, but only {free} are free")
        self.announcement = announcement
        self.num_refused = 0
        self._target = received_bundle(announcement, received)
        self._folder = self._target.with_name(f".{self._target.name}")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._missing = {MANIFEST: FileDownload(self._folder / MANIFEST, sha256)}
        self._completed_bytes = 0
        self._requested: tuple[str, int, int] | None = None
        self._requested_ns = 0
        self._received_ns = now_ns

    @property
    def received_bytes(self) -> int:
        """Number of bytes received."""
        return self._completed_bytes + sum(
            len(download.received) * CHUNK_BYTES for download in self._missing.values()
        )

    def resume(self, now_ns: int) -> None:
        """Request again at once.

        A file with refused chunks is restarted, as its accepted chunks may be damaged too.
        """
        self._requested, self._received_ns = None, now_ns
        if self.num_refused:
            self.num_refused = 0
            next(iter(self._missing.values())).restart()

    def silent(self, now_ns: int) -> bool:
        """Return whether no chunk was received within the timeout."""
        return now_ns - self._received_ns > TIMEOUT_NS

    def request(self, now_ns: int) -> Request | None:
        """Return a request for the next window, or again for the last if overdue; else None."""
        name, download = next(iter(self._missing.items()))
        pause_ns = TIMEOUT_NS if self.silent(now_ns) else RETRY_NS
        if self._requested is not None and now_ns - self._requested_ns < pause_ns:
            requested, first, end = self._requested
            last = min(end, num_chunks(download.size)) if download.size is not None else end
            if requested == name and not download.received.issuperset(range(first, last)):
                return None
        first = download.first_missing
        self._requested, self._requested_ns = (name, first, first + WINDOW), now_ns
        return Request(self.announcement.sha256, name, first, WINDOW)

    def discard(self) -> None:
        """Delete the incomplete bundle."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, header: ChunkHeader, data: bytes, now_ns: int) -> Path | None:
        """Add a chunk; after an error the incomplete bundle is deleted.

        Returns:
            The folder of the bundle when it is complete, else None.

        Raises:
            BundleError: If the bundle cannot be completed.
            OSError: If a file cannot be written.
        """
        try:
            return self._add(header, data, now_ns)
        except Exception:
            self.discard()
            raise

    def _add(self, header: ChunkHeader, data: bytes, now_ns: int) -> Path | None:
        download = self._missing.get(header.file)
        if (
            download is None
            or header.sha256 != self.announcement.sha256
            or (header.size == download.size and header.index in download.received)
        ):
            return None
        if not _is_intact(header, data):
            self.num_refused += 1
            return None
        if download.size not in (None, header.size):
            download.retry(f"another size, now {header.size} bytes, before {download.size}")
        limit = self._max_size(header.file)
        if header.size > limit:
            download.retry(f"{header.size} bytes, expected at most {limit}")
            return None
        self._received_ns = now_ns
        download.write(header, data)
        if download.complete and download.check():
            self._complete(header.file, download)
        return None if self._missing else self._finish()

    def _max_size(self, name: str) -> int:
        """Return the limit of a file: all files together have the announced size."""
        others = sum(item.size or 0 for other, item in self._missing.items() if other != name)
        limit = self.announcement.size - self._completed_bytes - others
        return min(limit, MAX_MANIFEST_BYTES) if name == MANIFEST else limit

    def _complete(self, name: str, download: FileDownload) -> None:
        """Complete a file; a manifest lists the other files to download."""
        del self._missing[name]
        self._completed_bytes += download.size or 0
        if name != MANIFEST:
            return
        manifest = parse_manifest(download.path.read_bytes(), MANIFEST)
        for file, sha256 in manifest.files.items():
            if not is_file_name(file) or file == MANIFEST:
                raise BundleError(f"the manifest lists {file!r}, expected bare file names")
            self._missing[file] = FileDownload(self._folder / file, sha256)

    def _finish(self) -> Path:
        shutil.rmtree(self._target, ignore_errors=True)
        self._folder.rename(self._target)
        return self._target


def _is_intact(header: ChunkHeader, data: bytes) -> bool:
    """Return whether a chunk has the index, the length and the sha256 of its header."""
    expected = min(CHUNK_BYTES, header.size - header.index * CHUNK_BYTES)
    return (
        header.index < num_chunks(header.size)
        and len(data) == expected
        and hashlib.sha256(data).hexdigest() == header.digest
    )


def received_bundle(announcement: Announcement, received: Path) -> Path:
    """Return the folder of an announced bundle once it is received."""
    return received / announcement.sha256[:FOLDER_DIGITS]


def delete_incomplete(received: Path) -> None:
    """Delete the incomplete bundles of an earlier process."""
    for manifest in received.glob(f".*/{MANIFEST}"):
        shutil.rmtree(manifest.parent, ignore_errors=True)


def delete_old(received: Path) -> None:
    """Delete all but the newest `MAX_BUNDLES`; loaded models do not need their files."""
    bundles = sorted(
        (
            path
            for path in received.iterdir()
            # A hidden one is incomplete.
            if not path.name.startswith(".") and (path / MANIFEST).is_file()
        ),
        key=lambda path: path.stat().st_mtime_ns,
    )
    for path in bundles[: -MAX_BUNDLES or None]:
        shutil.rmtree(path, ignore_errors=True)
