"""Arrival times of a simulated `/clock` with jitter and delays."""

from collections.abc import Callable, Iterator

import numpy as np

START_NS = 500_000_000_000_000
FIRST_NS = 100_000_000_000
NS = 1_000_000_000


def ticks(
    factor: float | Callable[[float], float],
    seconds: float,
    step_s: float = 0.01,
    jitter: float = 0.0,
    delay_s: float = 0.0003,
) -> Iterator[tuple[int, int, int]]:
    """Yield arrival time, true steady time and ROS time of each `/clock` message, in [ns].

    Args:
        factor: Real-time factor, or a function of the wall time in [s].
        seconds: Duration in wall time.
        step_s: Simulation time between two messages.
        jitter: Relative variation of the wall time of a step.
        delay_s: Mean delay of a message.
    """
    rng = np.random.default_rng(0)
    time_s, ros_ns, arrived_ns = 0.0, FIRST_NS, 0
    while time_s < seconds:
        now_ns = START_NS + round(time_s * NS)
        arrived_ns = max(arrived_ns + 1, now_ns + round(rng.exponential(delay_s) * NS))
        yield arrived_ns, now_ns, ros_ns
        rate = factor if isinstance(factor, float) else factor(time_s)
        time_s += step_s / rate * (1.0 + rng.uniform(-jitter, jitter))
        ros_ns += round(step_s * NS)
