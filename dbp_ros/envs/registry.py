"""From the name of an environment to worlds."""

from dataclasses import dataclass

from dbp_ros.envs.cell_env import CellEnv
from dbp_ros.envs.env import CameraView, Env, EnvSpec
from dbp_ros.envs.gymnasium_env import GymnasiumEnv
from dbp_ros.envs.metaworld_env import MetaworldEnv

METAWORLD, CELL = "metaworld/", "cell/"
NAMES = f"{METAWORLD}<task>, {CELL}<task> or an id of gymnasium such as Hopper-v5"


@dataclass(frozen=True)
class EnvId:
    """Which world, and which of its episodes.

    Attributes:
        name: `metaworld/<task>`, `cell/<task>` or a gymnasium id.
        evaluation: Whether it is to judge and not to practise; where the episodes come from a
            finite list the two share none.
        view: What to show of a cell; other worlds show all that they have.
    """

    name: str
    evaluation: bool = False
    view: CameraView | None = None

    def wiring(self) -> EnvSpec:
        """Return what a policy must be wired to."""
        world = self.make()
        try:
            return EnvSpec(world.state_names, world.action_names, world.cameras, world.step_s)
        finally:
            world.close()

    def make(self) -> Env:
        """Return a new world.

        Raises:
            ConfigError: If there is none by that name.
        """
        if self.name.startswith(METAWORLD):
            task = self.name.removeprefix(METAWORLD)
            return MetaworldEnv(task, self.evaluation)
        if self.name.startswith(CELL):
            return CellEnv(self.name.removeprefix(CELL), self.view)
        return GymnasiumEnv(self.name)
