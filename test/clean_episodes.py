"""Episodes without a fault, for the checks of data sets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dbp_ros.data.episode import Episode

STEPS, STEP_S, LAG = 90, 0.05, 2
JOINTS = ("shoulder_joint", "elbow_joint", "gripper_joint")


def clean(seed: int = 0, steps: int = STEPS, lag: int = LAG) -> Episode:
    """Return an episode whose joints follow their sinusoidal action by some steps."""
    rng = np.random.default_rng(seed)
    phase, times_s = rng.uniform(0, 6, 3), STEP_S * (np.arange(-20, steps + 20))[:, None]
    path = np.array([0.6, 0.4, 0.03]) * np.sin([1.5, 2.2, 1.9] * times_s + phase)
    states = path[20 - lag : 20 - lag + steps] + 1e-4 * rng.standard_normal((steps, 3))
    return Episode(
        task="toy",
        seed=seed,
        mode="",
        outcome="success",
        termination_reason="success",
        state_names=JOINTS,
        action_names=JOINTS,
        step_s=STEP_S,
        states=states.astype(np.float32),
        actions=path[20 : 20 + steps].astype(np.float32),
        rewards=np.zeros(steps, np.float32),
        stamps_ns=np.rint(1e9 * STEP_S * np.arange(steps)).astype(np.int64),
        images={"wrist": rng.integers(0, 255, (steps, 8, 8, 3), np.uint8)},
    )


def changed(field: str, change: Callable[[np.ndarray], None]) -> Episode:
    """Return a clean episode with one array changed in place."""
    values = getattr(clean(), field).copy()
    change(values)
    return replace(clean(), **{field: values})
