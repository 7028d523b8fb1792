"""Environments: an episode is determined by its seed and its actions."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.envs.env import CameraView
from dbp_ros.envs.hand_frame import to_hand_frame
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.metaworld_env import (
    TRAINING_STEPS,
    MetaworldEnv,
    evaluation_goals,
    training_goals,
)
from dbp_ros.envs.metaworld_tasks import EVALUATION_GOALS, MAX_STEPS, MetaworldTask
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.rl.resumable_env import ResumableEnv
from dbp_ros.settings.environment import EnvConfig
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import Floats, Image

ALL = np.arange(3)
COLUMNS = {"Hopper-v5": 3, "metaworld/push": 4, "cell/lift": 14}


@pytest.fixture(params=COLUMNS, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def envs(name: str) -> Iterator[LocalVectorEnv]:
    made = LocalVectorEnv(EnvSpec(name), 3)
    yield made
    made.close()


def with_next_state(actions: Floats, states: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield each action with the state after it."""
    return zip(actions[:-1], states[1:], strict=True)


def random_rollout(
    envs: LocalVectorEnv | ResumableEnv, columns: int, steps: int, seed: int = 0
) -> list[Floats]:
    """Return the states under random actions from seeds 5, 6, 7; odd steps exclude index 0."""
    rng = np.random.default_rng(seed)
    states = [envs.reset(ALL, (5, 6, 7))]
    for step in range(steps):
        actions = 0.1 * rng.standard_normal((3, columns)).astype(np.float32)
        indices = ALL[step % 2 :]
        states.append(envs.step(indices, actions[indices]).states)
    return states


def test_the_same_seeds_and_actions_give_the_same_states_after_other_episodes(
    name: str, envs: LocalVectorEnv
) -> None:
    columns = COLUMNS[name]
    first = random_rollout(envs, columns, 12)
    random_rollout(envs, columns, 7, seed=1)
    for expected, actual in zip(first, random_rollout(envs, columns, 12), strict=True):
        np.testing.assert_array_equal(expected, actual)
    assert not np.array_equal(first[0][0], first[0][1])


def test_processes_give_the_same_states(name: str, envs: LocalVectorEnv) -> None:
    columns = COLUMNS[name]
    processes = LocalVectorEnv(EnvSpec(name), 3, processes=True)
    try:
        for expected, actual in zip(
            random_rollout(envs, columns, 6), random_rollout(processes, columns, 6), strict=True
        ):
            np.testing.assert_array_equal(expected, actual)
    finally:
        processes.close()


def test_only_the_given_indices_are_stepped(name: str, envs: LocalVectorEnv) -> None:
    initial = envs.reset(ALL, (1, 2, 3))
    action = np.zeros((1, COLUMNS[name]), np.float32)
    moved = envs.step(np.array([1]), action).states
    assert not np.array_equal(moved[0], initial[1])
    repeated = envs.reset(np.array([2, 1]), (3, 2))
    np.testing.assert_array_equal(repeated, initial[[2, 1]])


def test_unfinished_episodes_are_replayed(name: str, envs: LocalVectorEnv) -> None:
    columns = COLUMNS[name]
    recorded = ResumableEnv(envs)
    random_rollout(recorded, columns, 9)
    saved = recorded.episodes()
    next_action = np.full((3, columns), 0.05, np.float32)
    expected = recorded.step(ALL, next_action).states
    random_rollout(envs, columns, 3, seed=4)
    resumed = ResumableEnv(envs)
    resumed.replay(*saved)
    np.testing.assert_array_equal(resumed.step(ALL, next_action).states, expected)
    assert len(resumed.episodes()[1][2]) == len(saved[1][2]) + 1


VIEW = CameraView(("left_gripper_joint", "left_mat_x"), {"left_wrist_camera": (24, 32)}, 0.2)


def view_of(envs: LocalVectorEnv) -> Image:
    return envs.render(np.zeros(1, int))["left_wrist_camera"][0]


@pytest.mark.parametrize("processes", [False, True])
def test_a_cell_has_the_observations_and_rate_of_its_view(processes: bool) -> None:
    spec = EnvSpec("cell/reach", view=VIEW)
    one, several = LocalVectorEnv(spec, 1), LocalVectorEnv(spec, 3, processes)
    try:
        still = Simulation("reach").home[None].astype(np.float32)
        initial = several.reset(ALL, (5, 6, 7))
        assert initial.shape == (3, 2)
        first = several.render(ALL)["left_wrist_camera"]
        assert first.shape == (3, 24, 32, 3)
        several.step(np.array([1]), still)
        repeated = several.render(np.array([2, 1]))["left_wrist_camera"]
        np.testing.assert_array_equal(repeated[0], first[2])
        np.testing.assert_array_equal(one.reset(np.zeros(1, int), (6,))[0], initial[1])
        np.testing.assert_array_equal(view_of(one), first[1])
        one.step(np.zeros(1, int), still)
        np.testing.assert_array_equal(view_of(one), repeated[1])
        steps = 1
        while not one.step(np.zeros(1, int), still).truncated[0]:
            steps += 1
        assert (steps + 1) * 0.2 == pytest.approx(Simulation("reach").time_limit_s)
    finally:
        one.close()
        several.close()


def test_a_view_of_unknown_observations_is_rejected() -> None:
    for view, message in (
        (replace(VIEW, state_names=("tail",)), "cell/reach has no state tail: it has left_"),
        (replace(VIEW, cameras={"tail": (24, 32)}), "cell/reach has no camera tail: it has "),
        (
            replace(VIEW, cameras={"head_camera": (24, 32), "left_wrist_camera": (48, 64)}),
            "expected equal sizes",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            EnvSpec("cell/reach", view=view).make()


def test_a_fall_is_terminated_and_returns_its_last_state() -> None:
    hopper = LocalVectorEnv(EnvSpec("Hopper-v5"), 2)
    initial = hopper.reset(np.arange(2), (0, 1))
    forward = np.ones((2, 3), np.float32)
    ends = [hopper.step(np.arange(2), forward) for _ in range(60)]
    fallen = next(end for end in ends if end.terminated[0])
    assert not fallen.truncated[0]
    assert abs(fallen.states[0] - initial[0]).max() > 0.2
    assert fallen.rewards[0] != 0


def test_gymnasium_s_time_limit_is_truncated() -> None:
    pendulum = LocalVectorEnv(EnvSpec("Pendulum-v1", config=EnvConfig(step_s=0.05)), 1)
    pendulum.reset(np.zeros(1, int), (0,))
    still = np.zeros((1, 1), np.float32)
    ends = [pendulum.step(np.zeros(1, int), still) for _ in range(200)]
    assert [bool(end.truncated[0]) for end in ends] == [False] * 199 + [True]
    assert not any(end.terminated[0] for end in ends)


def test_metaworld_has_a_sparse_reward_and_terminates_at_success() -> None:
    task = MetaworldTask("push", 0)
    demo = next(demo for goal in EVALUATION_GOALS if (demo := task.demonstrate(goal)))
    goal = next(g for g in EVALUATION_GOALS if task.demonstrate(g)) - EVALUATION_GOALS[0]
    env = MetaworldEnv("push", evaluation=True)
    np.testing.assert_array_equal(env.reset(goal), to_hand_frame(demo.states[0]))
    rewards = []
    for action in demo.actions:
        result = env.step(action)
        rewards.append(result.reward)
        if result.terminated:
            break
    assert result.success
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


@pytest.mark.parametrize(("evaluation", "limit"), [(True, MAX_STEPS), (False, TRAINING_STEPS)])
def test_metaworld_is_truncated_at_its_time_limit(evaluation: bool, limit: int) -> None:
    env = MetaworldEnv("push", evaluation)
    env.reset(0)
    results = [env.step(np.zeros(4)) for _ in range(limit)]
    assert [m.truncated for m in results] == [False] * (limit - 1) + [True]


@pytest.mark.parametrize("name", ["push", "pick-place", "assembly", "peg-insert-side"])
def test_metaworld_without_its_contact_test_gives_the_same_states(name: str) -> None:
    task = MetaworldTask(name, 0)
    solved = (
        (index, demo)
        for index, goal in enumerate(EVALUATION_GOALS)
        if (demo := task.demonstrate(goal))
    )
    index, demo = next(solved)
    env = MetaworldEnv(name, evaluation=True)
    env.reset(index)
    for action, state in with_next_state(demo.actions, demo.states):
        result = env.step(action.astype(np.float64))
        np.testing.assert_array_equal(result.state, to_hand_frame(state))
        if result.success:
            return
    raise AssertionError("the expert's actions did not solve it")


def test_training_and_evaluation_share_no_goal() -> None:
    training = {goal.data for goal in training_goals("push")}
    assert len(training) == 200
    assert not training & {goal.data for goal in evaluation_goals("push")}


def test_an_unsupported_environment_is_rejected_by_name() -> None:
    for name, message in (
        ("metaworld/pusch", "no task 'pusch'.*push"),
        ("cell/lft", "no task 'lft'"),
        ("Hoper-v5", "gymnasium cannot make 'Hoper-v5'"),
        ("CartPole-v1", "CartPole-v1 has actions"),
    ):
        with pytest.raises(ConfigError, match=message):
            LocalVectorEnv(EnvSpec(name), 1)


def test_a_non_finite_action_is_rejected(name: str, envs: LocalVectorEnv) -> None:
    envs.reset(ALL, (0, 1, 2))
    bad = np.zeros((2, COLUMNS[name]), np.float32)
    bad[1, 0] = np.nan
    with pytest.raises(CommandError, match="environment 2 is not finite"):
        envs.step(np.array([0, 2]), bad)
