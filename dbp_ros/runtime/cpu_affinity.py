"""Which process runs on which core, and why.

- **The guard** must be on time whatever else happens: it is a process of its own above every other
  priority of the stack, on the last core. With four cores or more no other node is there, so that
  what it needs stays in that core's cache and none makes it wait.
- **The policy** decides in one thread and encodes in another at the same time, so it has two cores,
  the last but the guard's. They are not closed to others: its priority drives them away.
- **The background**, who learns and who records, keeps off the cores of both. Priority alone is not
  enough: many a kernel lets a process finish what it asked of it, to write to the disk say, before
  anybody else has the core.
- **The rest**, the simulated cell, has an ordinary priority, and every core but the guard's.
- **With two or three cores** there is none to be kept for one. The guard has the last core before
  all others, the background keeps off that, and priorities decide about the rest.
- **Several stacks** on one computer share its cores out: the second has the three cores before
  those of the first, and so on. Where there are too few, each guard still has a core that no other
  guard has, the next from the end, and the log says what is shared. `core_leases` records who has
  what; a process looks when it starts.

`cpu_affinity` of a process overrules this.
"""

from collections.abc import Collection, Sequence
from enum import Enum

FEWEST_TO_SHARE_OUT = 4
POLICY_CORES = 2


class Role(Enum):
    """What a process is for."""

    GUARD = "guard"
    POLICY = "policy"
    BACKGROUND = "background"
    REST = "rest"


def cores_for(
    place: Role, available: Sequence[int], taken: Collection[int] = ()
) -> tuple[int, ...]:
    """Return the cores for a process; empty for any.

    Args:
        place: What it is for.
        available: Numbers of the cores that there are.
        taken: Those of other stacks: of their guards and, for a policy and the background, of
            their policies. They are avoided where there are others.
    """
    cores = tuple(sorted(available))
    if len(cores) == 1:
        return ()
    enough = len(cores) >= FEWEST_TO_SHARE_OUT
    if place is Role.GUARD:
        return next(((core,) for core in guard_cores(cores) if core not in taken), cores[-1:])
    if place is Role.POLICY and enough:
        pairs = [pair for pair in policy_cores(cores) if not set(pair) & set(taken)]
        return pairs[0] if pairs else _without(cores[:-1], taken)
    if place is Role.BACKGROUND:
        return _without(cores[: -1 - POLICY_CORES] if enough else cores[:-1], taken)
    return _without(cores[:-1], taken) if enough else ()


def guard_cores(available: Sequence[int]) -> tuple[int, ...]:
    """Return the cores that a guard may have, best first.

    Each stack has a block of cores, from the end, as long as one core is left for the rest. Then
    guards take what is left, from the end.
    """
    cores = tuple(sorted(available))
    best = cores[:: -1 - POLICY_CORES][: _blocks(cores)] or cores[-1:]
    return (*best, *(core for core in reversed(cores) if core not in best))


def policy_cores(available: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the pairs of cores that a policy may have, best first; none on a small machine."""
    cores = tuple(sorted(available))
    ends = [len(cores) - 1 - block * (1 + POLICY_CORES) for block in range(_blocks(cores))]
    return [cores[end - POLICY_CORES : end] for end in ends]


def cores_to_keep_apart(stacks: int) -> int:
    """Return how many cores a computer needs so that no two stacks share one that is leased."""
    return stacks * (1 + POLICY_CORES) + 1


def _blocks(cores: Sequence[int]) -> int:
    return (len(cores) - 1) // (1 + POLICY_CORES)


def _without(cores: tuple[int, ...], taken: Collection[int]) -> tuple[int, ...]:
    """Return cores without those that are taken; all of them where that leaves none."""
    return tuple(core for core in cores if core not in taken) or cores
