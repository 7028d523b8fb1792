"""CPU load: a process that keeps one core busy until SIGINT or SIGTERM."""

import signal
import sys
from types import FrameType


def main() -> int:
    """Run the busy loop."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    while True:
        pass


if __name__ == "__main__":
    sys.exit(main())
