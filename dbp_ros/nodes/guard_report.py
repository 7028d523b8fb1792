"""State of the guard as a diagnostic level and a sentence."""

from collections.abc import Iterable

from dbp_ros.guard_state import NEXT_REASON, NOT_ENABLED, OPERATOR_CONTROL, GuardMode, GuardState
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.nodes import diagnostics

LEVELS = {
    GuardMode.DISABLED: diagnostics.OK,
    GuardMode.TRACKING: diagnostics.OK,
    GuardMode.HOLDING: diagnostics.WARN,
    GuardMode.STOPPED: diagnostics.ERROR,
}


def level_and_sentence(guard: MotionGuard, problems: Iterable[str]) -> tuple[bytes, str]:
    """Return the diagnostic level of a guard, and its state as text.

    Args:
        guard: The guard.
        problems: Problems of its inputs; empty ones are left out.
    """
    mode, reason = guard.mode, guard.reason
    reasons = [*filter(None, (reason, *problems))]
    level = LEVELS[mode]
    if level == diagnostics.OK and reasons not in ([], [NOT_ENABLED]):
        level = diagnostics.WARN
    if guard.chunks.operator_control:
        reasons.append(OPERATOR_CONTROL)
    return level, str(GuardState(mode, NEXT_REASON.join(reasons)))
