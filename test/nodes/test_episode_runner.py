"""Whoever runs episodes goes on after a stop of the guard's own, and not after a person's."""

from collections.abc import Iterator

import pytest
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import DbpError
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.nodes.episode_runner import EpisodeRunner
from dbp_ros.nodes.learning_episode_runner import LearningEpisodeRunner
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.qos import LATCHED

REASON = "no fresh joint states arrive"


class RunnerInACell(EpisodeRunner):
    """A runner and, for it, a guard and a cell that do what a test says.

    Attributes:
        refusals: How often the guard refuses to command the arms, and to be reset.
        called: The services that were called, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0
        self.called: list[str] = []
        self.guard_state = self.create_publisher(String, "guard/state", LATCHED)
        self.create_service(SetBool, "guard/enable_control", self.enable)
        self.create_service(Trigger, "guard/reset", self.reset_guard)
        self.create_service(Trigger, "simulation/reset", self.reset_cell)

    def say(self, state: str) -> None:
        """Let the guard be in a state, of which the runner has heard."""
        self.guard_state.publish(String(data=state))
        self.wait_for(lambda: self.states.get("guard") == state, "the guard's state")

    def enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        name = "enable" if request.data else "disable"
        response.success = not request.data or self.called.count(name) >= self.refusals
        response.message = REASON
        self.called.append(name)
        return response

    def reset_guard(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self.called.count("reset guard") >= self.refusals
        response.message = "the arms still move"
        self.called.append("reset guard")
        if response.success:
            self.guard_state.publish(String(data="disabled: control is not enabled"))
        return response

    def reset_cell(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.called.append("reset cell")
        response.success = True
        return response


@pytest.fixture
def runner(domain: int) -> Iterator[RunnerInACell]:
    with spinning(RunnerInACell) as node:
        yield node


def test_a_guard_that_refuses_for_a_moment_is_asked_again(runner: RunnerInACell) -> None:
    runner.refusals = 3
    runner.enable_control(True)
    assert runner.called == ["enable"] * 4


def test_a_guard_that_is_stopped_is_asked_once(runner: RunnerInACell) -> None:
    runner.refusals = 1000
    runner.say("stopped: left_elbow_joint is 0.51 away from its command")
    with pytest.raises(DbpError, match=REASON):
        runner.enable_control(True)
    assert runner.called == ["enable"]


def test_a_guard_that_goes_on_refusing_is_not_asked_for_ever(
    runner: RunnerInACell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbp_ros.nodes.episode_runner.REFUSAL_LIMIT_S", 0.1)
    runner.refusals = 1000
    with pytest.raises(DbpError, match=REASON):
        runner.enable_control(True)
    assert len(runner.called) > 1


def test_a_guard_that_stopped_arms_by_itself_is_reset_before_the_next_episode(
    runner: RunnerInACell,
) -> None:
    runner.refusals = 1
    runner.say("stopped: left_elbow_joint is 0.51 away from its command")
    runner.prepare()
    assert runner.called == ["disable", "reset guard", "reset guard", "reset cell"]


def test_what_a_person_stopped_stays_stopped(runner: RunnerInACell) -> None:
    runner.say("stopped: e-stop")
    with pytest.raises(DbpError, match="somebody pressed the emergency stop"):
        runner.prepare()
    assert runner.called == ["disable"]


def publish_states(runner: EpisodeRunner) -> None:
    """Publish texts that are no state of a model, then one that is."""
    publisher = runner.create_publisher(String, "policy/model", LATCHED)
    runner.wait_for(lambda: publisher.get_subscription_count() > 0, "the runner to subscribe")
    rolled_back = SwapStatus(3, "lift", 2, "ab", "rolled_back", "cd", "asked for")
    for text in ("", "[]", "{}", '{"phase": "rolled_back"}', rolled_back.to_json()):
        publisher.publish(String(data=text))


def test_a_runner_ignores_what_is_no_state_of_a_model(domain: int) -> None:
    with spinning(LearningEpisodeRunner) as runner:
        publish_states(runner)
        runner.wait_for(lambda: runner.version == 2, "the one that is a state")
        assert len(runner.swaps) == 1
    with spinning(ModelPusher) as swapper:
        publish_states(swapper)
        swapper.wait_for(lambda: swapper.rolled_back == 1, "the one that is a state")
