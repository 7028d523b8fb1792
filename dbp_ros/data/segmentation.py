"""When an episode begins and ends, from what a robot says."""

from collections.abc import Mapping
from threading import Event
from typing import Any

from dbp_ros.data.bag import EpisodeEnd
from dbp_ros.data.recorder import END_WAITS_S, BagRecorder
from dbp_ros.errors import EpisodeError
from dbp_ros.telemetry.policy_step import PolicyStep
from dbp_ros.types import seconds_to_ns


class EpisodeSegmenter:
    """Begins and ends the recording of episodes.

    An episode begins with the first decision of a new one of the policy, or when an operator says
    so. It ends when the task becomes solved, when its time is up, when an operator says so, or
    when the policy begins another. What the policy decides after the end, and before it begins
    another, belongs to no episode. All times are on the ROS clock.
    """

    def __init__(
        self, recorder: BagRecorder, facts: Mapping[str, Any], time_limit_s: float
    ) -> None:
        """Wait for the first episode.

        Args:
            recorder: What is told to begin and to end.
            facts: What is written at the beginning of each bag.
            time_limit_s: Longest duration in [s], 0 for no limit.
        """
        self.ended: dict[str, int] = {}
        self._recorder, self._facts = recorder, facts
        self._limit_ns = seconds_to_ns(time_limit_s)
        self._begun_ns = 0
        self._newest: tuple[int, int] | None = None
        self._solved = self._decided = False

    def hear(self, decision: PolicyStep, now_ns: int) -> None:
        """Take note of a decision, before it is recorded."""
        before, self._newest = self._newest, (decision.episode, decision.number)
        goes_on = before and before[0] == decision.episode and before[1] < decision.number
        if not goes_on:
            # An operator begins an episode before its first decision.
            if self._recorder.recording and before and self._decided:
                self._end("failure", "policy", now_ns)
            self._begin(now_ns)
        self._decided = True

    def see_success(self, solved: bool, now_ns: int) -> None:
        """Take note of whether the task is solved; only the change to it ends an episode."""
        became, self._solved = solved and not self._solved, solved
        if became and self._recorder.recording:
            self._end("success", "success", now_ns)

    def tick(self, now_ns: int) -> None:
        """End an episode whose time is up."""
        late = self._limit_ns and now_ns - self._begun_ns > self._limit_ns
        if late and self._recorder.recording:
            self._end("failure", "time_limit", now_ns)

    def begin(self, now_ns: int) -> None:
        """Begin an episode for an operator.

        Raises:
            EpisodeError: If one goes on.
        """
        if self._recorder.recording:
            raise EpisodeError("an episode goes on: end it first")
        self._begin(now_ns)

    def end(self, outcome: str, now_ns: int) -> None:
        """End an episode for an operator, who says `success` or `failure`; wait for the disk.

        Raises:
            EpisodeError: If none goes on, or what the operator said cannot be written.
        """
        self._end_for_operator(outcome, outcome, now_ns)

    def cut_short(self, now_ns: int) -> None:
        """End an episode whose last state is not a final one, as before a reset of the cell.

        Raises:
            EpisodeError: If none goes on, or the end cannot be written.
        """
        self._end_for_operator("failure", "operator", now_ns)

    def _end_for_operator(self, outcome: str, reason: str, now_ns: int) -> None:
        if not self._recorder.recording:
            raise EpisodeError("no episode goes on: there is nothing to end")
        if not self._end(outcome, reason, now_ns).wait(END_WAITS_S):
            raise EpisodeError(
                f"the end was not written in {END_WAITS_S:g} s: make room on the disk"
            )

    def _begin(self, now_ns: int) -> None:
        if not self._recorder.recording:
            self._begun_ns, self._decided = now_ns, False
            self._recorder.begin(self._facts)

    def _end(self, outcome: str, reason: str, now_ns: int) -> Event:
        self.ended[reason] = self.ended.get(reason, 0) + 1
        return self._recorder.end(EpisodeEnd(outcome, reason, now_ns))
