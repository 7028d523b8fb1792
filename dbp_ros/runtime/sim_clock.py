"""The steady clock of a simulation, which may run faster or slower than real time.

With a real-time factor f, f seconds of the simulation pass in one second of wall time. All motion
of the robot is timed by this clock, which is the steady clock times f:

- the points of a chunk are due, and interpolated by the guard, in simulation time;
- the guard's limits are per second of simulation time, and its loop runs at f times
  `command_rate_hz`: the commands are the same at every factor;
- a loop that is too slow skips periods; the simulation does not wait for it.

Safety timing does not use `/clock`, which may stall or jump, so the arms stop even if `/clock` is
not published. In a simulation faster than real time the timeouts of observations and of the guard
stay in wall time (`scale_timeouts`): they detect dead processes and lost messages. In a
slower simulation they are in simulation time, as its cameras and arms are slower too: the arms
stop within the same distance.

Stamps are on the ROS clock; with `use_sim_time` that is `/clock`, which the simulation publishes
from this clock. With a factor of 1 this is the steady clock itself, to the nanosecond.
"""

import time
from dataclasses import replace
from typing import Any, TypeVar

from dbp_ros.errors import ConfigError
from dbp_ros.settings.process import SimClockConfig

Config = TypeVar("Config", bound=SimClockConfig)


class SimClock:
    """Steady clock scaled by a real-time factor.

    Attributes:
        real_time_factor: Seconds of simulation time in one second of wall time.
    """

    def __init__(self, real_time_factor: float = 1.0) -> None:
        """Set the real-time factor."""
        self.real_time_factor = real_time_factor

    def now_ns(self) -> int:
        """Return the simulation time."""
        return self.from_steady_ns(time.monotonic_ns())

    def from_steady_ns(self, steady_ns: int) -> int:
        """Return the simulation time at a time of the steady clock."""
        factor = self.real_time_factor
        return steady_ns if factor == 1.0 else int(steady_ns * factor)

    def to_steady_ns(self, time_ns: int) -> int:
        """Return the time of the steady clock at a simulation time."""
        factor = self.real_time_factor
        return time_ns if factor == 1.0 else round(time_ns / factor)

    def wall_duration_ns(self, start_ns: int, end_ns: int) -> int:
        """Return the wall time between two simulation times."""
        return round((end_ns - start_ns) / self.real_time_factor)

    def wall_rate_hz(self, rate_hz: float) -> float:
        """Convert a rate from simulation time to wall time."""
        return rate_hz * self.real_time_factor


def scale_timeouts(config: Config, *names: str) -> Config:
    """Return settings with timeouts in simulation time that are at least as long in wall time.

    Raises:
        ConfigError: If a timeout is out of its range in simulation time.
    """
    factor = max(1.0, config.real_time_factor)
    changes: dict[str, Any] = {name: getattr(config, name) * factor for name in names}
    try:
        return replace(config, **changes)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; this is the setting multiplied by real_time_factor = {factor:g}: decrease "
            "one of them"
        ) from error
