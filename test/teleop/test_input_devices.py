"""Keys of a terminal and events of the Linux joystick driver."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.teleop.joystick import AXIS, BUTTON, EVENT, INITIAL, Joystick
from dbp_ros.teleop.keyboard import KEY_NS, Keyboard


@pytest.fixture
def keyboard() -> Keyboard:
    return Keyboard(["left", "right"], 0.25, 1.0)


def test_a_key_moves_the_hand_for_a_short_time(keyboard: Keyboard) -> None:
    assert keyboard.press("w", 0) == ""
    assert keyboard.twist(KEY_NS - 1)[0] == pytest.approx(0.4 * 0.25)
    assert not keyboard.twist(KEY_NS).any()
    keyboard.press("jjj", 0)
    np.testing.assert_allclose(keyboard.twist(1), [0, 0, 0, 0, 0, 0.4])


def test_another_key_ends_the_motion(keyboard: Keyboard) -> None:
    keyboard.press("w", 0)
    keyboard.press("c", 1)
    assert not keyboard.twist(2).any()
    assert keyboard.opening == 0.0


def test_the_arm_and_the_speed_are_selected(keyboard: Keyboard) -> None:
    keyboard.press("\t", 0)
    assert keyboard.arm == "right"
    keyboard.press("1", 0)
    assert keyboard.arm == "left"
    for _ in range(9):
        keyboard.press("+", 0)
    keyboard.press("s", 0)
    assert keyboard.twist(1)[0] == -0.25


def test_keys_without_a_motion_are_returned_and_special_keys_ignored(keyboard: Keyboard) -> None:
    assert keyboard.press("t", 0) == "t"
    assert keyboard.press("9", 0) == "9"
    assert keyboard.press("\x1b[A", 0) == ""
    assert keyboard.press("", 0) == ""


@pytest.mark.parametrize("text", [" ", " w", "w d", " t", "\x1b[A ", " \x1b[A", "c q"])
def test_a_stop_counts_among_other_keys(keyboard: Keyboard, text: str) -> None:
    keyboard.press("w", 0)
    assert keyboard.press(text, 1) == " "
    assert not keyboard.twist(2).any()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[tuple[Joystick, int]]:
    """A gamepad whose driver is a named pipe."""
    path = tmp_path / "js0"
    os.mkfifo(path)
    joystick = Joystick(str(path))
    writer = os.open(path, os.O_WRONLY)
    yield joystick, writer
    os.close(writer)
    joystick.close()


def test_the_state_follows_the_events(device: tuple[Joystick, int]) -> None:
    joystick, writer = device
    joystick.poll()
    assert (joystick.axes, joystick.buttons) == ([], [])
    os.write(writer, EVENT.pack(1, 0, AXIS | INITIAL, 2) + EVENT.pack(1, 0, BUTTON | INITIAL, 1))
    os.write(writer, EVENT.pack(2, -32767, AXIS, 1) + EVENT.pack(3, 1, BUTTON, 0))
    os.write(writer, EVENT.pack(4, -32768, AXIS, 0))
    joystick.poll()
    # Forward and left are negative in the driver, and positive in ROS.
    assert joystick.axes == [pytest.approx(1.0, abs=1e-4), 1.0, 0.0]
    assert joystick.buttons == [1, 0]
    os.write(writer, EVENT.pack(5, 0, BUTTON, 0))
    joystick.poll()
    assert joystick.buttons == [0, 0]


def test_a_missing_gamepad_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no gamepad .*js7; found: .*Connect one"):
        Joystick(str(tmp_path / "js7"))
