"""How much of the machine the processes of the stack use, as the kernel counts it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PREFIX = "dbp_ros.nodes."
NAMES = {"sim_node": "simulation", "policy_node": "policy", "guard_node": "guard"}
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What processes have used since they started.

    Attributes:
        at_s: When, on the steady clock.
        cpu_s: Time of a core, by process.
        memory_mb: Memory that they hold now, by process.
    """

    at_s: float
    cpu_s: dict[str, float]
    memory_mb: dict[str, float]

    def cores_since(self, before: "Usage") -> dict[str, float]:
        """Return how much of a core each process has used since then."""
        passed_s = max(1e-9, self.at_s - before.at_s)
        return {
            name: (self.cpu_s[name] - before.cpu_s.get(name, 0.0)) / passed_s for name in self.cpu_s
        }


def usage_below(ancestor: int) -> Usage:
    """Return what the nodes among the descendants of a process use.

    Args:
        ancestor: Its id.
    """
    cpu_s, memory_mb = {}, {}
    parents = {pid: _parent(pid) for pid in _pids()}
    for pid in parents:
        name = _node(pid) if _descends(pid, ancestor, parents) else ""
        if name:
            cpu_s[name] = _cpu_s(pid)
            memory_mb[name] = _memory_mb(pid)
    return Usage(time.monotonic(), cpu_s, memory_mb)


def _pids() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid and pid != ancestor:
        pid = parents.get(pid, 0)
    return pid == ancestor


def _node(pid: int) -> str:
    """Return the name of the node that a process runs; empty where it is none of ours."""
    words = _text(pid, "cmdline").split("\0")
    modules = [word.removeprefix(PREFIX) for word in words if word.startswith(PREFIX)]
    return NAMES.get(modules[0], modules[0].removesuffix("_node")) if modules else ""


def _parent(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def _cpu_s(pid: int) -> float:
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S if fields else 0.0


def _memory_mb(pid: int) -> float:
    lines = [one for one in _text(pid, "status").splitlines() if one.startswith("VmRSS:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _fields(pid: int) -> list[str]:
    """Return the fields of a process's `stat` after its name, which may hold anything."""
    return _text(pid, "stat").rpartition(")")[2].split()


def _text(pid: int, file: str) -> str:
    """Return a file of a process; empty where it has ended."""
    try:
        return (PROC / str(pid) / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
