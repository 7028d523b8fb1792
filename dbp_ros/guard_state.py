"""State of the guard, as an object and as the text on its topic `~/state`."""

from dataclasses import dataclass
from enum import Enum

EMERGENCY_STOP = "e-stop"
NOT_ENABLED = "control is not enabled"
WAITING_FOR_CHUNK = "waiting for a chunk"
NO_FRESH_CHUNK = "no fresh chunk"
WAITING_FOR_OPERATOR_CHUNK = "waiting for an operator chunk"
NO_FRESH_OPERATOR_CHUNK = "no fresh operator chunk"
OPERATOR_CONTROL = "an operator has control"
SEPARATOR, NEXT_REASON = ": ", "; "


class GuardMode(Enum):
    """Mode of the guard."""

    DISABLED = "disabled"
    HOLDING = "holding"
    TRACKING = "tracking"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class GuardState:
    """Mode of the guard and the reasons for it.

    Attributes:
        mode: Mode; None before the first message and after a failure of the guard.
        reason: Reasons, joined by semicolons; empty if there is none.
    """

    mode: GuardMode | None = None
    reason: str = ""

    @classmethod
    def parse(cls, text: str) -> "GuardState":
        """Return the state that a text on the topic describes."""
        for mode in GuardMode:
            if text == mode.value or text.startswith(mode.value + SEPARATOR):
                return cls(mode, text[len(mode.value + SEPARATOR) :])
        return cls(None, text)

    def __str__(self) -> str:
        """Return the text for the topic."""
        return SEPARATOR.join(filter(None, (self.mode and self.mode.value, self.reason)))

    @property
    def cause(self) -> str:
        """First of the reasons."""
        return self.reason.partition(NEXT_REASON)[0]

    @property
    def operator_control(self) -> bool:
        """Whether the guard follows the chunks of an operator, not those of the policy."""
        return OPERATOR_CONTROL in self.reason.split(NEXT_REASON)

    @property
    def enabled(self) -> bool:
        """Whether control is enabled and no stop is latched."""
        return self.mode in (GuardMode.HOLDING, GuardMode.TRACKING)

    @property
    def inactive(self) -> bool:
        """Whether control is disabled or a stop is latched."""
        return self.mode in (GuardMode.DISABLED, GuardMode.STOPPED)

    @property
    def emergency_stop(self) -> bool:
        """Whether an operator stopped the arms."""
        return self.mode is GuardMode.STOPPED and self.cause == EMERGENCY_STOP
