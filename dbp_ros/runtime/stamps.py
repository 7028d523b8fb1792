"""Validation of message stamps, with the cause and the fix of each problem.

A stamp is compared with the arrival of its message, both on the steady clock. This distinguishes a
wrong stamp from a publisher that has stopped.
"""

from dbp_ros.types import NS_PER_S

# Steady times of invalid stamps.
UNSTAMPED_NS = -(1 << 62)
NO_CLOCK_NS = UNSTAMPED_NS + 1
# A larger difference, three years, means another clock: one counts from 1970, the other from boot.
OTHER_CLOCK_NS = 100_000_000 * NS_PER_S
FUTURE_TOLERANCE_NS = 50_000_000
# Largest latency of a message; a larger difference means a wrong stamp.
LATE_NS = NS_PER_S
# The number in a sentence is unchanged while the difference stays within this ratio.
SAME_RATIO = 1.25


class StampCheck:
    """Validation of the stamps of one topic. Not thread-safe."""

    def __init__(self, topic: str, max_age_ns: int) -> None:
        """Start without a problem.

        Args:
            topic: Name of the publisher in the sentences.
            max_age_ns: Largest age of a stamp when its message arrives, in [ns].
        """
        self._topic = topic
        self._max_age_ns = max_age_ns
        self._shown_ns = 0

    def problem(self, stamp_ns: int, arrival_ns: int, scale: float = 1.0) -> str:
        """Return the problem of a stamp with a fix; empty if it is valid.

        The sentence is the same for the same cause, despite varying latency.

        Args:
            stamp_ns: Stamp on the steady clock, as `SteadyClock.steady_ns` returns it.
            arrival_ns: Arrival of the message on the steady clock.
            scale: Factor of the tolerances: the slowdown of a simulator, at least 1.
        """
        age_ns = arrival_ns - stamp_ns
        if -FUTURE_TOLERANCE_NS * scale <= age_ns <= self._max_age_ns * scale:
            self._shown_ns = 0
            return ""
        if stamp_ns == UNSTAMPED_NS:
            return f"{self._topic} is not stamped: its stamp is zero; set header.stamp in its node"
        if stamp_ns == NO_CLOCK_NS:
            return (
                f"{self._topic} has no time: use_sim_time is true, but nothing arrives on /clock; "
                "start the simulator, or set use_sim_time to false"
            )
        seconds = self._rounded_s(age_ns)
        if 0 < age_ns <= LATE_NS * scale:
            return (
                f"{self._topic} arrives late, {seconds} s after its stamp, expected at most "
                f"{self._max_age_ns / NS_PER_S:.2g} s: reduce the load of the network or the "
                "computer, or synchronise the clocks"
            )
        return self._sentence(seconds, age_ns)

    def _rounded_s(self, age_ns: int) -> str:
        """Return a difference in [s], with the same text for similar differences."""
        ratio = age_ns / self._shown_ns if self._shown_ns else 0.0
        if not 1 / SAME_RATIO <= ratio <= SAME_RATIO:
            self._shown_ns = age_ns
        digits = 3 if abs(age_ns) > OTHER_CLOCK_NS else 2
        return f"{abs(self._shown_ns) / NS_PER_S:.{digits}g}".replace("e+0", "e")

    def _sentence(self, seconds: str, age_ns: int) -> str:
        topic = self._topic
        if age_ns > OTHER_CLOCK_NS:
            return (
                f"{topic}'s stamps are of another clock: {seconds} s behind; if a simulator stamps "
                "them, set use_sim_time to true here, else use the system's clock in its node"
            )
        if age_ns < -OTHER_CLOCK_NS:
            return (
                f"{topic}'s stamps are of another clock: {seconds} s ahead; set use_sim_time to "
                "true in its node, or to false here"
            )
        if age_ns > 0:
            return (
                f"{topic} is stamped in the past, {seconds} s before it arrives: stop a recording "
                "that is played back, or synchronise the clocks of its computer and this one"
            )
        return (
            f"{topic} is stamped in the future, {seconds} s after it arrives: synchronise the "
            "clocks of its computer and this one, and set the same use_sim_time on both"
        )
