"""CPU affinity plan: the cores of each process of a stack.

- **Guard**: a process of its own with the highest priority of the stack, on the last core. With
  four cores or more no other node of the stack runs there, so its cache stays warm.
- **Policy**: two cores, those before the guard's, as it computes chunks in one thread and encodes
  images in another. They are not exclusive: its real-time priority preempts other processes.
- **Background** (learner, recorder): none of these cores. Priority alone does not suffice, as many
  kernels do not preempt a system call, such as a write to the disk.
- **Rest** (simulated cell): ordinary priority, on every core but the guard's.
- **Two or three cores**: the guard still has the last core, the background avoids it, and the
  scheduler places the rest.
- **Several stacks** on one computer: the second has the three cores before those of the first, and
  so on. With too few cores each guard still has a core without another guard, and the log states
  which cores are shared. `core_leases` records the cores of each stack.

The setting `cpu_affinity` of a process overrides the plan.
"""

from collections.abc import Collection, Sequence
from enum import Enum

MIN_CORES_FOR_PLAN = 4
POLICY_CORES = 2


class Role(Enum):
    """Role of a process in a stack."""

    GUARD = "guard"
    POLICY = "policy"
    BACKGROUND = "background"
    REST = "rest"


def cores_for(role: Role, available: Sequence[int], taken: Collection[int] = ()) -> tuple[int, ...]:
    """Return the cores of a process; empty for any core.

    Args:
        role: Role of the process.
        available: Numbers of all cores.
        taken: Cores to avoid if possible: those of the guards of other stacks and, for a policy and
            the background, of their policies.
    """
    cores = tuple(sorted(available))
    if len(cores) == 1:
        return ()
    enough = len(cores) >= MIN_CORES_FOR_PLAN
    if role is Role.GUARD:
        return next(((core,) for core in guard_cores(cores) if core not in taken), cores[-1:])
    if role is Role.POLICY and enough:
        pairs = [pair for pair in policy_cores(cores) if not set(pair) & set(taken)]
        return pairs[0] if pairs else _without(cores[:-1], taken)
    if role is Role.BACKGROUND:
        return _without(cores[: -1 - POLICY_CORES] if enough else cores[:-1], taken)
    return _without(cores[:-1], taken) if enough else ()


def guard_cores(available: Sequence[int]) -> tuple[int, ...]:
    """Return the cores for a guard in order of preference.

    Each stack has a block of cores, from the end, as long as one core is left for the rest. Further
    guards take the remaining cores, from the end.
    """
    cores = tuple(sorted(available))
    first = cores[:: -1 - POLICY_CORES][: _blocks(cores)] or cores[-1:]
    return (*first, *(core for core in reversed(cores) if core not in first))


def policy_cores(available: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the pairs of cores for a policy in order of preference; none on a small machine."""
    cores = tuple(sorted(available))
    ends = [len(cores) - 1 - block * (1 + POLICY_CORES) for block in range(_blocks(cores))]
    return [cores[end - POLICY_CORES : end] for end in ends]


def cores_for_stacks(stacks: int) -> int:
    """Return the number of cores with which no two stacks share a leased core."""
    return stacks * (1 + POLICY_CORES) + 1


def _blocks(cores: Sequence[int]) -> int:
    return (len(cores) - 1) // (1 + POLICY_CORES)


def _without(cores: tuple[int, ...], taken: Collection[int]) -> tuple[int, ...]:
    """Return the cores that are not taken, or all cores if all are taken."""
    return tuple(core for core in cores if core not in taken) or cores
