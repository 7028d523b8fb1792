"""Canary monitoring: comparison of a promoted model with the previous one.

Non-finite outputs are not compared: they cause a rollback at once.
"""

import math
from collections import deque

from dbp_ros.policy.decision_rate import inference_budget_ms
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import seconds_to_ns

# Rate of the guard's diagnostics, in wall time.
REPORTS_HZ = 1.0
# Accepted ratio of inference times where the previous model exceeds the budget too.
MAX_SLOWDOWN = 1.5


def fisher_p_value(solved: int, before: int, window: int) -> float:
    """Return the one-sided p-value of Fisher's exact test for a lower success rate.

    Args:
        solved: Successes of the new model.
        before: Successes of the previous model.
        window: Episodes of each.
    """
    both = solved + before
    weights = [math.comb(window, k) * math.comb(window, both - k) for k in range(both + 1)]
    return sum(weights[: solved + 1]) / sum(weights)


class ModelRecord:
    """Statistics of the robot under one model. One thread writes, another may read."""

    def __init__(self, config: PolicyConfig) -> None:
        self.p99_ms = 0.0
        reports = max(1, math.ceil(REPORTS_HZ * config.canary_s / 2 / config.real_time_factor))
        self._last: tuple[int, int] | None = None
        self._commands: deque[tuple[int, int]] = deque(maxlen=reports)
        self._episodes: deque[bool] = deque(maxlen=config.success_window)

    def add_command_counts(self, commands: int, limited: int) -> None:
        """Add the guard's counters, cumulative since its start.

        Intervals without commands or with a restart of the guard are excluded.
        """
        last, self._last = self._last, (commands, limited)
        if last is not None and commands > last[0] and limited >= last[1]:
            self._commands.append((commands - last[0], limited - last[1]))

    def resume(self) -> None:
        """Exclude the commands since the last report, because another model sent them."""
        self._last = None

    def add_episode(self, solved: bool) -> None:
        """Add the outcome of an episode."""
        self._episodes.append(solved)

    @property
    def limited_fraction(self) -> float | None:
        """Fraction of commands changed by a limit, over half a canary period; None before.

        The fraction depends on the phase of the task, so a shorter period is not representative.
        """
        reports = tuple(self._commands)
        commands = sum(count for count, _ in reports)
        if len(reports) < (self._commands.maxlen or 0) or not commands:
            return None
        return sum(limited for _, limited in reports) / commands

    @property
    def success_rate(self) -> float | None:
        """Fraction of solved episodes over a full window; None before."""
        episodes = tuple(self._episodes)
        return sum(episodes) / len(episodes) if len(episodes) == self._episodes.maxlen else None


class CanaryMonitor:
    """Comparison of a promoted model with the previous one during the canary period.

    Attributes:
        before: Record of the previous model.
        after: Record of the promoted model.
    """

    def __init__(self, config: PolicyConfig, before: ModelRecord, now_ns: int) -> None:
        self.before, self.after = before, ModelRecord(config)
        self._config = config
        self._budget_ms = inference_budget_ms(config)
        self._until_ns = now_ns + seconds_to_ns(config.canary_s)

    def rollback_reason(self) -> str:
        """Return why the model must be rolled back; empty if it must not."""
        return self._slower() or self._more_limited() or self._less_successful()

    def _slower(self) -> str:
        p99_ms, before_ms = self.after.p99_ms, self.before.p99_ms
        if p99_ms <= max(self._budget_ms, MAX_SLOWDOWN * before_ms):
            return ""
        return (
            f"inference takes {p99_ms:.1f} ms (p99), expected at most {self._budget_ms:.1f}; "
            f"before it took {before_ms:.1f}"
        )

    def _more_limited(self) -> str:
        after, before = self.after.limited_fraction, self.before.limited_fraction
        if after is None or before is None or after <= before + self._config.max_limited_increase:
            return ""
        return f"the guard limits {100 * after:.0f} % of the commands, before {100 * before:.0f} %"

    def _less_successful(self) -> str:
        after, before = self.after.success_rate, self.before.success_rate
        if after is None or before is None:
            return ""
        window = self._config.success_window
        p_value = fisher_p_value(round(after * window), round(before * window), window)
        if p_value >= self._config.rollback_p_value:
            return ""
        return f"{100 * after:.0f} % of {window} episodes were solved, before {100 * before:.0f} %"

    def finished(self, now_ns: int, success_known: bool = True) -> bool:
        """Return whether the canary period is over and both models have comparable episodes.

        Args:
            now_ns: Steady time.
            success_known: Whether the success of episodes is known at present.
        """
        episodes_missing = (
            success_known
            and self.before.success_rate is not None
            and self.after.success_rate is None
        )
        return now_ns > self._until_ns and not episodes_missing
