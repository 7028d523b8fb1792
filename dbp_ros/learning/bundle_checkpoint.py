"""Checkpoint of a model bundle, to train its policy further."""

from typing import Any

from torch import Tensor

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.manifest import ARMS, TRAINING_SETTINGS
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.graph_weights import ENCODER_PREFIX, HEAD_PREFIX, read_weights
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.policy.load import spec_of
from dbp_ros.robots.arm_chain import ArmChain
from dbp_ros.settings.fields import from_mapping

NORMALISER = "normaliser."


def checkpoint_of(bundle: Bundle) -> Checkpoint:
    """Return the policy of a bundle as a checkpoint without optimizer state.

    The weights of a quantized bundle are rounded, as on the robot.

    Raises:
        TrainingError: If the bundle has no settings or lacks a weight: an earlier version
            exported it.
    """
    spec = spec_of(bundle.manifest)
    arms = bundle.manifest.made_by.get(ARMS, [])
    shape = PolicyShape(
        state_names=spec.states,
        action_names=spec.joints,
        cameras=dict(spec.cameras),
        clouds=dict(spec.clouds),
        step_s=spec.step_s,
        arms=tuple(from_mapping(ArmChain, arm) for arm in arms),
    )
    config = _config_of(bundle)
    weights = _weights_of(bundle, PolicyNetwork(shape, config))
    return Checkpoint(
        config=config,
        shape=shape,
        metadata=_metadata_of(bundle),
        tensors={
            f"{part}/{name}": tensor
            for part in ("weights", "average")
            for name, tensor in weights.items()
        },
    )


def _config_of(bundle: Bundle) -> TrainConfig:
    found = bundle.manifest.made_by.get(TRAINING_SETTINGS)
    if not isinstance(found, dict):
        raise TrainingError(
            f"{bundle.directory} has no training settings: export it with this version of dbp_ros, "
            "or give the checkpoint of its training run"
        )
    try:
        return from_mapping(TrainConfig, found)
    except ConfigError as error:
        raise TrainingError(f"{bundle.directory}: {error}: export the model again") from error


def _weights_of(bundle: Bundle, policy: PolicyNetwork) -> dict[str, Tensor]:
    """Return the state of a policy from the graphs.

    A buffer that is not in the graphs has the value of a new policy: the exporter removed it.
    """
    weights = dict(policy.state_dict())
    parameters = {name for name, _ in policy.named_parameters()}
    optional = {n for n in weights if n not in parameters and not n.startswith(NORMALISER)}
    manifest = bundle.manifest
    prefixes = {policy.encoder_prefix(sensor.name): sensor.encoder for sensor in manifest.sensors}
    graphs = [(prefix, ENCODER_PREFIX, file) for prefix, file in prefixes.items()]
    for own, graph, file in (*graphs, ("", HEAD_PREFIX, manifest.head)):
        names = {
            f"{graph}{name.removeprefix(own)}": name
            for name in weights
            if (name.startswith(own) if own else not name.startswith(tuple(prefixes)))
        }
        shapes = {found: weights[name].shape for found, name in names.items()}
        missing = {found for found, name in names.items() if name in optional}
        for found, value in read_weights(bundle.path(file), shapes, missing).items():
            weights[names[found]] = value.to(weights[names[found]].dtype)
    return weights


def _metadata_of(bundle: Bundle) -> dict[str, Any]:
    origin = bundle.manifest.made_by
    return {
        "dataset": origin.get("dataset", {}),
        "update": origin.get("updates", 0),
        "train_s": origin.get("train_s", 0.0),
        "metrics": dict(bundle.manifest.metrics),
    }
