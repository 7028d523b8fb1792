"""Whether a new model does worse than the one before it: numbers in, a verdict with a reason out.

Answers that are not finite are not among the numbers: they end a model's turn at once.
"""

import math
from collections import deque

from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import seconds_to_ns

# How often the guard reports.
REPORTS_HZ = 1.0
# Where even the model before took long, the machine is to blame, not the model.
SLOWER = 1.5


def fisher_p_value(solved: int, before: int, window: int) -> float:
    """Return the chance of solving so few episodes of a window, or fewer, with equal models.

    Which of the episodes of two windows were solved says then nothing of the model: Fisher's exact
    test, one-sided.

    Args:
        solved: Of the window after.
        before: Of the window before.
        window: Episodes of each.
    """
    both = solved + before
    ways = [math.comb(window, k) * math.comb(window, both - k) for k in range(both + 1)]
    return sum(ways[: solved + 1]) / sum(ways)


class ModelRecord:
    """How the robot fared under one model. One thread writes it, another may read."""

    def __init__(self, config: PolicyConfig) -> None:
        self.p99_ms = 0.0
        reports = math.ceil(REPORTS_HZ * config.canary_s / 2)
        self._last: tuple[int, int] | None = None
        self._commands: deque[tuple[int, int]] = deque(maxlen=reports)
        self._episodes: deque[bool] = deque(maxlen=config.success_window)

    def count(self, commands: int, limited: int) -> None:
        """Take in what the guard has counted since it started.

        Times without commands are left out, and those in which the guard was restarted.
        """
        last, self._last = self._last, (commands, limited)
        if last is not None and commands > last[0] and limited >= last[1]:
            self._commands.append((commands - last[0], limited - last[1]))

    def end_episode(self, solved: bool) -> None:
        """Take in how an episode ended."""
        self._episodes.append(solved)

    @property
    def limited_share(self) -> float | None:
        """Share of commands that a limit held back over half a probation; None before.

        It depends on what the arms are at just now, so a short time tells nothing.
        """
        reports = tuple(self._commands)
        commands = sum(count for count, _ in reports)
        if len(reports) < (self._commands.maxlen or 0) or not commands:
            return None
        return sum(limited for _, limited in reports) / commands

    @property
    def success_share(self) -> float | None:
        """Share of the episodes of a whole window that were solved; None before."""
        episodes = tuple(self._episodes)
        return sum(episodes) / len(episodes) if len(episodes) == self._episodes.maxlen else None


class CanaryMonitor:
    """The time in which a new model is compared with the one before.

    Attributes:
        before: How the robot fared under the model before.
        after: How it fares under the new one.
    """

    def __init__(self, config: PolicyConfig, before: ModelRecord, now_ns: int) -> None:
        self.before, self.after = before, ModelRecord(config)
        self._config = config
        self._budget_ms = (
            1e3 * config.inference_budget / (config.decision_rate_hz * config.real_time_factor)
        )
        self._until_ns = now_ns + seconds_to_ns(config.canary_s)

    def verdict(self) -> str:
        """Return why the model before should come back; empty where it should not."""
        return self._slower() or self._more_limited() or self._less_successful()

    def _slower(self) -> str:
        p99_ms, before_ms = self.after.p99_ms, self.before.p99_ms
        if p99_ms <= max(self._budget_ms, SLOWER * before_ms):
            return ""
        return (
            f"inference takes {p99_ms:.1f} ms (p99), expected at most {self._budget_ms:.1f}; "
            f"before it took {before_ms:.1f}"
        )

    def _more_limited(self) -> str:
        share, before = self.after.limited_share, self.before.limited_share
        if share is None or before is None or share <= before + self._config.max_limited_increase:
            return ""
        return (
            f"the guard limits {100 * share:.0f} % of the commands, before it limited "
            f"{100 * before:.0f} %"
        )

    def _less_successful(self) -> str:
        share, before = self.after.success_share, self.before.success_share
        if share is None or before is None:
            return ""
        window = self._config.success_window
        chance = fisher_p_value(round(share * window), round(before * window), window)
        if chance >= self._config.rollback_p_value:
            return ""
        return f"{100 * share:.0f} % of {window} episodes were solved, before {100 * before:.0f} %"

    def over(self, now_ns: int) -> bool:
        """Return whether everything has been compared that there is to compare."""
        episodes_missing = (
            self.before.success_share is not None and self.after.success_share is None
        )
        return now_ns > self._until_ns and not episodes_missing
