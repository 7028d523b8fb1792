"""Check of what a learner starts from, before any process starts or writes."""

import json
from pathlib import Path
from typing import Any

from dbp_ros.bundle.bundle import Bundle
from dbp_ros.bundle.manifest import TRAINING_SETTINGS
from dbp_ros.errors import ConfigError
from dbp_ros.files import check_folder
from dbp_ros.settings.learner import CHECKPOINT, STATE, LearnerConfig

# Limit of the safetensors format.
MAX_HEADER_BYTES = 100_000_000


def check_learner_start(config: LearnerConfig, bundle: Bundle) -> None:
    """Require that a learner can start from a model, or continue in its folder.

    Raises:
        ConfigError: If the weights are missing or those of another model, or the folder cannot be
            written or is that of another model.
    """
    folder = Path(config.join or config.out)
    check_folder(folder, "join of the learner" if config.join else "out of the learner")
    if config.join:
        if not (folder / STATE / CHECKPOINT).is_file():
            raise ConfigError(
                f"join is {config.join}, where no learner has started: start the robot that runs "
                "the learner first, and give its out"
            )
    elif config.checkpoint:
        _require_checkpoint_of(Path(config.checkpoint), bundle)
    elif TRAINING_SETTINGS not in bundle.manifest.made_by:
        raise ConfigError(
            f"the learner cannot start from model {bundle.manifest.name}, which has no training "
            "settings: export it with this version of dbp_ros, or set checkpoint to its training "
            f"run (for a version of a learner, its folder {STATE})"
        )
    state = folder / STATE
    if (state / CHECKPOINT).is_file():
        model = _facts_of(state).get("finetuned", {}).get("model", bundle.sha256)
        if model != bundle.sha256:
            raise ConfigError(
                f"{folder} holds the versions of another model ({model[:12]}), and this is "
                f"{bundle.manifest.name} ({bundle.sha256[:12]}): use that model, or another folder "
                "for the learner"
            )


def _require_checkpoint_of(run: Path, bundle: Bundle) -> None:
    """Require that a bundle was exported from a training run."""
    if not (run / CHECKPOINT).is_file():
        raise ConfigError(
            f"checkpoint is {str(run)!r}, but {run / CHECKPOINT} is not a file: give the folder of "
            "the training run that the model was exported from"
        )
    facts, made_by = _facts_of(run), bundle.manifest.made_by
    found = facts.get("dataset", {}).get("sha256"), facts.get("update")
    expected = made_by.get("dataset", {}).get("sha256"), made_by.get("updates")
    if "finetuned" not in facts and None not in expected and found != expected:
        raise ConfigError(
            f"checkpoint {run} is of another training run than model {bundle.manifest.name}: "
            f"its data set and updates are {found}, those of the model {expected}; set model to "
            "the export of the run, or leave checkpoint empty to start from the model"
        )


def _facts_of(run: Path) -> dict[str, Any]:
    """Return the description in a checkpoint, from the head of its safetensors file."""
    path = run / CHECKPOINT
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > MAX_HEADER_BYTES:
                raise ValueError(f"its header has {size} bytes")
            metadata = json.loads(file.read(size))["__metadata__"]
        return dict(json.loads(metadata["header"])["facts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a checkpoint ({error}): give a training run") from error
