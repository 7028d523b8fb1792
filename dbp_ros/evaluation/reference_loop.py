"""The machine's own floor: an empty loop on the steady clock, timed like the guard's.

What a loop that does nothing misses, no loop can keep. One runs beside what is measured, at the
same rate and priority, wherever the kernel puts it. Witnesses run above every priority of the
stack, one bound to each core: a time by which a witness was late, the machine took from everybody.
They tick twice as often, for of a stall they see only what comes after their next tick is due.
"""

import argparse
import json
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from dbp_ros.files import write_text
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.realtime import request_realtime
from dbp_ros.settings.process import RealtimeConfig
from dbp_ros.telemetry.latency import PeriodRecorder
from dbp_ros.types import NS_PER_S

# A tick that is late by less is told by the histogram alone.
LATE_S = 0.0005


def measure_reference_loop(
    rate_hz: float, config: RealtimeConfig, out: Path, ended: threading.Event
) -> None:
    """Run the empty loop until told to end.

    Args:
        rate_hz: Loops a second.
        config: Priority and core.
        out: JSON file, empty of numbers as soon as the loop runs, and with all of them at the end.
        ended: Tells it to end.
    """
    recorder = PeriodRecorder(round(NS_PER_S / rate_hz), 1.0 + LATE_S * rate_hz)
    request_realtime(config)
    loop = RateThread("floor", rate_hz, lambda _: recorder.record(time.monotonic_ns()))
    loop.start()
    write_text(out, "{}")
    ended.wait()
    loop.stop()
    write_text(out, json.dumps(recorder.statistics()))


def main() -> int:
    """Measure until SIGINT or SIGTERM, then write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="loops a second")
    parser.add_argument("--priority", type=int, default=0, help="SCHED_FIFO priority, 0 for none")
    parser.add_argument("--core", type=int, help="core to be bound to; any if not given")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the numbers")
    arguments = parser.parse_args()
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    config = RealtimeConfig(
        realtime_priority=arguments.priority,
        cpu_affinity=() if arguments.core is None else (arguments.core,),
    )
    measure_reference_loop(arguments.rate, config, arguments.out, ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
