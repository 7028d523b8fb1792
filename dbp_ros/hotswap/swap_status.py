"""Status of the model hot swap: the active model and the newest candidate."""

from dataclasses import dataclass
from enum import Enum

from dbp_ros.errors import BundleError, ConfigError
from dbp_ros.settings.fields import from_json, to_json


class SwapPhase(Enum):
    """Phase of the newest candidate."""

    IDLE = "idle"
    RECEIVING = "receiving"
    VERIFYING = "verifying"
    LOADING = "loading"
    SELF_TEST = "self_testing"
    SHADOWING = "shadowing"
    ACTIVE = "active"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


# Prefix of the reason for a candidate that has not failed and is tested again.
DEFERRED = "deferred"


@dataclass(frozen=True)
class SwapStatus:
    """The active model, and phase and outcome of the newest candidate.

    Attributes:
        number: Count of the models activated by this process.
        name: Name of the active model.
        version: Version in its manifest.
        sha256: Sha256 of its manifest.
        phase: Value of the candidate's `SwapPhase`.
        candidate: Sha256 of the candidate's manifest; empty if unknown.
        reason: Explanation of the phase.
    """

    number: int
    name: str
    version: int
    sha256: str
    phase: str
    candidate: str
    reason: str

    def to_json(self) -> str:
        """Return the status as one line."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "SwapStatus":
        """Parse a line of `to_json`.

        Raises:
            BundleError: If it is invalid.
        """
        try:
            status = from_json(cls, text)
            SwapPhase(status.phase)
        except (ConfigError, ValueError) as error:
            raise BundleError(f"invalid swap status: {error}") from error
        return status

    @property
    def candidate_failed(self) -> bool:
        """Whether the candidate failed, so that a learner must restart from the active model."""
        refused = self.phase == SwapPhase.REFUSED.value and not self.reason.startswith(DEFERRED)
        return bool(self.candidate) and (refused or self.phase == SwapPhase.ROLLED_BACK.value)
