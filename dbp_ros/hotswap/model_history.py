"""Bundles that worked, kept on the disk: a restart has one even where the model's folder does not.

The folder of a model is overwritten by its successor. If that fails, or was only half copied, the
bundle that worked is there no more; its copy here is.
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
FOLDER_DIGITS, CANDIDATES = 16, 2
BYTES_PER_MB = 1_000_000


class ModelHistory:
    """Copies of the last good bundles of one model's folder, newest last in `good.json`.

    What cannot be kept is logged and changes nothing. One thread owns it at a time.
    """

    def __init__(
        self,
        folder: Path,
        most: int,
        most_mb: float,
        warn: Callable[[str], None] = lambda _: None,
        immutable: Path | None = None,
    ) -> None:
        """Prepare; nothing is written yet.

        Args:
            folder: Where the copies belong. It is made when there is one.
            most: How many good bundles are kept; 0 to keep none.
            most_mb: Their largest size together, in [MB].
            warn: Called with what went wrong.
            immutable: Folder of bundles that are never written in place: their files are linked.
        """
        self._folder, self._most, self._most_bytes = folder, most, most_mb * BYTES_PER_MB
        self._warn, self._immutable = warn, immutable
        # The model that decides and the one before it, at most.
        self._candidates: deque[str] = deque(maxlen=CANDIDATES)

    def path(self, sha256: str) -> Path:
        """Return the folder of the copy of a bundle."""
        return self._folder / sha256[:FOLDER_DIGITS]

    def keep(self, bundle: Bundle) -> None:
        """Copy a bundle; it counts only once `mark_good` is called."""
        if not self._most:
            return
        if bundle.sha256 not in self._candidates:
            self._candidates.append(bundle.sha256)
        try:
            if not self._holds(bundle.sha256):
                self._require_room(bundle)
                self._copy(bundle)
            self._delete_unused(self._good())
        except (OSError, BundleError) as error:
            self._warn(f"model {bundle.manifest.name} is not kept for a restart: {error}")

    def mark_good(self, sha256: str) -> None:
        """Note that a bundle works; the newest of those is what a restart falls back to."""
        if not self.path(sha256).is_dir():
            return
        try:
            good = self._good()
            if good[-1:] != [sha256]:
                self._write([*(one for one in good if one != sha256), sha256])
        except (OSError, BundleError) as error:
            self._warn(f"the history of models is not written: {error}")

    def drop(self, sha256: str) -> None:
        """Delete the copy of a bundle that failed."""
        if sha256 in self._candidates:
            self._candidates.remove(sha256)
        try:
            self._write([one for one in self._good() if one != sha256])
        except (OSError, BundleError) as error:
            self._warn(f"the history of models is not written: {error}")

    def last_good(self, failures: Blocklist) -> Bundle | None:
        """Return the newest good bundle that is whole and did not fail since; None without one.

        Raises:
            BundleError: If the list of good bundles cannot be read.
        """
        for sha256 in reversed(self._good()):
            if failures.reason(sha256):
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
                raise ValueError("expected a list of texts")
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read ({error}): delete it") from error
        return names

    def _write(self, good: list[str]) -> None:
        """Write the list without what is too old or too large; delete what is not on it."""
        kept: list[str] = []
        size = 0
        for sha256 in reversed(good[-self._most :]):
            size += _size(self.path(sha256))
            if kept and size > self._most_bytes:
                break
            kept.insert(0, sha256)
        if self._folder.is_dir():
            write_text(self._folder / GOOD, json.dumps(kept, indent=1))
            self._delete_unused(kept)

    def _delete_unused(self, good: list[str]) -> None:
        used = {self.path(sha256) for sha256 in (*good, *self._candidates)}
        for path in self._folder.iterdir():
            if path.is_dir() and path not in used:
                shutil.rmtree(path, ignore_errors=True)

    def _holds(self, sha256: str) -> bool:
        try:
            return read_bundle(self.path(sha256)).sha256 == sha256
        except BundleError:
            return False

    def _require_room(self, bundle: Bundle) -> None:
        size = _size(bundle.directory, (MANIFEST, *bundle.manifest.files))
        if size > self._most_bytes:
            raise BundleError(
                f"it has {size / BYTES_PER_MB:.0f} MB, more than kept_models_mb = "
                f"{self._most_bytes / BYTES_PER_MB:g}"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(self._folder).free) < 2 * size:
            raise BundleError(
                f"it has {size / BYTES_PER_MB:.0f} MB, {free / BYTES_PER_MB:.0f} MB are free in "
                f"{self._folder}: make room"
            )

    def _copy(self, bundle: Bundle) -> None:
        linked = self._immutable is not None and bundle.directory.is_relative_to(self._immutable)
        copy = _link if linked else _copy_checked
        with atomic_folder(self.path(bundle.sha256)) as aside:
            for name, sha256 in {MANIFEST: bundle.sha256, **bundle.manifest.files}.items():
                copy(bundle.path(name), aside / name, sha256)


def _size(folder: Path, names: tuple[str, ...] | None = None) -> int:
    """Return the bytes of some files of a folder, of all if none are named."""
    paths = folder.iterdir() if names is None else (folder / name for name in names)
    return sum(path.stat().st_size for path in paths) if folder.is_dir() else 0


def _link(source: Path, target: Path, sha256: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        _copy_checked(source, target, sha256)


def _copy_checked(source: Path, target: Path, sha256: str) -> None:
    """Copy a file that must have a sha256: it may be overwritten at this very moment.

    In blocks: a process that locks its memory stops while it allocates a whole big file.
    """
    digest, block = hashlib.sha256(), memoryview(bytearray(HASH_BLOCK))
    with source.open("rb", buffering=0) as file, target.open("xb", buffering=0) as copy:
        while size := file.readinto(block):
            digest.update(block[:size])
            copy.write(block[:size])
    if digest.hexdigest() != sha256:
        raise BundleError(f"{source} has changed since it was loaded")
