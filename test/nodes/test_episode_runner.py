"""Whoever runs episodes asks the guard again while it hears nothing, but not after a stop."""

from collections.abc import Iterator

import pytest
from std_msgs.msg import String
from std_srvs.srv import SetBool

from dbp_ros.errors import DbpError
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED

REASON = "no fresh joint states arrive"


class RunnerWithGuard(EpisodeRunner):
    """A runner and, for it, a guard that refuses a number of times to command the arms."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0
        self.asked = 0
        self.guard_state = self.create_publisher(String, "guard/state", LATCHED)
        self.create_service(SetBool, "guard/enable_control", self.answer)

    def answer(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.asked += 1
        response.success = self.asked > self.refusals
        response.message = REASON
        return response


@pytest.fixture
def runner(domain: int) -> Iterator[RunnerWithGuard]:
    with spinning(RunnerWithGuard) as node:
        yield node


def test_a_guard_that_refuses_for_a_moment_is_asked_again(runner: RunnerWithGuard) -> None:
    runner.refusals = 3
    runner.enable_control(True)
    assert runner.asked == 4


def test_a_guard_that_is_stopped_is_asked_once(runner: RunnerWithGuard) -> None:
    runner.refusals = 1000
    runner.guard_state.publish(String(data="stopped: emergency stop"))
    runner.wait_for(lambda: "guard" in runner.states, "the guard's state")
    with pytest.raises(DbpError, match=REASON):
        runner.enable_control(True)
    assert runner.asked == 1


def test_a_guard_that_goes_on_refusing_is_not_asked_for_ever(
    runner: RunnerWithGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.nodes.episode_runner.REFUSAL_LIMIT_S", 0.1)
    runner.refusals = 1000
    with pytest.raises(DbpError, match=REASON):
        runner.enable_control(True)
    assert runner.asked > 1
