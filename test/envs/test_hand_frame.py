"""States in the frame of the hand are independent of the position of the scene."""

import numpy as np
import pytest

pytest.importorskip("metaworld", reason="metaworld is not installed")

from dbp_ros.envs.hand_frame import HAND_FRAME_NAMES, to_hand_frame
from dbp_ros.envs.metaworld_tasks import STATE_NAMES, MetaworldTask


def state_of(**values: float) -> np.ndarray:
    state = np.zeros(len(STATE_NAMES), np.float32)
    for name, value in values.items():
        state[STATE_NAMES.index(name)] = value
    return state


def named(state: np.ndarray) -> dict[str, float]:
    return dict(zip(HAND_FRAME_NAMES, to_hand_frame(state).tolist(), strict=True))


def test_objects_and_goal_are_relative_to_the_hand():
    state = state_of(
        hand_x=0.1, hand_z=0.2, gripper=0.7, object_1_x=0.3, object_1_z=0.05, object_2_y=0.4,
        goal_x=-0.1,
    )  # fmt: skip
    view = named(state)
    assert view["object_1_from_hand_x"] == pytest.approx(0.2)
    assert view["object_1_from_hand_z"] == pytest.approx(-0.15)
    assert view["object_2_from_hand_y"] == pytest.approx(0.4)
    assert view["goal_from_hand_x"] == pytest.approx(-0.2)
    assert (view["gripper"], view["object_1_z"]) == pytest.approx((0.7, 0.05))


def test_the_state_is_invariant_to_a_horizontal_shift_of_the_scene():
    chance = np.random.default_rng(0)
    states = chance.normal(size=(5, 39)).astype(np.float32)
    moved = states.copy()
    for index, name in enumerate(STATE_NAMES):
        if name.endswith(("_x", "_y")) and not name.startswith("last_"):
            moved[:, index] += 0.3
    np.testing.assert_allclose(to_hand_frame(moved), to_hand_frame(states), atol=1e-6)


def test_a_missing_second_object_stays_zero():
    state = state_of(hand_x=0.1, hand_y=0.6, hand_z=0.2)
    assert [v for name, v in named(state).items() if "object_2" in name] == [0.0] * 3


@pytest.mark.parametrize(("name", "second"), [("push", False), ("hammer", True)])
def test_a_second_object_is_detected(name: str, second: bool):
    starts = []

    def act(states, live):
        starts.append(states)
        return np.zeros((len(states), 4))

    MetaworldTask(name, 0).rollout(act, [0, 1], max_steps=1)
    view = to_hand_frame(starts[0])
    assert view.shape == (2, len(HAND_FRAME_NAMES))
    assert view.dtype == np.float32
    columns = [i for i, name in enumerate(HAND_FRAME_NAMES) if "object_2" in name]
    assert view[:, columns].any() == second


def test_leading_dimensions_are_preserved():
    assert to_hand_frame(np.zeros((2, 3, 39), np.float32)).shape == (2, 3, len(HAND_FRAME_NAMES))
