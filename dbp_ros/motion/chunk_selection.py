"""Choice between the chunks of the policy and those of an operator."""

from dbp_ros.errors import CommandError
from dbp_ros.guard_state import (
    NO_FRESH_CHUNK,
    NO_FRESH_OPERATOR_CHUNK,
    WAITING_FOR_CHUNK,
    WAITING_FOR_OPERATOR_CHUNK,
)
from dbp_ros.motion.chunk_check import ChunkCheck
from dbp_ros.motion.counters import GuardCounters
from dbp_ros.motion.limits import Limits
from dbp_ros.motion.trajectory import FollowedChunk
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.types import ActionChunk, Array, seconds_to_ns

# Sentence about missing chunks of the policy -> of an operator.
OF_OPERATOR = {
    WAITING_FOR_CHUNK: WAITING_FOR_OPERATOR_CHUNK,
    NO_FRESH_CHUNK: NO_FRESH_OPERATOR_CHUNK,
}


class ChunkSelection:
    """Chunk that is followed: of the policy, or of an operator who has control.

    Attributes:
        operator_control: Whether an operator has control. It changes by `set_operator_control`
            only: when the chunks of an operator stop, the policy does not drive.
    """

    def __init__(self, config: GuardConfig, limits: Limits, counters: GuardCounters) -> None:
        """Start with the policy in control, without a chunk."""
        self.operator_control = False
        self._counters = counters
        self._checks = {
            by_operator: ChunkCheck(topic, config.joints, limits, config)
            for by_operator, topic in ((False, "action_chunk"), (True, "operator_chunk"))
        }
        self._followed = FollowedChunk(seconds_to_ns(config.chunk_timeout_s))

    @property
    def chunk(self) -> ActionChunk | None:
        """Chunk that is followed; None if there is none."""
        return self._followed.chunk

    def set_operator_control(self, operator_control: bool) -> bool:
        """Choose the source of the chunks; return whether it changes.

        A change clears the chunk, so the arms brake until the first chunk of the new source.
        """
        if operator_control == self.operator_control:
            return False
        self.operator_control = operator_control
        self.clear()
        return True

    def accept(self, chunk: ActionChunk, now_ns: int, by_operator: bool) -> bool:
        """Return whether a chunk is to be followed; call `plan` next.

        Raises:
            CommandError: If its source has control, and it is invalid.
        """
        if by_operator != self.operator_control:
            self._counters.ignored_chunks += 1
            return False
        if problem := self._checks[by_operator].problem(chunk, now_ns):
            self._counters.refused_chunks += 1
            raise CommandError(problem)
        self._followed.set(chunk, now_ns)
        return True

    def clear(self) -> None:
        """Stop following the chunk."""
        self._followed.clear()

    def plan(self, command: Array, now_ns: int) -> None:
        """Start the trajectory at a command. See `Trajectory.from_chunk`."""
        self._followed.plan(command, now_ns)

    def problem(self, now_ns: int) -> str:
        """Return why no chunk can be followed; empty if a chunk can."""
        problem = self._followed.problem(now_ns)
        return OF_OPERATOR.get(problem, problem) if self.operator_control else problem

    def sample(self, now_ns: int) -> tuple[Array, Array]:
        """Return position and velocity at a time, if there is no `problem`. See `Trajectory`."""
        return self._followed.sample(now_ns)
