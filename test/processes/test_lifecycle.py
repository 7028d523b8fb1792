"""The policy's lifecycle: each transition has a state of its own, and a wrong order an answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from processes.fake_robot import CAMERA, CONFIG, FakeRobot, process, wait_until
from toy_bundle import write_toy_bundle

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
SHUT_DOWN = Transition.TRANSITION_ACTIVE_SHUTDOWN
UNKNOWN = 99
STATES = {
    State.PRIMARY_STATE_UNCONFIGURED: ("not configured", {CONFIGURE, 5}),
    State.PRIMARY_STATE_INACTIVE: ("configured, not active", {ACTIVATE, CLEANUP, 6}),
    State.PRIMARY_STATE_ACTIVE: ("deciding", {DEACTIVATE, SHUT_DOWN}),
    State.PRIMARY_STATE_FINALIZED: ("shut down", set()),
}


@pytest.fixture
def policy(robot: FakeRobot, tmp_path: Path) -> Iterator[FakeRobot]:
    model = write_toy_bundle(tmp_path / "toy", graph_joints=CONFIG.joints, graph_cameras=(CAMERA,))
    with process("policy_node", model=model, autostart="false") as child:
        robot.wait_for_state("policy", "not configured")
        yield robot
        assert child.poll() is None


def change_state(robot: FakeRobot, number: int, label: str = "") -> bool:
    client = robot.create_client(ChangeState, "policy/change_state")
    assert client.wait_for_service(timeout_sec=20.0)
    request = ChangeState.Request(transition=Transition(id=number, label=label))
    future = client.call_async(request)
    wait_until(future.done, f"an answer to transition {number} {label}", limit_s=20.0)
    return future.result().success


def state(robot: FakeRobot) -> int:
    client = robot.create_client(GetState, "policy/get_state")
    assert client.wait_for_service(timeout_sec=20.0)
    future = client.call_async(GetState.Request())
    wait_until(future.done, "the state", limit_s=20.0)
    return future.result().current_state.id


def test_every_transition_out_of_order_is_refused_and_changes_nothing(policy: FakeRobot) -> None:
    for right in (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP, CONFIGURE, ACTIVATE, SHUT_DOWN, None):
        before = state(policy)
        sentence, possible = STATES[before]
        policy.wait_for_state("policy", sentence)
        for wrong in {*range(10), UNKNOWN} - possible:
            assert not change_state(policy, wrong), f"transition {wrong} in state {before}"
        assert not change_state(policy, 0, "no such transition")
        assert not change_state(policy, 0, "activate" if ACTIVATE not in possible else "configure")
        assert state(policy) == before
        assert right is None or change_state(policy, right)
