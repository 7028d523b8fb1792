"""Real-time priority and clock of a process."""

from dataclasses import dataclass

from dbp_ros.settings.fields import setting

# Limits of the real-time factor.
SLOWEST, FASTEST = 0.05, 50.0


@dataclass(frozen=True)
class RealtimeConfig:
    """How a process asks the operating system for punctuality."""

    realtime_priority: int = setting(
        0, "SCHED_FIFO priority of the loop, 0 for none; keep below 50", minimum=0, maximum=99
    )
    lock_memory: bool = setting(True, "Lock the process in memory where that is allowed")
    cpu_affinity: tuple[int, ...] = setting(
        (), "Cores to run on; empty for the plan of runtime/cpu_affinity.py", minimum=0
    )


@dataclass(frozen=True)
class SimClockConfig:
    """Real-time factor of a simulation; see `dbp_ros.runtime.sim_clock`."""

    real_time_factor: float = setting(
        1.0,
        "Seconds of simulation time per second of wall time; 1 for a real robot",
        minimum=SLOWEST,
        maximum=FASTEST,
    )
