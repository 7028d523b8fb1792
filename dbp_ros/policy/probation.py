"""Whether a new model does worse than the one before it: numbers in, a verdict with a reason out.

Answers that are not finite are not among the numbers: they end a model's turn at once.
"""

from collections import deque

from dbp_ros.config import PolicyConfig
from dbp_ros.contract import seconds_to_ns

# A share of limited commands is told from the newest reports of the guard, which come once a
# second, and from no fewer commands than this.
REPORTS, FEWEST_COMMANDS = 10, 500
# Where even the model before took long, the machine is to blame, not the model.
SLOWER = 1.5


class Record:
    """How the robot fared under one model. One thread writes it, another may read."""

    def __init__(self, success_window: int) -> None:
        self.p99_ms = 0.0
        self._last: tuple[int, int] | None = None
        self._commands: deque[tuple[int, int]] = deque(maxlen=REPORTS)
        self._episodes: deque[bool] = deque(maxlen=success_window)

    def count(self, commands: int, limited: int) -> None:
        """Take in what the guard has counted since it started."""
        last, self._last = self._last, (commands, limited)
        if last is not None and commands >= last[0] and limited >= last[1]:
            self._commands.append((commands - last[0], limited - last[1]))

    def end_episode(self, solved: bool) -> None:
        """Take in how an episode ended."""
        self._episodes.append(solved)

    @property
    def limited_share(self) -> float | None:
        """Share of commands that a limit held back; None where too few are known."""
        commands, limited = (
            sum(counts) for counts in zip((0, 0), *tuple(self._commands), strict=True)
        )
        return limited / commands if commands >= FEWEST_COMMANDS else None

    @property
    def success_share(self) -> float | None:
        """Share of the episodes of a whole window that were solved; None before."""
        episodes = tuple(self._episodes)
        return sum(episodes) / len(episodes) if len(episodes) == self._episodes.maxlen else None


class Probation:
    """The time in which a new model is compared with the one before.

    Attributes:
        before: How the robot fared under the model before.
        after: How it fares under the new one.
    """

    def __init__(self, config: PolicyConfig, before: Record, now_ns: int) -> None:
        self.before, self.after = before, Record(config.success_window)
        self._config = config
        self._budget_ms = 1e3 * config.inference_budget / config.decision_rate_hz
        self._until_ns = now_ns + seconds_to_ns(config.probation_s)

    def verdict(self) -> str:
        """Return why the model before should come back; empty where it should not."""
        before, after, config = self.before, self.after, self._config
        if after.p99_ms > max(self._budget_ms, SLOWER * before.p99_ms):
            return (
                f"inference takes {after.p99_ms:.1f} ms (p99), expected at most "
                f"{self._budget_ms:.1f}; before it took {before.p99_ms:.1f}"
            )
        held, held_before = after.limited_share, before.limited_share or 0.0
        if held is not None and held > held_before + config.limited_rise:
            return (
                f"the guard limits {100 * held:.0f} % of the commands, before it limited "
                f"{100 * held_before:.0f} %"
            )
        solved, solved_before = after.success_share, before.success_share
        if solved is None or solved_before is None:
            return ""
        if solved < solved_before - config.success_fall:
            return (
                f"{100 * solved:.0f} % of {config.success_window} episodes were solved, before "
                f"{100 * solved_before:.0f} %"
            )
        return ""

    def over(self, now_ns: int) -> bool:
        """Return whether everything has been compared that there is to compare."""
        episodes_missing = (
            self.before.success_share is not None and self.after.success_share is None
        )
        return now_ns > self._until_ns and not episodes_missing
