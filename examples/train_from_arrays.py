"""Train from arrays, export a bundle, and load it without PyTorch."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from dbp_ros.learning import Demonstrations, TrainConfig, train
from dbp_ros.policy import load_policy


def demonstrations(episodes: int, steps: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Return a point on its way to a goal: states (x, y, goal x, goal y), actions (next x, y)."""
    rng = np.random.default_rng(0)
    start, goal = rng.uniform(-1, 1, (2, episodes, 1, 2))
    path = goal + (start - goal) * 0.85 ** np.arange(steps + 1)[:, None]
    states = np.concatenate([path[:, :-1], np.repeat(goal, steps, axis=1)], axis=2)
    return states, path[:, 1:]


def main() -> None:
    """Train and export a policy, load it, and compare both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-steps", type=int, default=2_000)
    arguments = parser.parse_args()
    states, actions = demonstrations(episodes=50)
    data = Demonstrations.from_arrays(states, actions, step_s=0.1)
    config = TrainConfig(num_steps=arguments.num_steps, width=64, branch_width=64, threads=1)
    policy = train(data, config)
    print(f"validation error: {policy.metrics['validation_error']:.3f}")
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_policy(policy.export(Path(folder) / "to_goal"))
        print(f"PyTorch      {policy(states[0, 0])[0].round(3)}")
        print(f"ONNX Runtime {loaded(states[0, 0])[0].round(3)}")
    print(f"demonstrated {actions[0, 0].round(3)}")


if __name__ == "__main__":
    main()
