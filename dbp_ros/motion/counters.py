"""Event counters of the guard."""

from dataclasses import dataclass


@dataclass
class GuardCounters:
    """Number of events since the start.

    Attributes:
        commands: Computed commands.
        limited_commands: Commands that a limit kept from the policy's target, at full speed.
        refused_chunks: Chunks that were refused.
        ignored_chunks: Chunks of the policy while an operator has control, and of an operator who
            has none.
        holds: Changes from tracking to holding.
        stops: Latched stops.
        tracking_stops: Latched stops because of a joint that did not follow.
        disabled_by_fault: Times that a fault disabled control.
        controller_losses: Controllers deactivated, unloaded or restarted while control was enabled,
            or whose joint states were restarted.
        joint_state_gaps: Times that joint states became stale while control was enabled.
        reanchors: Times that the command of a joint was moved to its measured position.
    """

    commands: int = 0
    limited_commands: int = 0
    refused_chunks: int = 0
    ignored_chunks: int = 0
    holds: int = 0
    stops: int = 0
    tracking_stops: int = 0
    disabled_by_fault: int = 0
    controller_losses: int = 0
    joint_state_gaps: int = 0
    reanchors: int = 0
