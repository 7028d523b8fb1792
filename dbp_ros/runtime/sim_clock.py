"""The steady clock of a simulated world, which may run faster or slower than ours.

At a speed of f, f seconds of the simulation pass in one of ours, and that holds for all that the
robot does: the clock that chunks, limits and decisions live on runs f times as fast. So

- a chunk's points are due, and the guard goes from one to the next, in seconds of the simulation;
- the guard's limits are in radians a second of the simulation, its period is that of
  `command_rate_hz`, and the loops tick f times as often: what the arms are commanded is the same
  at every speed, command for command;
- whoever cannot keep up falls behind, as always: a late loop skips, and nothing waits for it.

Safety timing does not use `/clock`, which may stall or jump: the clock is the steady clock times
f, so the arms stop even if `/clock` is not published. In a simulation faster than real time the
timeouts of observations and of the guard stay in seconds of wall time (`scale_timeouts`), because
they detect dead processes and lost messages. In a slower simulation they are in simulated seconds,
as its cameras and arms are slower too: the arms stop within the same distance.

Stamps are on the ROS clock; with `use_sim_time` that is `/clock`, which the simulation publishes
from this very clock. A speed of 1 is the steady clock itself, to the nanosecond.
"""

import time
from dataclasses import replace
from typing import Any, TypeVar

from dbp_ros.settings.config import SimClockConfig

Paced = TypeVar("Paced", bound=SimClockConfig)


class SimClock:
    """Tells the time of a world that runs at some speed.

    Attributes:
        speed: Its seconds that pass in one of ours.
    """

    def __init__(self, speed: float = 1.0) -> None:
        """Set the speed."""
        self.speed = speed

    def now_ns(self) -> int:
        """Return its time."""
        return self.at_ns(time.monotonic_ns())

    def at_ns(self, steady_ns: int) -> int:
        """Return its time at a time of our steady clock."""
        return steady_ns if self.speed == 1.0 else int(steady_ns * self.speed)

    def real_ns(self, time_ns: int) -> int:
        """Return the time of our steady clock at one of its times."""
        return time_ns if self.speed == 1.0 else round(time_ns / self.speed)

    def lasted_ns(self, start_ns: int, end_ns: int) -> int:
        """Return how much of our time lies between two of its times."""
        return round((end_ns - start_ns) / self.speed)

    def rate_hz(self, rate_hz: float) -> float:
        """Return how often in one of our seconds something happens that has a rate in it."""
        return rate_hz * self.speed


def scale_timeouts(config: Paced, *names: str) -> Paced:
    """Return settings whose durations mean seconds of ours or of the world, whichever are longer.

    They are told in seconds of the world.
    """
    longer = max(1.0, config.speed)
    changes: dict[str, Any] = {name: getattr(config, name) * longer for name in names}
    return replace(config, **changes)
