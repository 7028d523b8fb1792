"""Invalid messages: ignored, counted, and logged once for each cause."""

import time
from collections import Counter
from collections.abc import Callable

from dbp_ros.types import NS_PER_S

# A cause stays on ~/state for this long after its last message, so that the state is stable.
REPORTED_NS = 5 * NS_PER_S
# Minimum interval of warnings about one topic.
WARNING_INTERVAL_NS = 5 * NS_PER_S
MAX_CAUSES = 32


class IgnoredMessages:
    """Counter of ignored messages that warns once for each topic and cause. Thread-safe.

    Attributes:
        counts: Number of ignored messages by topic.
    """

    def __init__(
        self, warn: Callable[[str], None], now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Start without messages.

        Args:
            warn: Called with each warning.
            now_ns: Returns the steady time in [ns].
        """
        self.counts: Counter[str] = Counter()
        self._warn, self._now_ns = warn, now_ns
        self._warned: dict[str, set[str]] = {}
        self._warned_ns: dict[str, int] = {}
        self._reported: dict[str, tuple[str, int]] = {}

    def add(self, topic: str, cause: str) -> None:
        """Count an ignored message.

        Args:
            topic: Its topic.
            cause: Why it is invalid.
        """
        now_ns = self._now_ns()
        self.counts[topic] += 1
        reported, until_ns = self._reported.get(topic, (cause, now_ns))
        self._reported[topic] = (reported if now_ns < until_ns else cause, now_ns + REPORTED_NS)
        warned = self._warned.setdefault(topic, set())
        recent = topic in self._warned_ns and now_ns - self._warned_ns[topic] < WARNING_INTERVAL_NS
        if cause in warned or recent:
            return
        if len(warned) < MAX_CAUSES:
            warned.add(cause)
        self._warned_ns[topic] = now_ns
        self._warn(f"{topic}: ignored a message: {cause}")

    @property
    def problem(self) -> str:
        """Current causes, for ~/state; empty if there are none."""
        now_ns = self._now_ns()
        reported = tuple(self._reported.items())
        return "; ".join(
            f"{topic}: ignoring messages: {cause}"
            for topic, (cause, until_ns) in reported
            if now_ns < until_ns
        )
