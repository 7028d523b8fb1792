"""Model that turns both shoulders at a constant speed."""

from pathlib import Path

import numpy as np
from processes.fake_robot import CAMERA, CONFIG, SPEED_RAD_S
from toy_bundle import FEATURE_GAIN, write_toy_bundle

SHOULDERS = [0, 7]
STEP_S = 1 / 30


def write_turner(directory: Path, mean_pixel: float) -> Path:
    """Write the model as a bundle and return its folder.

    Args:
        directory: Folder of the bundle.
        mean_pixel: Mean of the images, whose effect on the action of a toy policy is compensated;
            otherwise all joints accelerate.
    """
    velocity = np.zeros(len(CONFIG.joints))
    velocity[SHOULDERS] = SPEED_RAD_S
    ramp = np.arange(1, 9)[:, None] * STEP_S * velocity - FEATURE_GAIN * mean_pixel
    return write_toy_bundle(
        directory,
        graph_joints=CONFIG.joints,
        graph_cameras=(CAMERA,),
        ramp=ramp,
        step_s=STEP_S,
    )
