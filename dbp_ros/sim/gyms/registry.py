"""From the name of an environment to worlds."""

from dataclasses import dataclass

from dbp_ros.sim.gyms.cell_world import CellWorld
from dbp_ros.sim.gyms.gymnasium_world import GymnasiumWorld
from dbp_ros.sim.gyms.metaworld_world import MetaworldWorld
from dbp_ros.sim.gyms.world import View, Wiring, World

METAWORLD, CELL = "metaworld/", "cell/"
NAMES = f"{METAWORLD}<task>, {CELL}<task> or an id of gymnasium such as Hopper-v5"


@dataclass(frozen=True)
class Gym:
    """Which world, and which of its episodes.

    Attributes:
        name: `metaworld/<task>`, `cell/<task>` or a gymnasium id.
        evaluation: Whether it is to judge and not to practise; where the episodes come from a
            finite list the two share none.
        view: What to show of a cell; other worlds show all that they have.
    """

    name: str
    evaluation: bool = False
    view: View | None = None

    def wiring(self) -> Wiring:
        """Return what a policy must be wired to."""
        world = self.make()
        try:
            return Wiring(world.state_names, world.action_names, world.cameras, world.step_s)
        finally:
            world.close()

    def make(self) -> World:
        """Return a new world.

        Raises:
            ConfigError: If there is none by that name.
        """
        if self.name.startswith(METAWORLD):
            task = self.name.removeprefix(METAWORLD)
            return MetaworldWorld(task, self.evaluation)
        if self.name.startswith(CELL):
            return CellWorld(self.name.removeprefix(CELL), self.view)
        return GymnasiumWorld(self.name)
