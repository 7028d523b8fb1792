"""Block list of models that failed on this robot; it persists across restarts."""

import json
from contextlib import suppress
from pathlib import Path

from dbp_ros.errors import BundleError
from dbp_ros.files import write_text

FAILED = "failed.json"
MAX_SAVED = 100


class Blocklist:
    """Reasons of failure by the sha256 of a model's manifest.

    The file may be edited while the policy runs: an entry that is deleted is no longer blocked.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read the saved list.

        Args:
            path: File of the list; None to keep it in memory.

        Raises:
            BundleError: If the file cannot be parsed.
        """
        self._path = path
        self._modified_ns = self._modification_ns()
        self._saved = self._read()
        # Failures that could not be written, as the disk is full.
        self._unsaved: dict[str, str] = {}

    def reason(self, sha256: str) -> str:
        """Return why a model failed; empty if it did not."""
        self._update()
        return (self._saved | self._unsaved).get(sha256, "")

    def add(self, sha256: str, reason: str) -> None:
        """Add a failure and save the newest `MAX_SAVED`, merged with those of other processes."""
        self._update()
        reasons = self._saved | self._unsaved
        # A repeated failure becomes the newest.
        reasons.pop(sha256, None)
        reasons[sha256] = reason
        newest = dict(list(reasons.items())[-MAX_SAVED:])
        self._unsaved[sha256] = reason
        if self._path is not None:
            with suppress(OSError):
                write_text(self._path, json.dumps(newest, indent=1))
                self._saved, self._unsaved = newest, {}
                self._modified_ns = self._modification_ns()

    def _update(self) -> None:
        """Read the file again if it has changed; ignore it while it cannot be parsed."""
        if (modified_ns := self._modification_ns()) == self._modified_ns:
            return
        with suppress(BundleError):
            self._saved, self._modified_ns = self._read(), modified_ns

    def _modification_ns(self) -> int:
        if self._path is None or not self._path.is_file():
            return 0
        return self._path.stat().st_mtime_ns

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
            hint = f"; delete its entry in {self._path} to try it again" if self._path else ""
            raise BundleError(f"not tried again: {reason}{hint}")
