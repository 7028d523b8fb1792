"""Messages that a node cannot use: ignored, counted, and named once."""

import time
from collections import Counter
from collections.abc import Callable

from dbp_ros.types import NS_PER_S

# A cause stays on ~/state for this long after its last message, so that the state does not flap.
SHOWN_NS = 5 * NS_PER_S
# Between two warnings about one topic.
SPACING_NS = 5 * NS_PER_S
CAUSES_KEPT = 32


class IgnoredMessages:
    """Counts ignored messages, and warns once for each topic and cause.

    Any thread may call it.

    Attributes:
        counts: How many messages of each topic were ignored.
    """

    def __init__(
        self, warn: Callable[[str], None], now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Begin with none.

        Args:
            warn: Called with each warning, such as a logger's method.
            now_ns: Returns the steady time in [ns].
        """
        self.counts: Counter[str] = Counter()
        self._warn, self._now_ns = warn, now_ns
        self._warned: dict[str, set[str]] = {}
        self._warned_ns: dict[str, int] = {}
        self._shown: dict[str, tuple[str, int]] = {}

    def add(self, topic: str, cause: str) -> None:
        """Count a message that is ignored.

        Args:
            topic: Where it came.
            cause: What is wrong with it.
        """
        now_ns = self._now_ns()
        self.counts[topic] += 1
        shown, until_ns = self._shown.get(topic, (cause, now_ns))
        self._shown[topic] = (shown if now_ns < until_ns else cause, now_ns + SHOWN_NS)
        warned = self._warned.setdefault(topic, set())
        recent = topic in self._warned_ns and now_ns - self._warned_ns[topic] < SPACING_NS
        if cause in warned or recent:
            return
        if len(warned) < CAUSES_KEPT:
            warned.add(cause)
        self._warned_ns[topic] = now_ns
        self._warn(f"{topic}: ignored a message: {cause}")

    @property
    def problem(self) -> str:
        """What is ignored at the moment, for ~/state; empty where nothing is."""
        now_ns = self._now_ns()
        shown = tuple(self._shown.items())
        return "; ".join(
            f"{topic}: ignoring messages: {cause}"
            for topic, (cause, until_ns) in shown
            if now_ns < until_ns
        )
