"""Rates of the messages that arrive at a recorder."""

from collections import Counter
from collections.abc import Iterable

from dbp_ros.types import NS_PER_S


class Arrivals:
    """Counter of messages by role, with their rates. All times are on the steady clock.

    Attributes:
        rates_hz: Messages per second of each role, between the last two calls of `update`.
        bytes_per_s: Bytes per second of all roles.
        lost: Messages that the middleware has lost, by role.
    """

    def __init__(self, roles: Iterable[str], now_ns: int) -> None:
        """Start without messages.

        Args:
            roles: Roles of the messages.
            now_ns: Time of the start.
        """
        self.rates_hz = dict.fromkeys(roles, 0.0)
        self.bytes_per_s = 0.0
        self.lost: Counter[str] = Counter()
        self._started: set[str] = set()
        self._last_ns = dict.fromkeys(self.rates_hz, now_ns)
        self._updated_ns = now_ns
        self._counts: Counter[str] = Counter()
        self._size_bytes = 0

    def add(self, role: str, size_bytes: int, now_ns: int) -> None:
        """Count a message."""
        self._counts[role] += 1
        self._size_bytes += size_bytes
        self._last_ns[role] = now_ns
        self._started.add(role)

    def add_lost(self, role: str, count: int) -> None:
        """Count lost messages, except for those from before the first message."""
        if role in self._started:
            self.lost[role] += count

    def update(self, now_ns: int) -> None:
        """Compute the rates since the last call."""
        elapsed_s = (now_ns - self._updated_ns) / NS_PER_S
        if elapsed_s <= 0.0:
            return
        self.rates_hz = {role: self._counts[role] / elapsed_s for role in self.rates_hz}
        self.bytes_per_s = self._size_bytes / elapsed_s
        self._counts.clear()
        self._size_bytes, self._updated_ns = 0, now_ns

    def silent(self, roles: Iterable[str], limit_ns: int, now_ns: int) -> list[str]:
        """Return the roles without a message for longer than a limit, also since the start."""
        return [role for role in roles if now_ns - self._last_ns[role] > limit_ns]
