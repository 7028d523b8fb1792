"""`dbp up` as a process."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from processes.dbp_command import DBP
from processes.fake_robot import wait_until


class Log:
    """The output lines of a process, read in a thread."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._stream = child.stdout
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._stream is not None
        for line in self._stream:
            self.lines.append(line)

    def has(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.lines)

    def wait_for(self, *words: str) -> None:
        wait_until(lambda: self.has(*words), f"the log to have {words}", lambda: str(self.lines))


@contextmanager
def up(*words: str) -> Iterator[tuple[subprocess.Popen[str], Log]]:
    """Run `dbp up` within the block."""
    child = subprocess.Popen(
        [*DBP, "up", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield child, Log(child)
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=30)
