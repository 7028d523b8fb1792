"""Environments by id."""

from dataclasses import dataclass

from dbp_ros.envs.cell_env import CellEnv
from dbp_ros.envs.env import CameraView, Env, IOSpec
from dbp_ros.envs.gymnasium_env import GymnasiumEnv
from dbp_ros.envs.metaworld_env import MetaworldEnv

METAWORLD, CELL = "metaworld/", "cell/"
ENV_IDS = f"{METAWORLD}<task>, {CELL}<task> or an id of gymnasium such as Hopper-v5"


@dataclass(frozen=True)
class EnvSpec:
    """Specification of an environment.

    Attributes:
        id: `metaworld/<task>`, `cell/<task>` or a gymnasium id.
        evaluation: Whether to use evaluation episodes. An environment with a finite list of
            episodes shares none between training and evaluation.
        view: Observations of a cell; other environments return all of theirs.
    """

    id: str
    evaluation: bool = False
    view: CameraView | None = None

    def io_spec(self) -> IOSpec:
        """Return the observations and actions of the environment."""
        env = self.make()
        try:
            return IOSpec(env.state_names, env.action_names, env.cameras, env.step_s)
        finally:
            env.close()

    def make(self) -> Env:
        """Return a new environment.

        Raises:
            ConfigError: If the id is unknown.
        """
        if self.id.startswith(METAWORLD):
            return MetaworldEnv(self.id.removeprefix(METAWORLD), self.evaluation)
        if self.id.startswith(CELL):
            return CellEnv(self.id.removeprefix(CELL), self.view)
        return GymnasiumEnv(self.id)
