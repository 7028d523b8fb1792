"""Settings that train on toy episodes in seconds, and a policy of ordinary width."""

from dataclasses import replace
from pathlib import Path

from toy_episodes import episode

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import ExportMetadata, export_bundle
from dbp_ros.learning.trainer import Trainer

CONFIG = TrainConfig(
    num_steps=6,
    batch_size=4,
    num_samples=3,
    horizon=5,
    width=16,
    branch_width=16,
    channels=(8, 8, 8, 8),
    keypoints=4,
    warmup_steps=2,
    validate_every=3,
    checkpoint_every=3,
    threads=1,
    allow_constant_actions=True,
)
ORDINARY_WIDTH = replace(CONFIG, width=256, branch_width=128, channels=(16, 16, 16, 16))


def train_toy(folder: Path, config: TrainConfig = CONFIG) -> tuple[Checkpoint, Bundle]:
    """Train for a few steps in `folder/run` and export to `folder/toy`."""
    data = join_episodes((episode(index), str(index)) for index in range(5))
    Trainer(config, data, folder / "run").train()
    checkpoint = read_checkpoint(folder / "run")
    export_bundle(checkpoint, data, folder / "toy", ExportMetadata("toy"))
    return checkpoint, read_bundle(folder / "toy")
