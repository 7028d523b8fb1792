"""Episodes of a toy robot."""

from dataclasses import replace
from typing import Any

import numpy as np

from dbp_ros.data.episode import Episode

JOINTS = ("left_elbow_joint", "left_idle_joint", "left_gripper_joint")


def table_episode(
    wave: np.ndarray, states: dict[str, float], actions: dict[str, float], **changes: Any
) -> Episode:
    """Return an episode whose columns are a wave, each with its own amplitude."""
    steps = len(wave)
    made = Episode(
        task="pick",
        seed=-1,
        mode="",
        outcome="success",
        termination_reason="operator",
        state_names=tuple(states),
        action_names=tuple(actions),
        step_s=0.05,
        states=wave[:, None] * np.array(list(states.values()), np.float32),
        actions=wave[:, None] * np.array(list(actions.values()), np.float32),
        rewards=np.zeros(steps, np.float32),
        stamps_ns=np.arange(steps, dtype=np.int64),
    )
    return replace(made, **changes)


def episode(seed: int, steps: int = 9, **changes: Any) -> Episode:
    """Return an episode in which one joint moves and one stands still."""
    rng = np.random.default_rng(seed)
    path = np.zeros((steps + 1, 3), np.float32)
    path[:, 0] = np.linspace(0, rng.uniform(0.5, 1.0), steps + 1)
    path[:, 2] = 0.04
    made = Episode(
        task="toy",
        seed=seed,
        mode="left",
        outcome="success",
        termination_reason="success",
        state_names=JOINTS,
        action_names=JOINTS,
        step_s=1 / 30,
        states=path[:-1],
        actions=path[1:],
        rewards=np.zeros(steps, np.float32),
        stamps_ns=np.arange(steps),
        images={
            name: rng.integers(0, 255, (steps, 24, 32, 3), np.uint8) for name in ("head", "wrist")
        },
    )
    return replace(made, **changes)
