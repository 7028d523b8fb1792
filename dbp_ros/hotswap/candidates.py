"""Queue of candidate bundles: the newest replaces the others, or is deferred and tested later."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from dbp_ros.types import NS_PER_S

RETRY_NS = 10 * NS_PER_S


@dataclass(frozen=True)
class Candidate:
    """A bundle to activate.

    Attributes:
        directory: Its folder.
        announced: Whether a sender announced it; such a bundle must not be older than the active
            model. A user may copy an older version into the folder.
    """

    directory: Path
    announced: bool


class Candidates:
    """Queue of one candidate. Any thread may call `put`, one thread calls the rest."""

    def __init__(self) -> None:
        self._newest: deque[Candidate] = deque(maxlen=1)
        self._deferred: tuple[Candidate, int] | None = None

    def put(self, candidate: Candidate) -> None:
        """Queue a candidate in place of any other."""
        self._newest.append(candidate)

    def defer(self, candidate: Candidate, now_ns: int) -> None:
        """Queue a candidate again after `RETRY_NS`, unless a newer candidate is queued first."""
        self._deferred = (candidate, now_ns + RETRY_NS)

    def take(self, now_ns: int) -> Candidate | None:
        """Remove and return the candidate that is due, if any."""
        if self._newest:
            self._deferred = None
            return self._newest.pop()
        if self._deferred is None or now_ns < self._deferred[1]:
            return None
        candidate, self._deferred = self._deferred[0], None
        return candidate
