"""Training script of the processes of a distributed training."""

import sys
from dataclasses import replace
from pathlib import Path

from toy_episodes import episode
from toy_training import CONFIG

from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.trainer import Trainer


def train(method: str, folder: Path) -> Trainer:
    """Train in a folder."""
    data = join_episodes((episode(index), str(index)) for index in range(5))
    config = replace(CONFIG, method=method, num_steps=5, batch_size=8, num_samples=4, device="cpu")
    trainer = Trainer(config, data, folder / method)
    trainer.train()
    return trainer


if __name__ == "__main__":
    for name in sys.argv[2:]:
        trainer = train(name, Path(sys.argv[1]))
    print(f"trained by {trainer.accelerator.num_processes}")
    trainer.close()
