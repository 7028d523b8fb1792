"""Automatic start of the next episode in simulation."""

import math
import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from dbp_ros.errors import DbpError

WATCH_PERIOD_S = 0.1
# From the end of an episode to the next one, so that a learner records the end first.
DELAY_S = 0.3
RETRY_S, MAX_FAILURES = 5.0, 12


class AutoReset:
    """Timer that begins the next episode when it is due, and tries again after a failure.

    Attributes:
        problem: Why no episode begins any more; empty while episodes begin.
    """

    def __init__(
        self,
        node: Node,
        is_due: Callable[[], bool],
        is_blocked: Callable[[], bool],
        new_episode: Callable[[], str],
    ) -> None:
        """Start the timer.

        Args:
            node: Node of the timer, whose thread may block.
            is_due: Returns whether the next episode is due.
            is_blocked: Returns whether only an operator may continue.
            new_episode: Begins it, also after an earlier failure of this call; returns a message,
                or raises `DbpError`.
        """
        self.problem = ""
        self._logger = node.get_logger()
        self._is_due, self._is_blocked, self._new_episode = is_due, is_blocked, new_episode
        self._start_s, self._failures = math.inf, 0
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(WATCH_PERIOD_S, self._watch, clock=steady)

    def _watch(self) -> None:
        due = self._is_due()
        if due and not self._failures:
            self.problem = ""
        # A failed start may have disabled control, so that the next one is not due.
        if self._is_blocked() or not (due or self._failures) or self.problem:
            self._start_s, self._failures = math.inf, 0
            return
        now_s = time.monotonic()
        if self._start_s == math.inf:
            self._start_s = now_s + DELAY_S
        if now_s < self._start_s:
            return
        try:
            self._logger.info(self._new_episode())
            self._start_s, self._failures = math.inf, 0
        except DbpError as error:
            self._failures += 1
            self._start_s = time.monotonic() + RETRY_S
            self._logger.warning(f"no new episode: {error}")
            if self._failures == MAX_FAILURES:
                self.problem = f"no new episode after {MAX_FAILURES} attempts: {error}"
