"""An episode runner resets a stop of the guard, but not an emergency stop."""

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


class RunnerWithCell(EpisodeRunner):
    """A runner with a fake guard and a fake cell.

    Attributes:
        rejections: How often the guard rejects to enable control and to be reset.
        called: Names of the called services, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rejections = 0
        self.called: list[str] = []
        self.guard_state = self.create_publisher(String, "guard/state", LATCHED)
        self.create_service(SetBool, "guard/enable_control", self.enable)
        self.create_service(Trigger, "guard/reset", self.reset_guard)
        self.create_service(Trigger, "simulation/reset", self.reset_cell)

    def publish_guard_state(self, state: str) -> None:
        """Publish a state of the guard and wait until the runner receives it."""
        self.guard_state.publish(String(data=state))
        self.wait_for(lambda: self.states.get("guard") == state, "the guard's state")

    def enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        name = "enable" if request.data else "disable"
        response.success = not request.data or self.called.count(name) >= self.rejections
        response.message = REASON
        self.called.append(name)
        return response

    def reset_guard(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self.called.count("reset guard") >= self.rejections
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
def runner(domain: int) -> Iterator[RunnerWithCell]:
    with spinning(RunnerWithCell) as node:
        yield node


def test_a_rejected_request_is_repeated(runner: RunnerWithCell) -> None:
    runner.rejections = 3
    runner.enable_control(True)
    assert runner.called == ["enable"] * 4


def test_a_request_is_not_repeated_while_a_stop_is_latched(runner: RunnerWithCell) -> None:
    runner.rejections = 1000
    runner.publish_guard_state("stopped: left_elbow_joint is 0.51 away from its command")
    with pytest.raises(DbpError, match=REASON):
        runner.enable_control(True)
    assert runner.called == ["enable"]


def test_repetition_of_a_rejected_request_has_a_time_limit(runner: RunnerWithCell) -> None:
    runner.refusal_limit_s = 0.1
    runner.rejections = 1000
    with pytest.raises(DbpError, match=REASON):
        runner.enable_control(True)
    assert len(runner.called) > 1


def test_a_stop_of_the_guard_is_reset_before_the_next_episode(
    runner: RunnerWithCell,
) -> None:
    runner.rejections = 1
    runner.publish_guard_state("stopped: left_elbow_joint is 0.51 away from its command")
    runner.reset()
    assert runner.called == ["disable", "reset guard", "reset guard", "reset cell"]


def test_an_emergency_stop_stays_latched(runner: RunnerWithCell) -> None:
    runner.publish_guard_state("stopped: e-stop")
    with pytest.raises(DbpError, match="the emergency stop was pressed"):
        runner.reset()
    assert runner.called == ["disable"]


def publish_states(runner: EpisodeRunner) -> None:
    """Publish malformed swap states, then a valid one."""
    publisher = runner.create_publisher(String, "policy/model", LATCHED)
    runner.wait_for(lambda: publisher.get_subscription_count() > 0, "the runner to subscribe")
    rolled_back = SwapStatus(3, "lift", 2, "ab", "rolled_back", "cd", "asked for")
    for text in ("", "[]", "{}", '{"phase": "rolled_back"}', rolled_back.to_json()):
        publisher.publish(String(data=text))


def test_a_runner_ignores_malformed_swap_states(domain: int) -> None:
    with spinning(LearningEpisodeRunner) as runner:
        publish_states(runner)
        runner.wait_for(lambda: runner.version == 2, "the valid state")
        assert len(runner.swaps) == 1
    with spinning(ModelPusher) as swapper:
        publish_states(swapper)
        swapper.wait_for(lambda: swapper.rolled_back == 1, "the valid state")
