"""An environment of gymnasium with an expert, for `dbp collect --env own_environment:Point-v0`."""

import gymnasium
import numpy as np


class PointEnv(gymnasium.Env):
    """A point that moves to a goal; replace it with your environment."""

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Dict(
        position=gymnasium.spaces.Box(-1, 1, (2,)), goal=gymnasium.spaces.Box(-1, 1, (2,))
    )
    action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def reset(self, *, seed=None, options=None):
        """Place point and goal at random; all random numbers come from the seed."""
        super().reset(seed=seed)
        self.position, self.goal = self.np_random.uniform(-1, 1, (2, 2)).astype(np.float32)
        return self._observation(), {}

    def step(self, action):
        """Move by the action times 0.1."""
        self.position = np.clip(self.position + 0.1 * action, -1, 1).astype(np.float32)
        distance = float(np.linalg.norm(self.goal - self.position))
        arrived = distance < 0.05
        return self._observation(), -distance, arrived, False, {"is_success": arrived}

    def _observation(self):
        return {"position": self.position, "goal": self.goal.copy()}


def expert(observation):
    """Return the action towards the goal."""
    return np.clip(5 * (observation["goal"] - observation["position"]), -1, 1)


gymnasium.register("Point-v0", PointEnv, max_episode_steps=60)

if __name__ == "__main__":
    env = gymnasium.make("Point-v0")
    observation, ended, steps = env.reset(seed=0)[0], False, 0
    while not ended:
        observation, _, terminated, truncated, info = env.step(expert(observation))
        ended, steps = terminated or truncated, steps + 1
    print(f"the expert ends after {steps} steps, solved: {info['is_success']}")
