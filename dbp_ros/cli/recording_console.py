"""Terminal of a recorder: keys, and one line with its state and the rate of each topic."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console

from dbp_ros.cli.keys import split
from dbp_ros.cli.terminal import status_line
from dbp_ros.errors import DbpError

# Service of each key.
BEGIN, SUCCESS = "begin_episode", "end_success"
SERVICES = {
    " ": BEGIN,
    "b": BEGIN,
    "s": SUCCESS,
    "f": "end_failure",
    "d": "discard_episode",
    "k": "keep_last",
}
TOGGLE, QUIT = "t", ("q", "\x04")
KEYS = (
    "keys: space or b begin, s success, f failure, d discard, k keep the last seconds, "
    "t begin or success (for a pedal with one key), q quit"
)
STATISTICS = "statistics"
KEY_S, REFRESH_S, REPORT_S = 0.05, 0.5, 10.0
# Time until the topics of a running robot have been discovered.
DISCOVERY_S = 8.0


class RecordingConsole:
    """Terminal that operates a recorder by its services."""

    def __init__(
        self, console: Console, trigger: Callable[[str], str], check: Callable[[], None]
    ) -> None:
        """Prepare.

        Args:
            console: Where to print.
            trigger: Calls a service of the recorder by its private name; returns its message, or
                raises `DbpError`.
            check: Raises `DbpError` if the recorder has ended.
        """
        self._console, self._trigger, self._check = console, trigger, check

    def require_messages(self) -> None:
        """Wait until all required topics have messages; print which have none.

        Raises:
            DbpError: If no topic has any.
        """
        deadline_s = time.monotonic() + DISCOVERY_S
        while True:
            self._check()
            statistics = self.statistics()
            complete = all(statistics["required_hz"].values())
            if complete or time.monotonic() > deadline_s:
                break
            time.sleep(REFRESH_S)
        silent = [topic for topic, rate_hz in statistics["required_hz"].items() if not rate_hz]
        if silent and not any(statistics["rates_hz"].values()):
            raise DbpError(
                f"no messages within {DISCOVERY_S:g} s on {', '.join(silent)}: start the drivers "
                "of the robot; give --robot, --namespace or --remap if its topics have other names"
            )
        if silent:
            self._console.print(
                f"no messages on {', '.join(silent)}: no episode begins without them"
            )

    def run(self, read_key: Callable[[float], str]) -> None:
        """Execute keys until `q`, and show the state.

        Args:
            read_key: Waits for at most some seconds and returns keys, or an empty text.

        Raises:
            DbpError: If the recorder ends.
        """
        refresh_s = report_s = time.monotonic()
        with status_line(self._console) as show:
            while True:
                keys = split(read_key(KEY_S))
                self._check()
                for key in keys:
                    if key in QUIT:
                        return
                    self.press(key)
                    refresh_s = 0.0
                if time.monotonic() >= refresh_s:
                    line = self._line()
                    show(line)
                    refresh_s = time.monotonic() + REFRESH_S
                    if not self._console.is_terminal and time.monotonic() >= report_s:
                        self._console.print(line, soft_wrap=True)
                        report_s = time.monotonic() + REPORT_S

    def press(self, key: str) -> None:
        """Execute a key; print the response of the recorder."""
        if key != TOGGLE and key not in SERVICES:
            self._console.print(KEYS)
            return
        try:
            self._console.print(self._trigger(self._service(key)))
        except DbpError as error:
            self._console.print(f"error: {error}")

    def statistics(self) -> dict[str, Any]:
        """Return the statistics of the recorder.

        Raises:
            DbpError: If it does not respond.
        """
        found: dict[str, Any] = json.loads(self._trigger(STATISTICS))
        return found

    def _service(self, key: str) -> str:
        if key == TOGGLE:
            return SUCCESS if self.statistics()["recording"] else BEGIN
        return SERVICES[key]

    def _line(self) -> str:
        """Return the state of the recorder; one that does not respond may still record."""
        try:
            return recording_line(self.statistics())
        except DbpError as error:
            return f"the recorder does not respond: {error}"


def recording_line(statistics: Mapping[str, Any]) -> str:
    """Return the state of a recorder in one line: episode, size, disk, losses and rates."""
    if statistics["recording"]:
        state = (
            f"RECORDING episode {statistics['episode']}, {statistics['duration_s']:.1f} s, "
            f"{statistics['messages']} messages, {statistics['megabytes']:.1f} MB"
        )
    else:
        state = (
            f"waiting, {statistics['episode']} episodes, {statistics['buffered_s']:.0f} s buffered"
        )
    parts = [state, f"{statistics['megabytes_per_s']:.1f} MB/s, {_disk(statistics)}"]
    if statistics["writing"]:
        parts.append("the last episode is being written")
    lost = sum(statistics["lost_messages"].values())
    if statistics["dropped_messages"] or lost:
        parts.append(f"{statistics['dropped_messages']} dropped, {lost} lost")
    if statistics["missing"]:
        parts.append(statistics["missing"])
    rates = (f"{topic} {hz:.0f}" for topic, hz in statistics["rates_hz"].items() if hz)
    return " | ".join([*parts, f"{', '.join(rates) or 'no messages'} Hz"])


def _disk(statistics: Mapping[str, Any]) -> str:
    remaining_s = statistics["remaining_s"]
    free = f"{statistics['free_gb']:.1f} GB free"
    return free if remaining_s is None else f"{free} for {_duration(remaining_s)}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60.0)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
