"""A policy for your own environment: record demonstrations, train, roll out."""

import argparse

import numpy as np

from dbp_ros.learning import Demonstrations, TrainConfig, TrainedPolicy, train


class PointAroundDisc:
    """A point that must pass a disc on either side; replace it with your environment."""

    def reset(self, seed: int) -> np.ndarray:
        """Return the first state: x, y in [m]."""
        self.position = np.array([-1.0, np.random.default_rng(seed).uniform(-0.2, 0.2)])
        return self.position

    def step(self, action: np.ndarray) -> tuple[np.ndarray, bool, bool]:
        """Move towards `action` by at most 0.15 m; return state, terminated, success."""
        offset = action - self.position
        scale = 0.15 / max(0.15, float(np.linalg.norm(offset)))
        self.position = self.position + scale * offset
        crashed = bool(np.linalg.norm(self.position) < 0.3)
        arrived = bool(self.position[0] > 0.9)
        return self.position, crashed or arrived, arrived


def demonstrate(environment: PointAroundDisc, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the states and actions of one episode; the side is chosen at random."""
    side = np.random.default_rng((seed, 1)).choice([-1.0, 1.0])
    states, actions, state, over = [], [], environment.reset(seed), False
    while not over:
        x = state[0] + 0.1
        action = np.array([x, side * 0.6 * np.cos(np.pi / 2 * np.clip(x, -1, 1))])
        states.append(state)
        actions.append(action)
        state, over, _ = environment.step(action)
    return np.array(states), np.array(actions)


def rollout(environment: PointAroundDisc, policy: TrainedPolicy, seed: int) -> bool:
    """Return whether one episode is solved; two points of each chunk are executed."""
    policy.reset(seed)
    state = environment.reset(seed)
    for decision in range(25):
        chunk = policy(state, time_s=2 * decision * policy.step_s)
        for action in chunk[:2]:
            state, terminated, success = environment.step(action)
            if terminated:
                return success
    return False


def main() -> None:
    """Record demonstrations, train and evaluate a policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-steps", type=int, default=1_500)
    parser.add_argument("--episodes", type=int, default=50)
    arguments = parser.parse_args()
    environment = PointAroundDisc()
    recorded = [demonstrate(environment, seed) for seed in range(100)]
    states, actions = zip(*recorded, strict=True)
    data = Demonstrations.from_arrays(states, actions, step_s=0.1)
    config = TrainConfig(
        num_steps=arguments.num_steps, horizon=4, width=64, branch_width=64, threads=1
    )
    policy = train(data, config)
    solved = [rollout(environment, policy, 1000 + seed) for seed in range(arguments.episodes)]
    print(f"{sum(solved)} of {len(solved)} episodes solved, one forward pass per decision")


if __name__ == "__main__":
    main()
