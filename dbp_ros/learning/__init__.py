"""Imitation learning and export; `train` returns a callable policy."""

from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.dataset import Demonstrations, load_demonstrations
from dbp_ros.learning.trained_policy import TrainedPolicy, train

__all__ = ["Demonstrations", "TrainConfig", "TrainedPolicy", "load_demonstrations", "train"]
