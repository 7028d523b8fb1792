"""Settings of an environment of gymnasium: step, names of columns, time limit, success."""

from dataclasses import dataclass
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting

SuccessRule = Literal["auto", "is_success", "success", "terminated", "truncated"]


@dataclass(frozen=True)
class EnvConfig(Settings):
    """Properties that an environment of gymnasium may leave undefined.

    Raises:
        ConfigError: If a value is out of range, or an item of `columns` is not `NAME=NAME`.
    """

    step_s: float | None = setting(
        None, "length of a control step [s], if the environment defines none, or several", ge=1e-4
    )
    columns: tuple[str, ...] = setting(
        (),
        "states, actions and cameras with other names in the data, each as ENVIRONMENT=DATA, "
        "such as state.0=agent_x",
    )
    success: SuccessRule = setting(
        "auto",
        "what marks a solved episode: a key of `info`, or how the episode ends; auto for "
        "`is_success` or `success` of `info`, else termination",
    )
    max_episode_steps: int | None = setting(
        None,
        "time limit of an episode in steps of the environment; its own limit if not given",
        ge=1,
    )

    def __post_init__(self) -> None:
        """Check the ranges and the form of the names."""
        super().__post_init__()
        self.renamed()

    def renamed(self) -> dict[str, str]:
        """Return the name in the data of each column that is renamed, by its own name."""
        pairs = {}
        for item in self.columns:
            own, equals, name = item.partition("=")
            if not (own and equals and name) or own in pairs:
                raise ConfigError(
                    f"--columns {item}: expected ENVIRONMENT=DATA, each name once, such as "
                    "state.0=agent_x"
                )
            pairs[own] = name
        return pairs


DEFAULT_ENV_CONFIG = EnvConfig()
