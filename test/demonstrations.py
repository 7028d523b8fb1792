"""Recordings of demonstrations without a policy, as the recorder node writes them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from own_bags import write_own_bag
from recorded_bag import START_NS, image_message, joint_state
from toy_episodes import JOINTS

from dbp_ros.data.bags.bag import Bag, EpisodeEnd
from dbp_ros.data.recording.recorder import bag_path

CAMERAS = ("head", "wrist")
STEP_NS = 33_333_333
STEPS = 45


def write_demonstration(
    folder: Path, number: int, outcome: str = "success", rest_s: float = 0.0
) -> Path:
    """Write an episode of 1.5 s that begins at rest; image `k` of a camera has the value `k`."""
    times_ns = [START_NS + step * STEP_NS for step in range(STEPS)]
    phases = np.maximum(0.0, np.linspace(0, 3, STEPS) - 2 * rest_s)
    waves = np.sin(phases + 0.1 * number)
    paths = 0.3 * waves[:, None] * np.array([1.0, 0.5, 0.05])
    images = np.arange(STEPS, dtype=np.uint8)[:, None, None, None] + np.zeros(
        (STEPS, 24, 32, 3), np.uint8
    )
    messages = {
        "joint_states": [
            (ns, joint_state(JOINTS, path, ns)) for ns, path in zip(times_ns, paths, strict=True)
        ],
        "command.arm": [
            (ns, SimpleNamespace(data=list(path + 0.01)))
            for ns, path in zip(times_ns, paths, strict=True)
        ],
    }
    for camera in CAMERAS:
        messages[f"image.{camera}"] = [
            (ns, image_message(image, ns)) for ns, image in zip(times_ns, images, strict=True)
        ]
    metadata = {
        "task": "toy",
        "joints": list(JOINTS),
        "cameras": list(CAMERAS),
        "controllers": {"arm": len(JOINTS)},
        "model": None,
    }
    bag = Bag(metadata, messages, EpisodeEnd(outcome, outcome, times_ns[-1]))
    return write_own_bag(bag_path(folder, number), bag)
