"""Meta-World's experts, goals and batched evaluation."""

import numpy as np
import pytest

pytest.importorskip("metaworld", reason="metaworld is not installed")

from metaworld.env_dict import ALL_V3_ENVIRONMENTS

from dbp_ros.envs.metaworld_tasks import (
    ACTION_NAMES,
    DEMONSTRATION_GOALS,
    END_STEPS,
    EVALUATION_GOALS,
    PAPER_LEVELS,
    PAPER_TASKS,
    SMOKE_TASKS,
    STANDARD_TASKS,
    STATE_NAMES,
    STEP_S,
    TASKS,
    MetaworldTask,
)
from dbp_ros.errors import CommandError, ConfigError


@pytest.fixture(scope="module")
def task():
    return MetaworldTask("button-press", 0)


@pytest.fixture(scope="module")
def demo(task):
    return task.demonstrate(0)


def start_of(task: MetaworldTask, goal: int) -> np.ndarray:
    starts = []

    def act(states, live):
        starts.append(states[0])
        return np.zeros((len(states), 4))

    task.rollout(act, [goal], max_steps=1)
    return starts[0]


def replay(actions: np.ndarray):
    steps = iter(actions)
    return lambda states, live: next(steps)[None]


def test_the_expert_solves_the_task_and_continues(task, demo):
    steps = len(demo.actions)
    assert demo.states.shape == (steps, len(STATE_NAMES)) == (steps, 39)
    assert demo.actions.shape == (steps, len(ACTION_NAMES)) == (steps, 4)
    assert demo.states.dtype == demo.actions.dtype == np.float32
    assert np.abs(demo.actions).max() <= 1
    ended = task.rollout(task.expert, [0])
    assert ended.steps[0] == steps - END_STEPS


def test_replayed_actions_solve_their_goal(task, demo):
    ended = task.rollout(replay(demo.actions), [0])
    assert ended.successes.tolist() == [True]
    assert ended.steps[0] == len(demo.actions) - END_STEPS


def test_replayed_actions_do_not_solve_another_goal():
    reach = MetaworldTask("reach", 0)
    ended = reach.rollout(replay(reach.demonstrate(0).actions), [1], max_steps=40)
    assert ended.successes.tolist() == [False]
    assert ended.steps.tolist() == [40]


def test_a_seed_determines_goals_and_demonstrations(demo):
    again = MetaworldTask("button-press", 0).demonstrate(0)
    np.testing.assert_array_equal(again.states, demo.states)
    np.testing.assert_array_equal(again.actions, demo.actions)


def test_another_seed_gives_other_goals(task):
    other = MetaworldTask("button-press", 1)
    assert not np.allclose(start_of(task, 0), start_of(other, 0))


def test_a_reused_environment_gives_the_same_states(demo):
    used = MetaworldTask("button-press", 0)
    used.demonstrate(7, noise=0.5)
    np.testing.assert_array_equal(used.demonstrate(0).states, demo.states)


def test_the_noise_is_executed_and_not_recorded(task, demo):
    noisy = task.demonstrate(0, noise=0.2)
    assert not np.allclose(noisy.states[1], demo.states[1])
    expected = task.expert(noisy.states, np.arange(len(noisy.states)))
    np.testing.assert_array_equal(noisy.actions, expected)
    np.testing.assert_array_equal(task.demonstrate(0, noise=0.2).states, noisy.states)
    other = task.demonstrate(0, 0.2, np.random.default_rng(9))
    assert not np.allclose(other.states[1], noisy.states[1])


def test_the_state_contains_the_previous_state_and_the_goal(demo):
    np.testing.assert_array_equal(demo.states[1:, 18:36], demo.states[:-1, :18])
    assert STATE_NAMES[18] == "last_hand_x"
    assert (demo.states[:, STATE_NAMES.index("goal_y")] > 0.5).all()


def test_the_expert_solves_several_goals_in_lockstep(task):
    batches = []

    def act(states, live):
        batches.append(live.tolist())
        return task.expert(states, live)

    goals = (30, 31, 32)
    together = task.rollout(act, goals)
    assert together.successes.all()
    assert batches[0] == [0, 1, 2]
    assert len(batches) == together.steps.max()
    assert sum(map(len, batches)) == together.steps.sum()
    alone = [int(task.rollout(task.expert, [goal]).steps[0]) for goal in goals]
    assert together.steps.tolist() == alone


def test_goals_of_demonstrations_and_of_evaluation_differ(task):
    assert not set(DEMONSTRATION_GOALS) & set(EVALUATION_GOALS)
    goals = (*DEMONSTRATION_GOALS, *EVALUATION_GOALS)
    assert len({start_of(task, goal).tobytes() for goal in goals}) == 50


def test_the_control_period_is_that_of_the_environments():
    assert {ALL_V3_ENVIRONMENTS[f"{name}-v3"]().dt for name in SMOKE_TASKS} == {STEP_S}


def test_the_lists_name_tasks_that_exist():
    assert {*STANDARD_TASKS, *PAPER_TASKS} <= set(TASKS)
    assert set(SMOKE_TASKS) <= set(STANDARD_TASKS)
    assert len(set(PAPER_TASKS)) == 34
    assert [len(tasks) for tasks in PAPER_LEVELS.values()] == [21, 4, 4, 5]


def test_an_unknown_task_is_rejected_with_the_closest_names():
    with pytest.raises(ConfigError, match=r"'pick-and-place'.*pick-place"):
        MetaworldTask("pick-and-place", 0)


@pytest.mark.parametrize("goal", [-1, 50])
def test_an_unknown_goal_is_rejected(task, goal):
    with pytest.raises(ConfigError, match=f"goal {goal} of button-press.*0 to 49"):
        task.demonstrate(goal)


def test_more_steps_than_an_episode_has_are_rejected(task):
    with pytest.raises(ConfigError, match="max_steps is 501"):
        task.rollout(task.expert, [0], max_steps=501)


def test_invalid_actions_are_rejected(task):
    with pytest.raises(CommandError, match=r"\(2, 4\).*\(4,\)"):
        task.rollout(lambda states, live: np.zeros(4), [0, 1])
    with pytest.raises(CommandError, match="not finite"):
        task.rollout(lambda states, live: np.full((2, 4), np.nan), [0, 1])
