"""The method: drifting fields, their loss and one-step generators. It needs PyTorch alone."""

from dbp_ros.drift.energy import energy_score
from dbp_ros.drift.generator import NoiseSkip, OneStepGenerator
from dbp_ros.drift.losses import drift_loss
from dbp_ros.drift.nearest_neighbours import nearest_neighbours
from dbp_ros.drift.schedule import TemperatureSchedule

__all__ = [
    "NoiseSkip",
    "OneStepGenerator",
    "TemperatureSchedule",
    "drift_loss",
    "energy_score",
    "nearest_neighbours",
]
