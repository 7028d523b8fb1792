"""Settings that train on toy episodes in seconds."""

from dbp_ros.learning.config import TrainConfig

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
