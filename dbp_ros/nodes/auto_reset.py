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
RETRY_S = 5.0


class AutoReset:
    """Timer that begins the next episode when it is due."""

    def __init__(
        self, node: Node, is_due: Callable[[], bool], new_episode: Callable[[], str]
    ) -> None:
        """Start the timer.

        Args:
            node: Node of the timer, whose thread may block.
            is_due: Returns whether the next episode is due.
            new_episode: Begins it and returns a message, or raises `DbpError`.
        """
        self._logger = node.get_logger()
        self._is_due, self._new_episode = is_due, new_episode
        self._start_s = math.inf
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(WATCH_PERIOD_S, self._watch, clock=steady)

    def _watch(self) -> None:
        if not self._is_due():
            self._start_s = math.inf
            return
        now_s = time.monotonic()
        self._start_s = min(self._start_s, now_s + DELAY_S)
        if now_s < self._start_s:
            return
        try:
            self._logger.info(self._new_episode())
            self._start_s = math.inf
        except DbpError as error:
            self._logger.warning(f"no new episode: {error}")
            self._start_s = time.monotonic() + RETRY_S
