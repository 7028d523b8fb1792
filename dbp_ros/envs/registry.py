"""Environments by id."""

from dataclasses import dataclass

from dbp_ros.envs.env import CameraView, Env, IOSpec
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint
from dbp_ros.settings.environment import DEFAULT_ENV_CONFIG, EnvConfig
from dbp_ros.settings.flags import flags_of

METAWORLD, CELL = "metaworld/", "cell/"
ENV_IDS = (
    f"{METAWORLD}<task>, {CELL}<task>, an id of gymnasium such as Hopper-v5, or MODULE:NAME for a "
    "module of yours that registers the id NAME or has a class or function NAME"
)


@dataclass(frozen=True)
class EnvSpec:
    """Specification of an environment.

    Attributes:
        id: `metaworld/<task>`, `cell/<task>`, a gymnasium id or `MODULE:NAME`.
        evaluation: Whether to use evaluation episodes. An environment with a finite list of
            episodes shares none between training and evaluation.
        view: Observations and actions that a policy uses; Meta-World returns all of its own.
        config: What an environment of gymnasium does not define itself.
    """

    id: str
    evaluation: bool = False
    view: CameraView | None = None
    config: EnvConfig = DEFAULT_ENV_CONFIG

    @property
    def is_gymnasium(self) -> bool:
        """Whether it is an environment of gymnasium or of the user."""
        return not self.id.startswith((METAWORLD, CELL))

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
            ConfigError: If the id is unknown, its library is not installed, or it has settings
                that it does not take.
        """
        if not self.is_gymnasium and (flags := flags_of(self.config)):
            raise ConfigError(f"{self.id} takes no {flags[0]}: leave it out")
        try:
            return self._make()
        except ModuleNotFoundError as error:
            library = (error.name or "dbp_ros").partition(".")[0]
            if library == "dbp_ros":
                raise
            raise ConfigError(f"{self.id} needs {library}; {install_hint(library)}") from error

    def _make(self) -> Env:
        if self.id.startswith(METAWORLD):
            from dbp_ros.envs.metaworld_env import MetaworldEnv

            return MetaworldEnv(self.id.removeprefix(METAWORLD), self.evaluation)
        if self.id.startswith(CELL):
            from dbp_ros.envs.cell_env import CellEnv

            return CellEnv(self.id.removeprefix(CELL), self.view)
        from dbp_ros.envs.gymnasium_env import GymnasiumEnv

        return GymnasiumEnv(self.id, self.config, self.view)
