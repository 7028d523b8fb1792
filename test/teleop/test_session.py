"""The take-over state machine."""

import numpy as np

from dbp_ros.guard_state import OPERATOR_CONTROL, GuardMode, GuardState
from dbp_ros.teleop.session import Phase, Session
from dbp_ros.types import NS_PER_S

PERIOD_NS = 10_000_000
COMMAND = np.array([0.3, -0.2])
GRANTED = GuardState(GuardMode.HOLDING, OPERATOR_CONTROL)
STOPPED = GuardState(GuardMode.STOPPED, f"e-stop; {OPERATOR_CONTROL}")
DISABLED = GuardState(GuardMode.DISABLED, f"control is not enabled; {OPERATOR_CONTROL}")


class Run:
    """A session with its clock and the targets."""

    def __init__(self):
        self.session, self.now_ns = Session(), NS_PER_S
        self.targets, self.starts = np.zeros(2), []

    def periods(self, count, command=None):
        for _ in range(count):
            self.now_ns += PERIOD_NS
            if command is not None:
                self.session.add_command(command(self.now_ns), self.now_ns)
            start = self.session.update(self.targets, self.now_ns)
            if start is not None:
                self.targets = start
                self.starts.append(start)


def at_rest(_: int) -> np.ndarray:
    return COMMAND


def braking(now_ns: int) -> np.ndarray:
    return COMMAND + 1e-9 * (now_ns % NS_PER_S)


def driving() -> Run:
    run = Run()
    run.session.guard = GRANTED
    run.session.begin(run.now_ns)
    run.periods(10, at_rest)
    assert run.session.phase is Phase.DRIVING
    return run


def test_the_targets_start_at_the_command_once_it_rests() -> None:
    run = Run()
    run.session.guard = GRANTED
    run.session.begin(run.now_ns)
    run.periods(20, braking)
    assert run.session.phase is Phase.SETTLING
    assert not run.starts
    run.periods(10, at_rest)
    assert run.session.phase is Phase.DRIVING
    np.testing.assert_array_equal(run.starts, [COMMAND])


def test_nothing_is_driven_before_a_take_over_and_after_the_return() -> None:
    run = Run()
    run.session.guard = GRANTED
    run.periods(10, at_rest)
    assert run.session.phase is Phase.IDLE
    assert "but an operator has" in run.session.sentence
    run = driving()
    run.session.end()
    run.periods(10, at_rest)
    assert run.session.phase is Phase.IDLE


def test_control_that_another_node_returned_ends_the_session() -> None:
    run = driving()
    run.session.guard = GuardState(GuardMode.TRACKING)
    run.periods(150, at_rest)
    assert run.session.phase is Phase.IDLE
    assert run.session.lost
    assert run.session.sentence.startswith("not in control: control was returned, or the guard")
    run.session.begin(run.now_ns)
    assert not run.session.lost


def test_a_stop_interrupts_driving_which_starts_again_from_the_command() -> None:
    run = driving()
    for state, remedy in ((STOPPED, "dbp reset, then dbp enable"), (DISABLED, "dbp enable")):
        run.session.guard = state
        run.periods(5, at_rest)
        assert run.session.phase is Phase.BLOCKED
        assert run.session.sentence.endswith(remedy)
    run.session.guard = GRANTED
    run.periods(10, at_rest)
    assert run.session.phase is Phase.DRIVING
    assert len(run.starts) == 2


def test_missing_commands_interrupt_driving() -> None:
    run = driving()
    run.periods(15)
    assert run.session.phase is Phase.BLOCKED


def test_targets_far_from_the_commands_start_again() -> None:
    run = driving()
    run.targets = COMMAND + 1.0
    run.periods(1, at_rest)
    assert run.session.phase is Phase.SETTLING
    run.periods(10, at_rest)
    np.testing.assert_array_equal(run.targets, COMMAND)


def test_a_repeated_take_over_does_not_interrupt() -> None:
    run = driving()
    run.session.begin(run.now_ns)
    assert run.session.phase is Phase.DRIVING
