"""The learner process, started by the learner node."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dbp_ros.settings.fields import to_json
from dbp_ros.settings.learner import EPISODES, LearnerConfig

MODULE = "dbp_ros.rl.from_robot.learner_worker"
GRACE_S = 3.0


class LearnerProcess:
    """A child process that runs `LearnerWorker`. It ends with this process.

    Attributes:
        episodes: Folder for the bags of this robot.
        statistics: Last report of the process.
    """

    def __init__(self, config: LearnerConfig, on_version: Callable[[Path], None]) -> None:
        """Start the process.

        Args:
            config: Settings of the process.
            on_version: Called by the reader thread with the folder of each new version.
        """
        self.episodes = Path(config.out) / EPISODES
        self.statistics: dict[str, Any] = {}
        self._on_version = on_version
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, to_json(config), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Its niceness then counts among the processes of the stack, see `lower_priority`.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_reports, name="learner", daemon=True)
        self._reader.start()

    @property
    def problem(self) -> str:
        """Why the process ended; empty while it runs."""
        status = self._process.poll()
        return "" if status is None else f"the learner process ended ({status}), see its log"

    @property
    def progress(self) -> str:
        """Progress of the next update, and whether it changes the policy; empty at the start."""
        if not self.statistics:
            return "the learner process is starting"
        waiting, needed = (self.statistics[k] for k in ("waiting_decisions", "needed_decisions"))
        update, warmup = self.statistics["updates"] + 1, self.statistics["critic_warmup_updates"]
        only = f" (the first {warmup} train the critic only)" if update <= warmup else ""
        return f"{waiting} of {needed} decisions for update {update}{only}"

    def notify(self) -> None:
        """Notify the process of a new episode."""
        assert self._process.stdin is not None
        # `problem` reports a process that has ended.
        with suppress(OSError, ValueError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End the process; it reads the remaining episodes when it is started again."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
        self._reader.join(timeout=1.0)

    def _read_reports(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                report = json.loads(line)
            except ValueError:
                # An incomplete line of a killed process, or the output of a library.
                continue
            if not isinstance(report, dict):
                continue
            bundle = report.pop("bundle", None)
            self.statistics = report
            if bundle is not None:
                self._on_version(Path(bundle["directory"]))
