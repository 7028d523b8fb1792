"""Online learning is compared on a env that does what it says."""

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
from benchmarks.rl.run import draw, summary
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS

HERE = np.zeros(1, np.int64)


def test_a_point_that_goes_straight_ahead_runs_into_the_disc() -> None:
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


def test_a_point_that_stands_still_is_cut_short() -> None:
    env = ObstacleEnv(1)
    env.reset(HERE, [0])
    steps = [env.step(HERE, np.zeros((1, 2), np.float32)) for _ in range(MAX_STEPS)]
    assert [bool(step.truncated[0]) for step in steps] == [False] * (MAX_STEPS - 1) + [True]
    assert not any(step.terminated[0] for step in steps)


def test_demonstrations_go_round_on_both_sides_and_are_the_same_for_a_seed() -> None:
    shown, again = demonstrations(3), demonstrations(3)
    np.testing.assert_array_equal(shown.actions, again.actions)
    highest = [
        shown.states[shown.episode == index, 1][len(shown.states[shown.episode == index]) // 2]
        for index in range(shown.episodes)
    ]
    assert np.mean(np.array(highest) > 0) == pytest.approx(FIRST_SHARE, abs=0.2)
    assert np.linalg.norm(shown.states, axis=1).min() >= OBSTACLE_RADIUS


@pytest.mark.parametrize("method", [name for name in rl.METHODS if name != "dfp"])
def test_a_run_fills_the_table_and_is_not_made_again(tmp_path: Path, method: str) -> None:
    arena = replace(OBSTACLE, imitate=untrained, updates=2, eval_every=1, episodes=4)
    small = replace(arena, config=replace(arena.config, environments=4, critic_warm_up=1))
    table = ResultTable(tmp_path, rl.NAME, rl.COLUMNS, rl.KEY)
    (job,) = rl.rl_jobs([rl.METHODS[method]], [small], 1, table)
    for row in rl.run_rl(job):
        table.add(row)
    assert rl.rl_jobs([rl.METHODS[method]], [small], 1, table) == []
    steps = table.numbers("env_steps")
    assert steps[0] == 0 < steps[1] < steps[2] <= 2 * 4 * 16 * 4
    assert table.numbers("kl")[1] == 0.0
    assert table.numbers("kl")[2] > 0.0
    assert draw(table).stat().st_size > 0
    (row,) = summary(table)
    assert row["at the end"] == table.numbers(row["measure"])[-1]
    finished = read_checkpoint(tmp_path / "policies" / f"obstacle_{method}_0")
    assert finished.facts["finetuned"]["steps"] == steps[-1]


def test_environments_of_a_suite_are_chosen_by_name() -> None:
    assert select_envs("standard", "") == list(SUITES["standard"])
    assert [arena.name for arena in select_envs("standard", "Hopper-v5, push_5")] == [
        "Hopper-v5",
        "push_5",
    ]
    with pytest.raises(ConfigError, match="suite 'smoke' has no environment 'push_5'"):
        select_envs("smoke", "push_5")


def untrained(method: str, seed: int, folder: Path) -> Checkpoint:
    del folder
    return imitate(method, seed, updates=1)


def test_the_weak_policy_of_the_cell_practises_with_what_it_sees() -> None:
    (arena,) = select_envs("cell", "")
    env = arena.open(2, True)
    assert env.reset(np.arange(2), [1, 2]).shape == (2, len(DUAL_UR5E_JOINTS))
    seen = env.render(np.arange(2))
    assert {name: image.shape for name, image in seen.items()} == {
        "left_wrist_camera": (2, 84, 84, 3),
        "right_wrist_camera": (2, 84, 84, 3),
    }
    assert arena.config.n_action_steps == 1
