"""The methods that are compared, all through the same trainer and the same heads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dbp_ros.errors import ConfigError
from dbp_ros.learning.config import TrainConfig

Known = TypeVar("Known")


@dataclass(frozen=True)
class Method:
    """A method under the name that tables give it.

    Attributes:
        name: In tables and on the command line.
        settings: What it changes of a benchmark's `TrainConfig`.
    """

    name: str
    settings: dict[str, Any]

    def config(self, shared: TrainConfig) -> TrainConfig:
        """Return its settings for a benchmark whose others are `shared`."""
        return replace(shared, **self.settings)

    def training(self, shared: TrainConfig) -> TrainConfig:
        """Return what it is trained with; how many passes it is run with does not matter."""
        return replace(self.config(shared), num_inference_steps=1)


# What every comparison has in common: one thread, nothing on disk, all data for training.
RUN = TrainConfig(
    num_samples=8,
    warmup_steps=100,
    validation_fraction=0.0,
    validate_every=10**9,
    checkpoint_every=10**9,
    device="cpu",
    threads=1,
)


def _contender(name: str, **settings: Any) -> Method:
    return Method(name, settings)


METHODS = {
    contender.name: contender
    for contender in (
        _contender("dbp", method="dbp"),
        _contender("dbp_authors", method="dbp_authors"),
        _contender("joint_sinkhorn", method="joint_sinkhorn"),
        _contender("sinkhorn", method="sinkhorn"),
        _contender("energy", method="energy"),
        _contender("bc_mse", method="bc_mse", num_samples=1),
        _contender("ddim_100", method="ddim", num_inference_steps=100),
        _contender("ddim_10", method="ddim", num_inference_steps=10),
        _contender("flow_10", method="flow", num_inference_steps=10),
        _contender("flow_1", method="flow", num_inference_steps=1),
        _contender("meanflow", method="meanflow"),
        _contender("consistency", method="consistency"),
    )
}


def families(chosen: Sequence[Method], shared: TrainConfig) -> list[tuple[Method, ...]]:
    """Return methods by how they are trained: one training serves a whole family."""
    alike: dict[TrainConfig, list[Method]] = {}
    for contender in chosen:
        alike.setdefault(contender.training(shared), []).append(contender)
    return [tuple(family) for family in alike.values()]


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of methods in the order in which tables and plots show them."""
    there = set(names)
    return [name for name in METHODS if name in there]


def select_methods(names: str) -> list[Method]:
    """Return methods by their names, separated by commas; see `chosen`."""
    return chosen(names, METHODS)


def chosen(names: str, known: Mapping[str, Known]) -> list[Known]:
    """Return what is known by these names, separated by commas.

    Raises:
        ConfigError: If a name is unknown, with those that are known.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"no method '{name}': use some of {', '.join(known)}")
    if not wanted:
        raise ConfigError(f"no method given: use some of {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)]
