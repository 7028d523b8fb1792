"""Checkpoints of online learning."""

from dataclasses import asdict, replace
from typing import Any

from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.state_tensors import with_prefix, without_prefix
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.finetune import FinetuneConfig


def finetuned_checkpoint(
    pretrained: Checkpoint, learner: Learner, metadata: dict[str, Any]
) -> Checkpoint:
    """Return a checkpoint for export and for further learning.

    Args:
        pretrained: Checkpoint of the pretrained policy.
        learner: The learner.
        metadata: Counters and metrics, as JSON.
    """
    weights = learner.policy.state_dict()
    finetuned = {"config": asdict(learner.config), "version": learner.version, **metadata}
    return replace(
        pretrained,
        metadata={**pretrained.metadata, "finetuned": finetuned},
        tensors={
            **with_prefix("weights", weights),
            **with_prefix("average", weights),
            **with_prefix("learner", learner.state_dict()),
        },
    )


def finetune_config_of(checkpoint: Checkpoint) -> FinetuneConfig:
    """Return the settings of online learning.

    Raises:
        TrainingError: If the checkpoint is from imitation learning.
    """
    finetuned = checkpoint.metadata.get("finetuned")
    if finetuned is None:
        raise TrainingError(
            "the checkpoint is from imitation learning: start online learning without --resume"
        )
    return from_mapping(FinetuneConfig, finetuned["config"])


def restore(checkpoint: Checkpoint, learner: Learner) -> None:
    """Restore a learner from a checkpoint.

    Raises:
        TrainingError: If the checkpoint is not from online learning, or has other settings.
    """
    if (found := finetune_config_of(checkpoint)) != learner.config:
        raise TrainingError(f"the checkpoint has other settings: {found}, not {learner.config}")
    learner.load_state_dict(without_prefix("learner", checkpoint.tensors))
