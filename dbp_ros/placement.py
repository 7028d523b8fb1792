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
    BACKGROUND = "background"
    REST = "rest"


def cores_of(place: Place, available: Sequence[int]) -> tuple[int, ...]:
    """Return the cores for a process; empty for any.

    Args:
        place: What it is for.
        available: Numbers of the cores that there are.
    """
    cores = tuple(sorted(available))
    if len(cores) == 1:
        return ()
    enough = len(cores) >= FEWEST_TO_SHARE_OUT
    if place is Place.GUARD:
        return cores[-1:]
    if place is Place.BACKGROUND:
        return cores[: -1 - POLICY_CORES] if enough else cores[:-1]
    if not enough:
        return ()
    return cores[-1 - POLICY_CORES : -1] if place is Place.POLICY else cores[:-1]
