"""Idle reference loop on the steady clock, which measures the baseline jitter of the machine.

One loop runs during a measurement at the rate and priority of the guard. Further loops are pinned
to one core each, above every priority of the stack: their delay is a stall of the machine. They run
at twice the rate, because a loop detects a stall only after its next deadline. Without real-time
privileges the stack may delay a loop, so its delays are not attributed to the machine: `realtime`
in the statistics is false.
"""

import argparse
import json
import os
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

# A smaller delay counts in the histogram, but is not recorded as a gap.
LATE_S = 0.0005
# More than the ticks of an hour: a delay that is not stored would count against the stack.
MAX_LATE = 10_000_000


def measure_reference_loop(
    rate_hz: float, config: RealtimeConfig, out: Path, ended: threading.Event
) -> None:
    """Run the idle loop until `ended` is set.

    Args:
        rate_hz: Loop rate.
        config: Priority and CPU affinity.
        out: JSON file; an empty object once the loop runs, the statistics at the end.
        ended: Stop event.
    """
    recorder = PeriodRecorder(round(NS_PER_S / rate_hz), 1.0 + LATE_S * rate_hz, MAX_LATE)
    request_realtime(config)
    realtime = os.sched_getscheduler(0) == os.SCHED_FIFO
    loop = RateThread("reference", rate_hz, lambda _: recorder.record(time.monotonic_ns()))
    loop.start()
    write_text(out, "{}")
    ended.wait()
    loop.stop()
    write_text(out, json.dumps({**recorder.statistics(), "realtime": realtime}))


def main() -> int:
    """Measure until SIGINT or SIGTERM, then write the statistics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="loop rate in Hz")
    parser.add_argument("--priority", type=int, default=0, help="SCHED_FIFO priority, 0: none")
    parser.add_argument("--core", type=int, help="core to pin the loop to (default: any)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the statistics")
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
