"""Models that have failed on this robot: none is tried again, not even after a restart."""

import json
from contextlib import suppress
from pathlib import Path

from dbp_ros.errors import BundleError
from dbp_ros.files import write_text

FAILED = "failed.json"
REMEMBERED = 100


class Blocklist:
    """What each failed model, known by the sha256 of its manifest, has failed at."""

    def __init__(self, path: Path | None = None) -> None:
        """Recall what is known.

        Args:
            path: File to keep it in; None to forget it with this process.

        Raises:
            BundleError: If the file is not what `add` writes.
        """
        self._path = path
        self._reasons = self._read()

    def reason(self, sha256: str) -> str:
        """Return why a model failed; empty where it did not."""
        return self._reasons.get(sha256, "")

    def add(self, sha256: str, reason: str) -> None:
        """Remember a failure, and the newest hundred over a restart.

        What another process noted since is kept.
        """
        with suppress(BundleError):
            self._reasons = self._read() | self._reasons
        self._reasons[sha256] = reason
        newest = dict(list(self._reasons.items())[-REMEMBERED:])
        if self._path is not None:
            # Where the disk takes nothing this process remembers it all the same.
            with suppress(OSError):
                write_text(self._path, json.dumps(newest, indent=1))

    def _read(self) -> dict[str, str]:
        if self._path is None or not self._path.is_file():
            return {}
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(sha256): str(reason) for sha256, reason in found.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise BundleError(f"{self._path} cannot be read ({error}): delete it") from error

    def require_none(self, sha256: str) -> None:
        """Raise `BundleError` if a model has failed before."""
        if reason := self.reason(sha256):
            forget = f"; delete {self._path} to try it again" if self._path else ""
            raise BundleError(f"not tried again: {reason}{forget}")
