"""Block list of models that failed on this robot; it persists across restarts."""

import json
from contextlib import suppress
from pathlib import Path

from dbp_ros.errors import BundleError
from dbp_ros.files import write_text

FAILED = "failed.json"
MAX_SAVED = 100


class Blocklist:
    """Reasons of failure by the sha256 of a model's manifest."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the saved list.

        Args:
            path: File of the list; None to keep it in memory.

        Raises:
            BundleError: If the file cannot be parsed.
        """
        self._path = path
        self._reasons = self._read()

    def reason(self, sha256: str) -> str:
        """Return why a model failed; empty if it did not."""
        return self._reasons.get(sha256, "")

    def add(self, sha256: str, reason: str) -> None:
        """Add a failure and save the newest `MAX_SAVED`, merged with those of other processes."""
        with suppress(BundleError):
            self._reasons = self._read() | self._reasons
        # A repeated failure becomes the newest.
        self._reasons.pop(sha256, None)
        self._reasons[sha256] = reason
        newest = dict(list(self._reasons.items())[-MAX_SAVED:])
        if self._path is not None:
            # If the disk is full, the list of this process is still complete.
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

    def require_absent(self, sha256: str) -> None:
        """Raise `BundleError` if a model is on the list."""
        if reason := self.reason(sha256):
            hint = f"; delete {self._path} to try it again" if self._path else ""
            raise BundleError(f"not tried again: {reason}{hint}")
