"""A policy that has learned online, as a checkpoint like any other."""

from dataclasses import asdict, replace
from typing import Any

from dbp_ros.errors import TrainingError
from dbp_ros.learning.checkpoint import Checkpoint
from dbp_ros.rl.config import FinetuneConfig
from dbp_ros.rl.learner import Learner
from dbp_ros.rl.state_tensors import part, under


def finetuned(imitated: Checkpoint, learner: Learner, facts: dict[str, Any]) -> Checkpoint:
    """Return a checkpoint that is exported as any other, and from which learning goes on.

    Args:
        imitated: Where the learner's policy came from.
        learner: What it has become.
        facts: What to say of it: steps, returns, anything JSON can hold.
    """
    weights = learner.policy.state_dict()
    known = {"config": asdict(learner.config), "version": learner.version, **facts}
    return replace(
        imitated,
        facts={**imitated.facts, "finetuned": known},
        tensors={
            **under("weights", weights),
            **under("average", weights),
            **under("learner", learner.state_dict()),
        },
    )


def settings_of(checkpoint: Checkpoint) -> FinetuneConfig:
    """Return the settings that a policy learned online with.

    Raises:
        TrainingError: If it did not.
    """
    known = checkpoint.facts.get("finetuned")
    if known is None:
        raise TrainingError("the checkpoint is of imitation alone: begin from it, do not resume")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in known["config"].items()
    }
    return FinetuneConfig(**values)


def go_on(checkpoint: Checkpoint, learner: Learner) -> None:
    """Put a learner where another one was when it wrote a checkpoint.

    Raises:
        TrainingError: If the checkpoint is not of online learning, or of other settings.
    """
    if (theirs := settings_of(checkpoint)) != learner.config:
        raise TrainingError(f"the checkpoint has other settings: {theirs}, not {learner.config}")
    learner.load_state_dict(part("learner", checkpoint.tensors))
