"""Environments to practise in: every episode follows from its seed and its actions alone."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.envs.env import CameraView
from dbp_ros.envs.hand_frame import seen_from_hand
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.metaworld import EVALUATION_GOALS, MAX_STEPS, MetaworldTask
from dbp_ros.envs.metaworld_env import (
    PRACTICE_STEPS,
    MetaworldEnv,
    evaluation_goals,
    practice_goals,
)
from dbp_ros.envs.registry import EnvId
from dbp_ros.errors import CommandError, ConfigError
from dbp_ros.rl.resumable_env import ResumableEnv
from dbp_ros.sim.simulation import Simulation
from dbp_ros.types import Floats

ALL = np.arange(3)
COLUMNS = {"Hopper-v5": 3, "metaworld/push": 4, "cell/lift": 14}


@pytest.fixture(params=COLUMNS, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def gym(name: str) -> Iterator[LocalVectorEnv]:
    made = LocalVectorEnv(EnvId(name), 3)
    yield made
    made.close()


def followed(actions: Floats, states: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield each action with the state after it."""
    return zip(actions[:-1], states[1:], strict=True)


def played(
    gym: LocalVectorEnv | ResumableEnv, columns: int, steps: int, seed: int = 0
) -> list[Floats]:
    """Random actions from the starts of seeds 5, 6, 7; at odd steps only the last two go on."""
    chance = np.random.default_rng(seed)
    states = [gym.reset(ALL, (5, 6, 7))]
    for step in range(steps):
        actions = 0.1 * chance.standard_normal((3, columns)).astype(np.float32)
        places = ALL[step % 2 :]
        states.append(gym.step(places, actions[places]).states)
    return states


def test_the_same_seeds_and_actions_give_the_same_states_after_other_episodes(
    name: str, gym: LocalVectorEnv
) -> None:
    columns = COLUMNS[name]
    first = played(gym, columns, 12)
    played(gym, columns, 7, seed=1)
    for one, two in zip(first, played(gym, columns, 12), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0][0], first[0][1])


def test_a_process_for_each_place_gives_the_same_states(name: str, gym: LocalVectorEnv) -> None:
    columns = COLUMNS[name]
    processes = LocalVectorEnv(EnvId(name), 3, processes=True)
    try:
        for one, two in zip(played(gym, columns, 6), played(processes, columns, 6), strict=True):
            np.testing.assert_array_equal(one, two)
    finally:
        processes.close()


def test_only_the_places_that_are_asked_move(name: str, gym: LocalVectorEnv) -> None:
    begun = gym.reset(ALL, (1, 2, 3))
    action = np.zeros((1, COLUMNS[name]), np.float32)
    moved = gym.step(np.array([1]), action).states
    assert not np.array_equal(moved[0], begun[1])
    again = gym.reset(np.array([2, 1]), (3, 2))
    np.testing.assert_array_equal(again, begun[[2, 1]])


def test_unfinished_episodes_are_lived_again(name: str, gym: LocalVectorEnv) -> None:
    columns = COLUMNS[name]
    recorded = ResumableEnv(gym)
    played(recorded, columns, 9)
    saved = recorded.episodes()
    next_action = np.full((3, columns), 0.05, np.float32)
    expected = recorded.step(ALL, next_action).states
    played(gym, columns, 3, seed=4)
    resumed = ResumableEnv(gym)
    resumed.relive(*saved)
    np.testing.assert_array_equal(resumed.step(ALL, next_action).states, expected)
    assert len(resumed.episodes()[1][2]) == len(saved[1][2]) + 1


VIEW = CameraView(("left_gripper_joint", "left_mat_x"), {"left_wrist_camera": (24, 32)}, 0.2)


@pytest.mark.parametrize("processes", [False, True])
def test_a_cell_shows_what_a_policy_asks_for_at_its_pace(processes: bool) -> None:
    gym = EnvId("cell/reach", view=VIEW)
    one, several = LocalVectorEnv(gym, 1), LocalVectorEnv(gym, 3, processes)
    try:
        still = Simulation("reach").home[None].astype(np.float32)
        begun = several.reset(ALL, (5, 6, 7))
        assert begun.shape == (3, 2)
        first = several.look(ALL)["left_wrist_camera"]
        assert first.shape == (3, 24, 32, 3)
        several.step(np.array([1]), still)
        again = several.look(np.array([2, 1]))["left_wrist_camera"]
        np.testing.assert_array_equal(again[0], first[2])
        np.testing.assert_array_equal(one.reset(np.zeros(1, int), (6,))[0], begun[1])
        np.testing.assert_array_equal(one.look(np.zeros(1, int))["left_wrist_camera"][0], first[1])
        one.step(np.zeros(1, int), still)
        np.testing.assert_array_equal(one.look(np.zeros(1, int))["left_wrist_camera"][0], again[1])
        steps = 1
        while not one.step(np.zeros(1, int), still).truncated[0]:
            steps += 1
        assert (steps + 1) * 0.2 == pytest.approx(Simulation("reach").time_limit_s)
    finally:
        one.close()
        several.close()


def test_a_cell_without_what_is_asked_for_is_refused_by_name() -> None:
    for view, message in (
        (replace(VIEW, state_names=("tail",)), "cell/reach has no state tail: it has left_"),
        (replace(VIEW, cameras={"tail": (24, 32)}), "cell/reach has no camera tail: it has "),
        (
            replace(VIEW, cameras={"head_camera": (24, 32), "left_wrist_camera": (48, 64)}),
            "those of a cell are all alike",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            EnvId("cell/reach", view=view).make()


def test_a_fall_is_terminated_and_its_last_state_is_not_a_first_one() -> None:
    hopper = LocalVectorEnv(EnvId("Hopper-v5"), 2)
    begun = hopper.reset(np.arange(2), (0, 1))
    forward = np.ones((2, 3), np.float32)
    ends = [hopper.step(np.arange(2), forward) for _ in range(60)]
    fallen = next(end for end in ends if end.terminated[0])
    assert not fallen.truncated[0]
    assert abs(fallen.states[0] - begun[0]).max() > 0.2
    assert fallen.rewards[0] != 0


def test_gymnasium_s_time_limit_is_truncated() -> None:
    pendulum = LocalVectorEnv(EnvId("Pendulum-v1"), 1)
    pendulum.reset(np.zeros(1, int), (0,))
    still = np.zeros((1, 1), np.float32)
    ends = [pendulum.step(np.zeros(1, int), still) for _ in range(200)]
    assert [bool(end.truncated[0]) for end in ends] == [False] * 199 + [True]
    assert not any(end.terminated[0] for end in ends)


def test_meta_world_pays_for_success_alone_and_ends_there() -> None:
    task = MetaworldTask("push", 0)
    shown = next(shown for goal in EVALUATION_GOALS if (shown := task.demonstrate(goal)))
    goal = next(g for g in EVALUATION_GOALS if task.demonstrate(g)) - EVALUATION_GOALS[0]
    world = MetaworldEnv("push", evaluation=True)
    np.testing.assert_array_equal(world.reset(goal), seen_from_hand(shown.states[0]))
    rewards = []
    for action in shown.actions:
        moment = world.step(action)
        rewards.append(moment.reward)
        if moment.terminated:
            break
    assert moment.success
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


@pytest.mark.parametrize(("evaluation", "limit"), [(True, MAX_STEPS), (False, PRACTICE_STEPS)])
def test_meta_world_is_truncated_at_its_time_limit(evaluation: bool, limit: int) -> None:
    world = MetaworldEnv("push", evaluation)
    world.reset(0)
    moments = [world.step(np.zeros(4)) for _ in range(limit)]
    assert [m.truncated for m in moments] == [False] * (limit - 1) + [True]


@pytest.mark.parametrize("name", ["push", "pick-place", "assembly", "peg-insert-side"])
def test_meta_world_goes_the_same_way_when_nobody_asks_what_is_touched(name: str) -> None:
    task = MetaworldTask(name, 0)
    solved = (
        (index, shown)
        for index, goal in enumerate(EVALUATION_GOALS)
        if (shown := task.demonstrate(goal))
    )
    index, shown = next(solved)
    world = MetaworldEnv(name, evaluation=True)
    world.reset(index)
    for action, state in followed(shown.actions, shown.states):
        moment = world.step(action.astype(np.float64))
        np.testing.assert_array_equal(moment.state, seen_from_hand(state))
        if moment.success:
            return
    raise AssertionError("the expert's actions did not solve it")


def test_practice_and_evaluation_share_no_goal() -> None:
    practice = {goal.data for goal in practice_goals("push")}
    assert len(practice) == 200
    assert not practice & {goal.data for goal in evaluation_goals("push")}


def test_what_cannot_be_learned_in_is_refused_by_name() -> None:
    for name, message in (
        ("metaworld/pusch", "no task 'pusch'.*push"),
        ("cell/lft", "no task 'lft'"),
        ("Hoper-v5", "gymnasium cannot make 'Hoper-v5'"),
        ("CartPole-v1", "CartPole-v1 has actions"),
    ):
        with pytest.raises(ConfigError, match=message):
            LocalVectorEnv(EnvId(name), 1)


def test_an_action_that_is_not_a_number_is_refused(name: str, gym: LocalVectorEnv) -> None:
    gym.reset(ALL, (0, 1, 2))
    bad = np.zeros((2, COLUMNS[name]), np.float32)
    bad[1, 0] = np.nan
    with pytest.raises(CommandError, match="place 2 is not finite"):
        gym.step(np.array([0, 2]), bad)
