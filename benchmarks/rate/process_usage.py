"""CPU time and memory of the processes of a running stack."""

import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

PREFIX = "dbp_ros.nodes."
NAMES = {"sim_node": "simulation", "policy_node": "policy", "guard_node": "guard"}


@dataclass(frozen=True)
class Usage:
    """CPU time and memory by process.

    Attributes:
        at_s: Time of the measurement on the steady clock.
        cpu_s: CPU time since the process started, user and system.
        memory_mb: Resident memory in [MiB].
    """

    at_s: float
    cpu_s: dict[str, float]
    memory_mb: dict[str, float]

    def cores_since(self, before: "Usage") -> dict[str, float]:
        """Return the mean number of cores that each process used since `before`."""
        passed_s = max(1e-9, self.at_s - before.at_s)
        return {
            name: (self.cpu_s[name] - before.cpu_s.get(name, 0.0)) / passed_s for name in self.cpu_s
        }


def usage_below(pid: int) -> Usage:
    """Return the usage of the nodes among the descendants of process `pid`."""
    cpu_s, memory_mb = {}, {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess), process.oneshot():
            if name := _node_name(process.cmdline()):
                cpu = process.cpu_times()
                cpu_s[name] = cpu.user + cpu.system
                memory_mb[name] = process.memory_info().rss / 2**20
    return Usage(time.monotonic(), cpu_s, memory_mb)


def _node_name(words: list[str]) -> str:
    """Return the name of the node that a command line starts; empty for other programs."""
    modules = [word.removeprefix(PREFIX) for word in words if word.startswith(PREFIX)]
    return NAMES.get(modules[0], modules[0].removesuffix("_node")) if modules else ""
