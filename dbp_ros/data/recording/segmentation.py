"""Segmentation into episodes by policy steps, control, success, a time limit and an operator."""

from collections.abc import Mapping
from threading import Event
from typing import Any

from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.recording.recorder import BagRecorder
from dbp_ros.errors import EpisodeError
from dbp_ros.guard_state import GuardState
from dbp_ros.settings.learner import NEXT_EPISODE
from dbp_ros.telemetry.policy_step import PolicyStep
from dbp_ros.types import seconds_to_ns

# Longest time until the end of an episode is on the disk.
END_TIMEOUT_S = 2.0


class EpisodeSegmenter:
    """Start and stop of a recorder at the boundaries of episodes.

    Only motion under control is recorded. An episode starts with the first step of a new episode of
    the policy, or on request of an operator. It ends when the task becomes solved, at the time
    limit, on request of an operator, when control is disabled, or with the next episode of the
    policy. Policy steps after the end are not recorded; if control was disabled, the recording
    continues as another episode once it is enabled. All times are on the ROS clock.

    Attributes:
        ended: Number of ended episodes, by termination reason.
        over: Whether the current episode of the policy is over, so that its next one must begin.
    """

    def __init__(
        self, recorder: BagRecorder, metadata: Mapping[str, Any], time_limit_s: float
    ) -> None:
        """Prepare for the first episode.

        Args:
            recorder: The recorder.
            metadata: Metadata of each bag.
            time_limit_s: Longest duration of an episode in [s], 0 for no limit.
        """
        self.ended: dict[str, int] = {}
        self.over = False
        self._recorder, self._metadata = recorder, metadata
        self._limit_ns = seconds_to_ns(time_limit_s)
        self._begun_ns = 0
        self._latest: tuple[int, int] | None = None
        self._controlled = self._solved = self._has_steps = False

    @property
    def episode_over(self) -> int:
        """Number of the episode of the policy that is over; 0 if none is."""
        return self._latest[0] if self.over and self._latest is not None else 0

    @property
    def waiting_for(self) -> str:
        """Condition that the next recording requires, and its remedy; empty during one."""
        if self._recorder.recording:
            return ""
        if not self._controlled:
            return "control: call guard/enable_control (dbp enable)"
        if self.over:
            return NEXT_EPISODE
        return "a decision of the policy: dbp activate, if it is inactive"

    def on_guard_state(self, state: GuardState, now_ns: int) -> None:
        """Pause while control is disabled or stopped; the running recording ends."""
        self._controlled = state.enabled
        if self._recorder.recording and not self._controlled:
            self._end("failure", "control", now_ns)
            self.over = False

    def on_policy_step(self, step: PolicyStep, now_ns: int) -> None:
        """Start an episode at its first step; call it before recording the step."""
        previous, self._latest = self._latest, (step.episode, step.number)
        continues = previous and previous[0] == step.episode and previous[1] < step.number
        if not continues:
            # An operator starts an episode before its first policy step.
            if self._recorder.recording and previous and self._has_steps:
                self._end("failure", "policy", now_ns)
            self.over = False
        if self._controlled and not self.over:
            self._begin(now_ns)
        self._has_steps = True

    def on_success(self, solved: bool, now_ns: int) -> None:
        """End the episode when the task becomes solved."""
        newly_solved, self._solved = solved and not self._solved, solved
        if newly_solved and self._recorder.recording:
            self._end("success", "success", now_ns)

    def tick(self, now_ns: int) -> None:
        """End the episode after the time limit."""
        late = self._limit_ns and now_ns - self._begun_ns > self._limit_ns
        if late and self._recorder.recording:
            self._end("failure", "time_limit", now_ns)

    def begin(self, now_ns: int) -> str:
        """Start an episode on request of an operator, at the latest once control is enabled.

        Returns:
            What the recording waits for; empty if it has started.

        Raises:
            EpisodeError: If an episode is running.
        """
        if self._recorder.recording:
            raise EpisodeError("an episode is already running: end it first")
        self.over = False
        if self._controlled:
            self._begin(now_ns)
        return f"waiting for {self.waiting_for}" if self.waiting_for else ""

    def end(self, outcome: str, now_ns: int) -> None:
        """End an episode as `success` or `failure` on request of an operator; wait for the disk.

        Raises:
            EpisodeError: If no episode is running, or its end cannot be written.
        """
        self._end_for_operator(outcome, outcome, now_ns)

    def truncate(self, now_ns: int) -> None:
        """End an episode without a terminal state, as before a reset of the cell.

        Raises:
            EpisodeError: If no episode is running, or its end cannot be written.
        """
        self._end_for_operator("failure", "operator", now_ns)

    def _end_for_operator(self, outcome: str, reason: str, now_ns: int) -> None:
        if not self._recorder.recording:
            raise EpisodeError("no episode is running: begin one first")
        if not self._end(outcome, reason, now_ns).wait(END_TIMEOUT_S):
            raise EpisodeError(
                f"the end was not written within {END_TIMEOUT_S:g} s: free space on the disk"
            )

    def _begin(self, now_ns: int) -> None:
        if not self._recorder.recording:
            self._begun_ns, self._has_steps = now_ns, False
            self._recorder.begin(self._metadata)

    def _end(self, outcome: str, reason: str, now_ns: int) -> Event:
        self.ended[reason] = self.ended.get(reason, 0) + 1
        self.over = True
        return self._recorder.end(EpisodeEnd(outcome, reason, now_ns))
