"""The obstacle toy, and runs of the online learning benchmark."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rl import training as rl
from benchmarks.rl.envs import OBSTACLE, SUITES, select_envs
from benchmarks.rl.obstacle import (
    FIRST_SHARE,
    MAX_STEPS,
    OBSTACLE_RADIUS,
    ObstacleEnv,
    demonstrations,
    imitate,
)
from benchmarks.rl.run import plot, summary
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

HERE = np.zeros(1, np.int64)


def test_a_point_that_moves_straight_ahead_collides() -> None:
    env = ObstacleEnv(1)
    env.reset(HERE, [0])
    for _ in range(MAX_STEPS):
        step = env.step(HERE, np.array([[1.0, 0.0]], np.float32))
        if step.ended[0]:
            break
    assert step.terminated[0]
    assert not step.successes[0]
    assert step.rewards[0] < -0.8
    assert np.linalg.norm(step.states[0]) < OBSTACLE_RADIUS


def test_a_point_at_rest_is_truncated() -> None:
    env = ObstacleEnv(1)
    env.reset(HERE, [0])
    steps = [env.step(HERE, np.zeros((1, 2), np.float32)) for _ in range(MAX_STEPS)]
    assert [bool(step.truncated[0]) for step in steps] == [False] * (MAX_STEPS - 1) + [True]
    assert not any(step.terminated[0] for step in steps)


def test_demonstrations_use_both_routes_and_are_reproducible() -> None:
    data, again = demonstrations(3), demonstrations(3)
    np.testing.assert_array_equal(data.actions, again.actions)
    highest = [
        data.states[data.episode == index, 1][len(data.states[data.episode == index]) // 2]
        for index in range(data.episodes)
    ]
    assert np.mean(np.array(highest) > 0) == pytest.approx(FIRST_SHARE, abs=0.2)
    assert np.linalg.norm(data.states, axis=1).min() >= OBSTACLE_RADIUS


@pytest.mark.parametrize("method", [name for name in rl.METHODS if name != "dfp"])
def test_a_run_fills_the_table_and_is_not_repeated(tmp_path: Path, method: str) -> None:
    env = replace(OBSTACLE, imitate=untrained, updates=2, eval_every=1, episodes=4)
    small = replace(env, config=replace(env.config, num_envs=4, critic_warmup_updates=1))
    table = ResultTable(tmp_path, rl.NAME, rl.COLUMNS, rl.KEY)
    (job,) = rl.rl_jobs([rl.METHODS[method]], [small], 1, table)
    for row in rl.run_rl(job):
        table.add(row)
    assert rl.rl_jobs([rl.METHODS[method]], [small], 1, table) == []
    steps = table.numbers("env_steps")
    assert steps[0] == 0 < steps[1] < steps[2] <= 2 * 4 * 16 * 4
    assert table.numbers("kl")[1] == 0.0
    assert table.numbers("kl")[2] > 0.0
    assert plot(table).stat().st_size > 0
    (row,) = summary(table)
    assert row["at the end"] == table.numbers(row["metric"])[-1]
    finished = read_checkpoint(tmp_path / "policies" / f"obstacle_{method}_0")
    assert finished.metadata["finetuned"]["steps"] == steps[-1]


def test_environments_of_a_suite_are_selected_by_name() -> None:
    assert select_envs("standard", "") == list(SUITES["standard"])
    assert [env.name for env in select_envs("standard", "Hopper-v5, push_5")] == [
        "Hopper-v5",
        "push_5",
    ]
    with pytest.raises(ConfigError, match="suite 'smoke' has no environment 'push_5'"):
        select_envs("smoke", "push_5")


def untrained(method: str, seed: int, folder: Path) -> Checkpoint:
    del folder
    return imitate(method, seed, updates=1)


def test_the_cell_renders_the_cameras_of_the_weak_policy() -> None:
    (reach,) = select_envs("cell", "")
    env = reach.open(2, True)
    assert env.reset(np.arange(2), [1, 2]).shape == (2, len(DUAL_UR5E_JOINTS))
    images = env.render(np.arange(2))
    assert {name: image.shape for name, image in images.items()} == {
        "left_wrist_camera": (2, 84, 84, 3),
        "right_wrist_camera": (2, 84, 84, 3),
    }
    assert reach.config.n_action_steps == 1
