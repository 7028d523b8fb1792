"""The process that learns, seen from the node: woken when there is something new, and heard."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dbp_ros.settings.learner import LearnerConfig

MODULE = "dbp_ros.rl.from_robot.learner_worker"
GRACE_S = 3.0


class LearnerProcess:
    """Starts the process that learns, and listens to it. It ends with this process."""

    def __init__(self, config: LearnerConfig, made: Callable[[Path], None]) -> None:
        """Start it.

        Args:
            config: Handed on to it.
            made: Called by the thread that listens, with the folder of each new version.
        """
        self.statistics: dict[str, Any] = {}
        self._made = made
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, json.dumps(asdict(config)), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._listener.start()

    @property
    def problem(self) -> str:
        """Why it learns no more; empty while it does."""
        status = self._process.poll()
        return "" if status is None else f"the process that learns ended ({status}), see its log"

    def wake(self) -> None:
        """Say that there is a new episode."""
        assert self._process.stdin is not None
        # Where it has ended, `problem` tells.
        with suppress(OSError, ValueError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End it; what it is about to learn it learns the next time."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
        self._listener.join(timeout=1.0)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                report = json.loads(line)
            except ValueError:
                # It was killed in the middle of a line, or a library printed one.
                continue
            if not isinstance(report, dict):
                continue
            bundle = report.pop("bundle", None)
            self.statistics = report
            if bundle is not None:
                self._made(Path(bundle["directory"]))
