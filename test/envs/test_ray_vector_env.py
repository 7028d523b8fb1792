"""Workers of Ray: the same steps as in one process."""

import numpy as np
import pytest

from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.errors import CommandError
from dbp_ros.settings.environment import EnvConfig

pytest.importorskip("ray", reason="ray is not installed: pip install '.[ray]'")

from dbp_ros.envs.ray_vector_env import RayVectorEnv

PENDULUM = EnvSpec("Pendulum-v1", config=EnvConfig(step_s=0.05))


@pytest.mark.parametrize(("name", "columns"), [("Hopper-v5", 3), ("metaworld/push", 4)])
def test_two_workers_step_like_two_local_environments(name: str, columns: int) -> None:
    local, remote = LocalVectorEnv(EnvSpec(name), 5), RayVectorEnv(EnvSpec(name), 5, workers=2)
    try:
        chance = np.random.default_rng(0)
        everywhere = np.array([3, 0, 4, 1, 2])
        here, there = (env.reset(everywhere, (8, 6, 9, 5, 7)) for env in (local, remote))
        np.testing.assert_array_equal(here, there)
        for step in range(20):
            indices = everywhere[: 5 - step % 5]
            actions = chance.uniform(-1, 1, (len(indices), columns))
            one, two = (env.step(indices, actions.astype(np.float32)) for env in (local, remote))
            for column in ("states", "rewards", "terminated", "truncated", "successes", "clipped"):
                np.testing.assert_array_equal(getattr(one, column), getattr(two, column))
            if step == 10:
                again = np.array([4, 1])
                rows = [env.reset(again, (20, 21)) for env in (local, remote)]
                np.testing.assert_array_equal(*rows)
    finally:
        remote.close()
        local.close()


def test_training_and_evaluation_run_at_the_same_time() -> None:
    first, second = (RayVectorEnv(PENDULUM, 2, workers=2) for _ in range(2))
    try:
        for env in (first, second):
            assert env.reset(np.arange(2), (0, 1)).shape == (2, 3)
    finally:
        first.close()
        second.close()


def test_an_error_of_a_worker_is_raised_as_in_one_process() -> None:
    env = RayVectorEnv(PENDULUM, 1, workers=1)
    try:
        env.reset(np.zeros(1, int), (0,))
        with pytest.raises(CommandError, match=r"^the action of environment 0 is not finite"):
            env.step(np.zeros(1, int), np.full((1, 1), np.nan, np.float32))
    finally:
        env.close()
