"""What a robot says of its models: which one decides, and what became of the newest."""

import json
from dataclasses import asdict, dataclass
from enum import Enum

from dbp_ros.errors import BundleError
from dbp_ros.settings.json_fields import field_kinds, parse_fields


class SwapPhase(Enum):
    """How far a new model has come."""

    IDLE = "idle"
    RECEIVING = "receiving"
    VERIFYING = "verifying"
    LOADING = "loading"
    PROVING = "proving"
    SHADOWING = "shadowing"
    ACTIVE = "active"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


# Said of a candidate that is not at fault, and is tried again.
PUT_OFF = "put off"


@dataclass(frozen=True)
class SwapStatus:
    """Which model decides, and what became of the newest that would like to.

    Attributes:
        number: Counts the models that this process let decide.
        name: Name of the model that decides.
        version: The version that its manifest gives.
        sha256: Of its manifest.
        phase: How far the candidate has come.
        candidate: The sha256 of the candidate's manifest; empty where none is known.
        reason: What there is to say about it.
    """

    number: int
    name: str
    version: int
    sha256: str
    phase: str
    candidate: str
    reason: str

    def to_json(self) -> str:
        """Return the state as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SwapStatus":
        """Read what `to_json` writes.

        Raises:
            BundleError: If it is anything else.
        """
        try:
            state = cls(**parse_fields(text, field_kinds(cls)))
            SwapPhase(state.phase)
        except ValueError as error:
            raise BundleError(f"no state of a model: {error}") from error
        return state

    @property
    def fell_back(self) -> bool:
        """Whether the candidate failed, so that the model that decides is to be gone on from."""
        refused = self.phase == SwapPhase.REFUSED.value and not self.reason.startswith(PUT_OFF)
        return bool(self.candidate) and (refused or self.phase == SwapPhase.ROLLED_BACK.value)
