"""Ring buffer of serialised messages, limited in time and in memory."""

import math
from collections import deque

from dbp_ros.types import NS_PER_S, seconds_to_ns

# Role, serialised message and time of arrival.
StampedMessage = tuple[str, bytes, int]
# Memory of a message besides its bytes, in CPython.
OVERHEAD_BYTES = 200
BYTES_PER_MB = 1_000_000
# The clock was set back if a message is older than the last one by more than this.
BACKWARD_NS = NS_PER_S


class RingBuffer:
    """Messages of the last seconds.

    Attributes:
        limit_s: Age in [s], relative to the newest message, at which a message is removed.
        max_mb: Largest memory of the messages [MB].
        size_bytes: Memory of the messages.
        short: Whether the limit of memory has removed a message that was younger than `limit_s`.
    """

    def __init__(self, limit_s: float, max_mb: float = math.inf) -> None:
        """Start without messages."""
        self.limit_s, self.max_mb = limit_s, max_mb
        self.size_bytes = 0
        self.short = False
        self._messages: deque[StampedMessage] = deque()

    def add(self, message: StampedMessage) -> list[StampedMessage]:
        """Append a message, and return those that are removed for it, oldest first."""
        removed = []
        if self._messages and message[2] < self._messages[-1][2] - BACKWARD_NS:
            removed = self.take()
        self._messages.append(message)
        self.size_bytes += _memory(message)
        oldest_ns = message[2] - seconds_to_ns(self.limit_s)
        while self._messages[0][2] < oldest_ns:
            removed.append(self._remove())
        while self.size_bytes > self.max_mb * BYTES_PER_MB and len(self._messages) > 1:
            self.short = True
            removed.append(self._remove())
        return removed

    def take(self) -> list[StampedMessage]:
        """Return all messages, oldest first, and remove them."""
        messages = list(self._messages)
        self._messages.clear()
        self.size_bytes, self.short = 0, False
        return messages

    @property
    def duration_s(self) -> float:
        """Time from the oldest message to the newest one, in [s]."""
        if not self._messages:
            return 0.0
        return (self._messages[-1][2] - self._messages[0][2]) / NS_PER_S

    def _remove(self) -> StampedMessage:
        message = self._messages.popleft()
        self.size_bytes -= _memory(message)
        return message


def _memory(message: StampedMessage) -> int:
    return len(message[1]) + OVERHEAD_BYTES
