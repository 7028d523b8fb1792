"""Inputs that the terminal of teleoperation publishes."""

import time
from contextlib import nullcontext

import numpy as np
import pytest

from dbp_ros.cli.teleop_console import GRIPPER_NS, TeleopConsole
from dbp_ros.cli.terminal import terminal
from dbp_ros.errors import DbpError
from dbp_ros.teleop.keyboard import KEY_NS, Keyboard

MOMENT_NS = 10**9


class Remote:
    """Connection that keeps what is published, and refuses to give back."""

    def __init__(self):
        self.states = {"teleop": "in control", "guard": ""}
        self.calls = []

    def polling(self, poll):
        return nullcontext()

    def __getattr__(self, name):
        def call(*arguments):
            if name == "give_back":
                raise DbpError("the guard does not respond")
            self.calls.append((name, *arguments))
            return f"{name} done"

        return call


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def console(remote) -> TeleopConsole:
    return TeleopConsole(terminal(), remote, Keyboard(["left", "right"], 0.25, 1.0))


def pressed(*keys):
    left = [*keys, "q"]
    return lambda limit_s: left.pop(0)


def names(remote):
    return [name for name, *_ in remote.calls]


def test_a_motion_is_published_and_ended_by_a_zero_twist(console, remote) -> None:
    console._keyboard.press("w", MOMENT_NS)
    console.publish(MOMENT_NS)
    console.publish(MOMENT_NS + KEY_NS)
    console.publish(MOMENT_NS + KEY_NS + 1)
    twists = [(arm, twist) for name, arm, *rest in published(remote) for twist in rest]
    assert [arm for arm, _ in twists] == ["left", "left"]
    assert twists[0][1][0] > 0.0
    assert not np.any(twists[1][1])


def published(remote):
    return [call for call in remote.calls if call[0] == "publish_twist"]


def test_keys_call_the_services_and_a_refusal_is_printed(console, remote, capsys) -> None:
    console.run(pressed("t", "g", " ", "?"))
    assert [name for name in names(remote) if name in ("take_over", "emergency_stop")] == [
        "take_over",
        "emergency_stop",
    ]
    out = capsys.readouterr().out
    assert "take_over done" in out
    assert "error: the guard does not respond" in out
    assert "release a key to stop" in out


def test_an_idle_terminal_does_not_continue_the_motion_of_another_device(console, remote) -> None:
    console.run(pressed("", "", "2", ""))
    assert names(remote) == ["spin"] * 4


def test_a_gripper_moves_on_for_some_time_after_its_key(console, remote) -> None:
    console.run(pressed("2", "c", ""))
    assert ("publish_alive", "right") in remote.calls
    remote.calls.clear()
    console.publish(time.monotonic_ns() + GRIPPER_NS)
    assert names(remote) == []


def test_an_opening_is_published_once(console, remote) -> None:
    console.run(pressed("c", "", "", "v"))
    assert openings(remote) == [0.0, 1.0]


def test_each_key_of_a_gripper_counts_as_the_policy_may_have_moved_it(console, remote) -> None:
    console.run(pressed("c", "t", "c", "c"))
    assert openings(remote) == [0.0, 0.0, 0.0]


def openings(remote):
    return [call[2] for call in remote.calls if call[:2] == ("publish_opening", "left")]


def test_the_line_has_the_arm_and_the_states(console) -> None:
    assert console.line() == "arm left, 40% speed | teleop: in control | guard: -"
