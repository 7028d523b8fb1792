"""The table of a gamepad."""

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.teleop.gamepad import Gamepad

CONFIG = TeleopConfig(gamepad_buttons=(*TeleopConfig().gamepad_buttons, "slow=2"))
REST, RELEASED = [0.0] * 8, [0] * 8
UP, LEFT_STICK, RIGHT_STICK = 4, (1, 0), (4, 3)


@pytest.fixture
def gamepad() -> Gamepad:
    gamepad = Gamepad(CONFIG, ["left", "right"])
    gamepad.read(REST, RELEASED)
    return gamepad


def with_value(values, index, value):
    return [value if k == index else other for k, other in enumerate(values)]


def test_a_stick_moves_the_hand_at_most_with_its_speed(gamepad: Gamepad) -> None:
    state = gamepad.read(with_value(REST, 1, 1.0), RELEASED)
    np.testing.assert_allclose(state.twist, [CONFIG.hand_speed, 0, 0, 0, 0, 0])
    state = gamepad.read(with_value(REST, 3, -1.0), RELEASED)
    np.testing.assert_allclose(state.twist, [0, 0, 0, 0, 0, -CONFIG.hand_turn_speed])
    assert gamepad.read(with_value(REST, 1, 7.0), RELEASED).twist[0] == CONFIG.hand_speed


def test_an_axis_within_the_dead_zone_or_not_a_number_has_no_effect(gamepad: Gamepad) -> None:
    for value in (0.1, -0.1, float("nan")):
        assert not gamepad.read(with_value(REST, 1, value), RELEASED).twist.any()


def test_a_button_slows_the_motion(gamepad: Gamepad) -> None:
    state = gamepad.read(with_value(REST, 1, 1.0), with_value(RELEASED, 2, 1))
    assert state.twist[0] == pytest.approx(0.25 * CONFIG.hand_speed)


def test_shoulder_buttons_select_the_arm(gamepad: Gamepad) -> None:
    assert gamepad.read(REST, with_value(RELEASED, 5, 1)).arm == "right"
    assert gamepad.read(REST, RELEASED).arm == "right"
    assert gamepad.read(REST, with_value(RELEASED, 3, 1)).arm == "left"
    assert Gamepad(CONFIG, ["only"]).arm == "only"


def test_buttons_open_and_close_the_gripper_while_they_are_held(gamepad: Gamepad) -> None:
    assert gamepad.read(REST, with_value(RELEASED, 0, 1)).opening_speed == -CONFIG.gripper_speed
    assert gamepad.read(REST, with_value(RELEASED, 1, 1)).opening_speed == CONFIG.gripper_speed
    assert gamepad.read(REST, RELEASED).opening_speed == 0.0


def test_an_action_counts_once_when_its_button_is_pressed(gamepad: Gamepad) -> None:
    assert gamepad.read(REST, with_value(RELEASED, 7, 1)).actions == ("take_over",)
    assert gamepad.read(REST, with_value(RELEASED, 7, 1)).actions == ()
    assert gamepad.read(REST, with_value(RELEASED, 6, 1)).actions == ("give_back",)


def test_an_axis_is_reversed_by_a_minus() -> None:
    gamepad = Gamepad(TeleopConfig(gamepad_axes=("x=-0",)), ["left"])
    assert gamepad.read([1.0], []).twist[0] == -CONFIG.hand_speed


def test_a_gamepad_with_fewer_axes_moves_less(gamepad: Gamepad) -> None:
    assert not gamepad.read([], []).twist.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamepad_axes": ("sideways=1",)}, "gamepad_axes has 'sideways=1', expected name=number"),
        ({"gamepad_axes": ("x=1", "x=2")}, "gamepad_axes has x twice"),
        ({"gamepad_buttons": ("take_over=6", "give_back=6")}, "has button 6 twice"),
        ({"gamepad_buttons": ("take_over=A",)}, "gamepad_buttons has 'take_over=A'"),
    ],
)
def test_a_wrong_table_is_refused(changes: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Gamepad(TeleopConfig(**changes), ["left"])
