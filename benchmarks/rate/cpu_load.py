"""A process that keeps a core busy until it is told to end, as somebody else's program would."""

import signal
import sys
from types import FrameType


def main() -> int:
    """Add numbers."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    total = 0
    while True:
        total += 1


if __name__ == "__main__":
    sys.exit(main())
