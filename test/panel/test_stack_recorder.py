import pytest

from dbp_ros.diagnosis.snapshot import NodeStatus
from dbp_ros.panel import stack_recorder
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.panel.stack_recorder import StackRecorder


class FakeLink:
    """Link that remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def request(self, action: str, report: object) -> str:
        self.requests.append(action)
        return f"{action} done"

    def set_task(self, text: str) -> None:
        self.requests.append(f"task {text}")


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


def test_the_requests_are_those_of_the_stack(link: FakeLink) -> None:
    recorder = StackRecorder(link)  # type: ignore[arg-type]
    recorder.set_task("lift")
    assert recorder.begin() == "begin_episode done"
    for outcome in ("success", "failure", "discard"):
        recorder.end(outcome)
    recorder.keep_last()
    ends = ["end_success", "end_failure", "discard_episode", "keep_last"]
    assert link.requests == ["task lift", "begin_episode", *ends]


def test_a_new_scene_enables_control_after_the_reset(link: FakeLink) -> None:
    recorder = StackRecorder(link, after_reset_s=0.0)  # type: ignore[arg-type]
    assert recorder.new_scene() == "new_episode done"
    assert link.requests == ["new_episode", "enable"]
    # The messages of the last second before an episode are part of it.
    assert stack_recorder.AFTER_RESET_S > 1.0


def test_the_state_is_empty_without_a_recorder(link: FakeLink) -> None:
    recorder = StackRecorder(link)  # type: ignore[arg-type]
    states = {"recorder": "recording episode 3"}
    recorder.update(PanelSnapshot(states=states), 0.0, True)
    assert recorder.state == ""
    nodes = {"recorder": NodeStatus(name="recorder", copies=1)}
    recorder.update(PanelSnapshot(states=states, nodes=nodes), 0.0, True)
    assert recorder.state == "recording episode 3"
