"""Real-time scheduling and clock of a process."""

from dataclasses import dataclass

from dbp_ros.settings.fields import Settings, setting

MIN_REAL_TIME_FACTOR, MAX_REAL_TIME_FACTOR = 0.05, 50.0


@dataclass(frozen=True)
class RealtimeConfig(Settings):
    """Real-time scheduling of a process."""

    realtime_priority: int = setting(
        0, "SCHED_FIFO priority of the loop, 0 for none; keep below 50", ge=0, le=99
    )
    lock_memory: bool = setting(True, "Lock the memory of the process, if allowed")
    cpu_affinity: tuple[int, ...] = setting(
        (), "Cores to run on; empty for the plan of runtime/cpu_affinity.py", ge=0
    )


@dataclass(frozen=True)
class SimClockConfig(Settings):
    """Real-time factor of a simulation; see `dbp_ros.runtime.sim_clock`."""

    real_time_factor: float = setting(
        1.0,
        "Simulation time per wall time; 1 for a real robot",
        ge=MIN_REAL_TIME_FACTOR,
        le=MAX_REAL_TIME_FACTOR,
    )
