"""History of working bundles on disk, as a fallback for a restart.

A new model overwrites the folder of the previous model. If the new bundle fails or is incomplete,
the last working bundle is still available in the history.
"""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dbp_ros.bundle.bundle import HASH_BLOCK, Bundle, read_bundle
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.files import atomic_folder, write_text
from dbp_ros.hotswap.blocklist import Blocklist

HISTORY, GOOD = ".history", "good.json"
FOLDER_DIGITS, MAX_LOADED = 16, 2
BYTES_PER_MB = 1_000_000


class ModelHistory:
    """Copies of the last good bundles of one model's folder, newest last in `good.json`.

    A failure to store is logged and has no other effect. Not thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        max_count: int,
        max_mb: float,
        warn: Callable[[str], None] = lambda _: None,
        immutable: Path | None = None,
    ) -> None:
        """Prepare without writing.

        Args:
            folder: Folder of the copies; created with the first.
            max_count: Number of good bundles to store. With 0, a history on the disk is neither
                used nor changed.
            max_mb: Their maximum total size in [MB].
            warn: Called with each failure.
            immutable: Folder whose bundles are never modified: their files are linked.
        """
        self._folder, self._max_count, self._max_bytes = folder, max_count, max_mb * BYTES_PER_MB
        self._warn, self._immutable = warn, immutable
        # At most the active model and the previous one.
        self._loaded: deque[str] = deque(maxlen=MAX_LOADED)

    def path(self, sha256: str) -> Path:
        """Return the folder of the copy of a bundle."""
        return self._folder / sha256[:FOLDER_DIGITS]

    def store(self, bundle: Bundle) -> None:
        """Copy a bundle; `mark_good` makes it a fallback."""
        if not self._max_count:
            return
        if bundle.sha256 not in self._loaded:
            self._loaded.append(bundle.sha256)
        try:
            if not self._contains(bundle.sha256):
                self._require_space(bundle)
                self._copy(bundle)
            self._delete_unused(self._good())
        except (OSError, BundleError) as error:
            self._warn(f"model {bundle.manifest.name} is not stored for a restart: {error}")

    def mark_good(self, sha256: str) -> None:
        """Record that a bundle works; a restart falls back to the newest of these."""
        if not self._max_count or not self.path(sha256).is_dir():
            return
        try:
            good = self._good()
            if good[-1:] != [sha256]:
                self._write([*(stored for stored in good if stored != sha256), sha256])
        except (OSError, BundleError) as error:
            self._warn(f"the model history cannot be written: {error}")

    def drop(self, sha256: str) -> None:
        """Delete the copy of a bundle that failed."""
        if not self._max_count:
            return
        if sha256 in self._loaded:
            self._loaded.remove(sha256)
        try:
            self._write([good for good in self._good() if good != sha256])
        except (OSError, BundleError) as error:
            self._warn(f"the model history cannot be written: {error}")

    def last_good(self, blocklist: Blocklist) -> Bundle | None:
        """Return the newest good bundle that is undamaged and not blocked; None if there is none.

        Raises:
            BundleError: If the list of good bundles cannot be read.
        """
        for sha256 in reversed(self._good() if self._max_count else []):
            if blocklist.reason(sha256):
                continue
            with suppress(BundleError):
                bundle = read_bundle(self.path(sha256))
                if bundle.sha256 == sha256:
                    return bundle
        return None

    def _good(self) -> list[str]:
        path = self._folder / GOOD
        if not path.is_file():
            return []
        try:
            names = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError("expected a list of strings")
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read ({error}): delete it") from error
        return names

    def _write(self, good: list[str]) -> None:
        """Write the list within the limits and delete all other bundles."""
        stored: list[str] = []
        size = 0
        for sha256 in reversed(good[-self._max_count :]):
            size += _size(self.path(sha256))
            if stored and size > self._max_bytes:
                break
            stored.insert(0, sha256)
        if self._folder.is_dir():
            write_text(self._folder / GOOD, json.dumps(stored, indent=1))
            self._delete_unused(stored)

    def _delete_unused(self, good: list[str]) -> None:
        used = {self.path(sha256) for sha256 in (*good, *self._loaded)}
        for path in self._folder.iterdir():
            if path.is_dir() and path not in used:
                shutil.rmtree(path, ignore_errors=True)

    def _contains(self, sha256: str) -> bool:
        try:
            return read_bundle(self.path(sha256)).sha256 == sha256
        except BundleError:
            return False

    def _require_space(self, bundle: Bundle) -> None:
        size = _size(bundle.directory, (MANIFEST, *bundle.manifest.files))
        if size > self._max_bytes:
            raise BundleError(
                f"its size is {size / BYTES_PER_MB:.0f} MB, more than model_history_mb = "
                f"{self._max_bytes / BYTES_PER_MB:g}"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(self._folder).free) < 2 * size:
            raise BundleError(
                f"its size is {size / BYTES_PER_MB:.0f} MB, but {self._folder} has only "
                f"{free / BYTES_PER_MB:.0f} MB free: delete files"
            )

    def _copy(self, bundle: Bundle) -> None:
        linked = self._immutable is not None and bundle.directory.is_relative_to(self._immutable)
        copy = _link if linked else _copy_checked
        with atomic_folder(self.path(bundle.sha256)) as temporary:
            for name, sha256 in {MANIFEST: bundle.sha256, **bundle.manifest.files}.items():
                copy(bundle.path(name), temporary / name, sha256)


def _size(folder: Path, names: tuple[str, ...] | None = None) -> int:
    """Return the total size in bytes of some files of a folder; by default all."""
    paths = folder.iterdir() if names is None else (folder / name for name in names)
    return sum(path.stat().st_size for path in paths) if folder.is_dir() else 0


def _link(source: Path, target: Path, sha256: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # The target is on another file system, or one without hard links.
        _copy_checked(source, target, sha256)


def _copy_checked(source: Path, target: Path, sha256: str) -> None:
    """Copy a file and check its sha256, as another process may overwrite it concurrently.

    Copies blocks: a process with locked memory blocks while it allocates a large buffer.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK))
    with source.open("rb", buffering=0) as file, target.open("xb", buffering=0) as copy:
        while size := file.readinto(block):
            digest.update(block[:size])
            copy.write(block[:size])
    if digest.hexdigest() != sha256:
        raise BundleError(f"{source} has changed since it was loaded")
