"""Training methods compared by the benchmarks, all with the same trainer and network heads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.decision import decision_latency_ms
from benchmarks.flags import select_by_name
from dbp_ros.evaluation.result_table import Row
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyNetwork
from dbp_ros.learning.trainer import Trainer


@dataclass(frozen=True)
class ComparedMethod:
    """A method and the settings that it changes.

    Attributes:
        name: Name in tables and on the command line.
        settings: Fields that differ from the benchmark's shared `TrainConfig`.
    """

    name: str
    settings: dict[str, Any]

    def config(self, shared: TrainConfig) -> TrainConfig:
        """Return the method's settings on top of `shared`."""
        return replace(shared, **self.settings)

    def training_config(self, shared: TrainConfig) -> TrainConfig:
        """Return the settings for training, which do not depend on the inference steps."""
        return replace(self.config(shared), num_inference_steps=1)


# Executed points of a chunk in the simulated benchmarks.
N_ACTION_STEPS = 4
# Common to every comparison: one thread, nothing on disk, all data for training.
BASE_CONFIG = TrainConfig(
    num_samples=8,
    warmup_steps=100,
    validation_fraction=0.0,
    validate_every=10**9,
    checkpoint_every=10**9,
    device="cpu",
    threads=1,
)


def _method(name: str, **settings: Any) -> ComparedMethod:
    return ComparedMethod(name, settings)


METHODS = {
    method.name: method
    for method in (
        _method("dbp", method="dbp"),
        # More modes than two: a component of the noise may belong to each.
        _method("dbp_components", method="dbp", num_components=16, num_samples=16),
        _method("dbp_published", method="dbp_published"),
        _method("joint_sinkhorn", method="joint_sinkhorn"),
        _method("sinkhorn", method="sinkhorn"),
        _method("energy", method="energy"),
        _method("bc_mse", method="bc_mse", num_samples=1),
        _method("ddim_100", method="ddim", num_inference_steps=100),
        _method("ddim_10", method="ddim", num_inference_steps=10),
        _method("flow_10", method="flow", num_inference_steps=10),
        _method("flow_1", method="flow", num_inference_steps=1),
        _method("meanflow", method="meanflow"),
        _method("consistency", method="consistency"),
    )
}


def group_by_training(
    methods: Sequence[ComparedMethod], shared: TrainConfig
) -> list[tuple[ComparedMethod, ...]]:
    """Return methods in groups that share one training run."""
    groups: dict[TrainConfig, list[ComparedMethod]] = {}
    for method in methods:
        groups.setdefault(method.training_config(shared), []).append(method)
    return [tuple(group) for group in groups.values()]


def evaluate_methods(
    trainer: Trainer,
    methods: Sequence[ComparedMethod],
    shared: TrainConfig,
    evaluate: Callable[[ComparedMethod, PolicyNetwork], Row],
) -> list[Row]:
    """Return one row for each method that runs the network of a finished training.

    Args:
        trainer: The finished training.
        methods: Methods that share it.
        shared: Shared settings of the benchmark.
        evaluate: Returns the key and the scores of one method.
    """
    policy, rows = trainer.ema.network, []
    for method in methods:
        policy.method.num_inference_steps = method.config(shared).num_inference_steps
        row = {
            **evaluate(method, policy),
            "nfe": policy.method.num_inference_steps,
            "train_s": trainer.train_s,
            "latency_ms": decision_latency_ms(policy),
        }
        rows.append(row)
    return rows


def in_table_order(names: Iterable[str]) -> list[str]:
    """Return names of methods in the order of `METHODS`, without unknown ones."""
    present = set(names)
    return [name for name in METHODS if name in present]


def select_methods(names: str) -> list[ComparedMethod]:
    """Return methods by comma-separated names; see `select_by_name`."""
    return select_by_name(names, METHODS, "method")
