"""Which bundle should decide next: the newest proposal counts, and one may be put off."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from dbp_ros.types import NS_PER_S

RETRY_NS = 10 * NS_PER_S


@dataclass(frozen=True)
class Candidate:
    """That the bundle of a folder should decide.

    Attributes:
        directory: The folder.
        announced: Whether a sender says so, who may lag behind; else it is somebody's own hand,
            which may go back to an older version.
    """

    directory: Path
    announced: bool


class Candidates:
    """Holds one proposal. Any thread may call `put`, one thread the rest."""

    def __init__(self) -> None:
        self._newest: deque[Candidate] = deque(maxlen=1)
        self._put_off: tuple[Candidate, int] | None = None

    def put(self, proposal: Candidate) -> None:
        """Propose, in the place of whatever waits."""
        self._newest.append(proposal)

    def put_off(self, proposal: Candidate, now_ns: int) -> None:
        """Propose again in a while, unless something newer is proposed until then."""
        self._put_off = (proposal, now_ns + RETRY_NS)

    def take(self, now_ns: int) -> Candidate | None:
        """Return what is to be done now, if anything is; it is proposed no more."""
        if self._newest:
            self._put_off = None
            return self._newest.pop()
        if self._put_off is None or now_ns < self._put_off[1]:
            return None
        proposal, self._put_off = self._put_off[0], None
        return proposal
