"""Which process runs on which core, and why.

- **The guard** must be on time whatever else happens: it is a process of its own above every other
  priority of the stack. With four cores or more it has the last one to itself, so that what it
  needs stays in that core's cache and nobody of ours makes it wait.
- **The policy** decides in one thread and encodes in another at the same time, so it has two cores,
  the last but the guard's. They are not closed to others: its priority drives them away.
- **Everything else**, simulated cell, learner and runner, has an ordinary priority, and every core
  but the guard's. It is what waits when cores are short.
- **With fewer than four cores** nobody is bound: a core that is kept for one is missing to the
  others, and the priorities alone decide, guard before policy before the rest.

`cpu_affinity` of a process overrules this.
"""

from collections.abc import Sequence
from enum import Enum

FEWEST_TO_SHARE_OUT = 4
POLICY_CORES = 2


class Place(Enum):
    """What a process is for."""

    GUARD = "guard"
    POLICY = "policy"
    REST = "rest"


def cores_of(place: Place, available: Sequence[int]) -> tuple[int, ...]:
    """Return the cores for a process; empty for any.

    Args:
        place: What it is for.
        available: Numbers of the cores that there are.
    """
    cores = tuple(sorted(available))
    if len(cores) < FEWEST_TO_SHARE_OUT:
        return ()
    if place is Place.GUARD:
        return cores[-1:]
    if place is Place.POLICY:
        return cores[-1 - POLICY_CORES : -1]
    return cores[:-1]
