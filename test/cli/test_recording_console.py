"""Keys and the line of `dbp record`."""

import json
import os
import pty

import pytest

from dbp_ros.cli.keys import pressed_keys
from dbp_ros.cli.recording_console import RecordingConsole, recording_line
from dbp_ros.cli.terminal import terminal
from dbp_ros.errors import DbpError

WAITING = {
    "recording": False,
    "writing": False,
    "episode": 3,
    "duration_s": 0.0,
    "messages": 0,
    "megabytes": 0.0,
    "megabytes_per_s": 8.25,
    "rates_hz": {"joint_states": 249.9, "head/image_raw": 30.1, "decision": 0.0},
    "required_hz": {"/joint_states": 249.9, "/head/image_raw": 30.1},
    "missing": "",
    "dropped_messages": 0,
    "lost_messages": {},
    "buffered_s": 30.0,
    "free_gb": 120.0,
    "remaining_s": 14_303,
}
RECORDING = {
    **WAITING,
    "recording": True,
    "duration_s": 12.34,
    "messages": 9000,
    "megabytes": 101.8,
    "dropped_messages": 2,
    "lost_messages": {"joint_states": 1},
}


class Recorder:
    """Recorder that accepts every service but one, and keeps their names."""

    def __init__(self, statistics):
        self.statistics, self.called = statistics, []

    def trigger(self, service):
        if service == "statistics":
            return json.dumps(self.statistics)
        self.called.append(service)
        if service == "discard_episode":
            raise DbpError("no episode is running")
        return service


class SilentRecorder(Recorder):
    """Recorder that does not respond to its first requests for statistics."""

    silent = 2

    def trigger(self, service):
        if service == "statistics" and self.silent:
            self.silent -= 1
            raise DbpError("recorder/statistics did not respond within 5 s")
        return super().trigger(service)


def console_of(recorder):
    return RecordingConsole(terminal(), recorder.trigger, lambda: None)


def test_the_line_of_a_waiting_recorder_has_rates_and_free_space():
    assert recording_line(WAITING) == (
        "waiting, 3 episodes, 30 s buffered | 8.2 MB/s, 120.0 GB free for 3 h 58 min | "
        "joint_states 250, head/image_raw 30 Hz"
    )


def test_the_line_of_a_running_episode_has_its_size_and_losses():
    line = recording_line(RECORDING)
    assert line.startswith("RECORDING episode 3, 12.3 s, 9000 messages, 101.8 MB | ")
    assert "| 2 dropped, 1 lost |" in line
    assert "the last episode is being written" in recording_line({**RECORDING, "writing": True})


def test_the_line_names_missing_topics():
    silent = {**WAITING, "missing": "no message on /joint_states for 2 s", "rates_hz": {}}
    line = recording_line({**silent, "remaining_s": None})
    assert "120.0 GB free | no message on /joint_states for 2 s | no messages Hz" in line


def test_each_key_calls_a_service(capsys):
    recorder = Recorder(WAITING)
    keys = iter([" ", "b", "s", "f", "k", "d", "t", "x", "q"])
    console_of(recorder).run(lambda limit_s: next(keys))
    assert recorder.called == [
        *("begin_episode", "begin_episode", "end_success", "end_failure", "keep_last"),
        *("discard_episode", "begin_episode"),
    ]
    shown = capsys.readouterr().out
    assert "error: no episode is running" in shown
    assert "keys: space or b begin" in shown


def test_keys_that_are_read_together_count_one_by_one():
    recorder = Recorder(WAITING)
    keys = iter(["sb", "f\x1b[Db", "dq"])
    console_of(recorder).run(lambda limit_s: next(keys))
    assert recorder.called == ["end_success", "begin_episode", "end_failure", "discard_episode"]


def test_a_pedal_with_one_key_ends_a_running_episode():
    recorder = Recorder(RECORDING)
    console_of(recorder).press("t")
    assert recorder.called == ["end_success"]


def test_a_recorder_that_does_not_respond_continues_its_episode(capsys):
    recorder = SilentRecorder(RECORDING)
    keys = iter(["", "t", "t", "q"])
    console_of(recorder).run(lambda limit_s: next(keys))
    assert recorder.called == ["end_success"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "the recorder does not respond: recorder/statistics did not respond within 5 s" in shown
    assert "error: recorder/statistics did not respond" in shown


def test_topics_without_messages_are_named(capsys):
    rates = {"/joint_states": 249.9, "/head/image_raw": 30.1}
    console_of(Recorder({**WAITING, "required_hz": rates})).require_messages()
    assert capsys.readouterr().out == ""


def test_keys_are_read_one_by_one_without_echo():
    keyboard, screen = pty.openpty()
    with open(screen, encoding="utf-8") as stream, pressed_keys(stream) as read_key:
        assert read_key(0.0) == ""
        os.write(keyboard, b"b")
        assert read_key(5.0) == "b"
        # An arrow key is a sequence that contains letters.
        os.write(keyboard, b"\x1b[D")
        assert read_key(5.0) == "\x1b[D"
    os.close(keyboard)


def test_a_stream_that_is_no_terminal_has_no_keys(tmp_path):
    path = tmp_path / "input"
    path.write_text("b")
    with path.open(encoding="utf-8") as stream, pressed_keys(stream) as read_key:
        assert read_key(0.0) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 min"), (3540, "59 min"), (7200, "2 h 00 min")]
)
def test_a_duration_is_in_hours_and_minutes(seconds, text):
    assert f"for {text} |" in recording_line({**WAITING, "remaining_s": seconds})
