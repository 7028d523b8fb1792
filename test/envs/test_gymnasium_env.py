"""Environments of a user's module: columns, cameras, step, success and errors."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_environment_module import line_of, write_module

from dbp_ros.envs.env import CameraView, Env
from dbp_ros.envs.env_check import describe_env
from dbp_ros.envs.local_vector_env import LocalVectorEnv
from dbp_ros.envs.registry import EnvSpec
from dbp_ros.envs.user_code import load_object
from dbp_ros.errors import ConfigError, EnvError
from dbp_ros.settings.environment import EnvConfig

MODULE = "module_of_environment_tests"


@pytest.fixture(scope="module", autouse=True)
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory is the folder of the module, which is not in the search path."""
    folder, path = tmp_path_factory.mktemp("own"), sys.path.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield write_module(folder, MODULE)
    sys.path[:] = path


def make(name: str, view: CameraView | None = None, **config: Any) -> Env:
    return EnvSpec(f"{MODULE}:{name}", view=view, config=EnvConfig(**config)).make()


@pytest.mark.parametrize("name", ["OwnPoint-v0", "Point", "make_point"])
def test_an_environment_is_an_id_a_class_or_a_function_of_a_module(name: str) -> None:
    env = make(name)
    assert env.state_names == ("state.0", "state.1", "state.2", "state.3")
    assert env.action_names == ("action.0", "action.1")
    assert (env.step_s, env.cameras) == (0.1, ())
    np.testing.assert_array_equal(env.reset(7), env.reset(7))
    assert not np.array_equal(env.reset(7), env.reset(8))


def test_an_environment_may_name_its_columns() -> None:
    env = make("Named")
    assert env.state_names == ("x", "y", "goal_x", "goal_y")
    assert env.action_names == ("vx", "vy")


def test_parts_of_a_dict_become_states_and_cameras_as_the_data_readers_name_them() -> None:
    env = make("Seen")
    assert (env.state_names, env.cameras) == (("agent.pos.0", "agent.pos.1"), ("top",))
    assert env.reset(0).shape == (2,)
    np.testing.assert_array_equal(env.render()["top"], np.full((4, 6, 3), 9, np.uint8))


def test_an_observation_may_be_one_image() -> None:
    env = make("OnlySeen")
    assert (env.state_names, env.cameras) == ((), ("image",))
    assert env.reset(0).shape == (0,)
    assert env.render()["image"].shape == (4, 6, 3)


def test_columns_are_renamed_and_in_the_order_of_a_policy() -> None:
    names = ("state.0=x", "state.1=y", "state.2=u", "state.3=v", "action.0=right", "action.1=up")
    view = CameraView(("v", "u", "y", "x"), {}, 0.1, ("up", "right"))
    own, env = make("Point"), make("Point", view, columns=names)
    np.testing.assert_array_equal(env.reset(3), own.reset(3)[::-1])
    right, up = np.array([0.5, -0.25]), np.array([-0.25, 0.5])
    np.testing.assert_array_equal(env.step(up).state, own.step(right).state[::-1])


def test_a_policy_may_use_some_of_the_named_states() -> None:
    env, every = make("Named", CameraView(("goal_y", "x"), {}, 0.1, ("vx", "vy"))), make("Named")
    np.testing.assert_array_equal(env.reset(3), every.reset(3)[[3, 0]])


def test_states_of_a_vector_can_be_selected_once_they_have_names() -> None:
    env = make("Point", CameraView(("y", "x"), {}, 0.1), columns=("state.0=x", "state.1=y"))
    np.testing.assert_array_equal(env.reset(3), make("Point").reset(3)[[1, 0]])


def test_images_have_the_size_of_the_policy() -> None:
    env = make("Seen", CameraView((), {"top": (8, 6)}, 0.1))
    env.reset(0)
    np.testing.assert_array_equal(env.render()["top"], np.full((8, 6, 3), 9, np.uint8))


def test_a_policy_with_longer_steps_repeats_its_actions() -> None:
    env, own = make("Named", CameraView(("x", "y"), {}, 0.3)), make("Named")
    assert env.step_s == pytest.approx(0.3)
    env.reset(3)
    own.reset(3)
    action = np.array([0.5, -0.25])
    results = [own.step(action) for _ in range(3)]
    result = env.step(action)
    np.testing.assert_array_equal(result.state, results[-1].state[:2])
    assert result.reward == pytest.approx(sum(one.reward for one in results))


@pytest.mark.parametrize(
    ("name", "view", "columns", "message"),
    [
        ("Point", CameraView(("a", "b"), {}, 0.1), (), "has 2 states, a, b; .* has 4, state.0, st"),
        ("Point", CameraView(("x",) * 5, {}, 0.1), (), "has 5 states, .* has 4, state.0"),
        ("Named", CameraView(("x", "z"), {}, 0.1), (), "columns for z with --columns ENVIRONMENT="),
        ("Named", CameraView(("x",), {}, 0.1, ("vx",)), (), "has 1 actions, vx; .* has 2, vx, vy"),
        ("Named", CameraView(("x",), {}, 0.25), (), "steps of 0.2500 s, .* has 0.1000 s"),
        ("Named", CameraView(("x",), {}, 0.05), (), "steps of 0.0500 s, .* has 0.1000 s"),
        ("Named", CameraView(("x",), {"top": (4, 6)}, 0.1), (), "cameras top, but .* states only"),
        ("Named", None, ("z=x",), "--columns: .* has no z: it has x, y, goal_x, goal_y, vx, vy"),
        ("Named", None, ("x=y",), "two columns with the name y among y, y"),
    ],
)
def test_columns_that_do_not_match_are_refused_with_both_lists(
    name: str, view: CameraView | None, columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(EnvError, match=message):
        make(name, view, columns=columns)


@pytest.mark.parametrize("columns", [("x",), ("x=",), ("=x",), ("x=a", "x=b")])
def test_a_malformed_renaming_is_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="expected ENVIRONMENT=DATA, each name once"):
        EnvConfig(columns=columns)


@pytest.mark.parametrize(
    ("name", "step_s", "length", "source"),
    [
        ("Point", None, 0.1, "1 / metadata['render_fps']"),
        ("Timed", None, 0.0996, "dt"),
        ("Timed", 0.2, 0.2, "--step-s"),
        ("Timeless", 0.3, 0.3, "--step-s"),
        ("Substepped", 0.1, 0.1, "--step-s"),
    ],
)
def test_the_length_of_a_step_has_a_source(
    name: str, step_s: float | None, length: float, source: str
) -> None:
    env = make(name, step_s=step_s)
    assert (env.step_s, env.step_source) == (pytest.approx(length), source)


def test_the_step_of_a_mujoco_environment_is_that_of_its_model() -> None:
    env = EnvSpec("Hopper-v5").make()
    assert (env.step_s, env.step_source) == (pytest.approx(0.008), "dt")
    env.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Timeless", "does not define the length of its control step.*--step-s"),
        ("Frozen", "dt = 0.0, expected seconds above 0"),
        ("Substepped", r"dt = 0.01 s, 1 / metadata\['render_fps'\] = 0.1 s, expected .*--step-s"),
        ("Choosing", r"has actions Discrete\(3\), expected continuous ones"),
        ("Counting", r"observes room = Discrete\(3\), expected a Dict of vectors"),
        ("WronglyNamed", r"state_names = \('x',\), expected a list of 4 names"),
        ("make_nothing", "is of type int, expected a gymnasium.Env"),
        ("Piont", "registers no id 'Piont'.*it registers OwnPoint-v0 and defines .*Point"),
    ],
)
def test_an_unsuitable_environment_is_refused(name: str, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        make(name)


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("no_such_module:X", "there is no module 'no_such_module', expected no_such_module.py in"),
        ("point.py:X", "'point.py' is not the name of a module: give one like point_env"),
        (":X", "'' is not the name of a module"),
        ("Hoper-v5", "gymnasium cannot make 'Hoper-v5'.*Hopper.*--env MODULE:ID"),
    ],
)
def test_an_unknown_environment_is_refused(env_id: str, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        EnvSpec(env_id).make()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_like_it\n", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("raise OSError('no display')\n", "OSError: no display"),
    ],
)
def test_a_module_that_raises_is_reported_with_its_line(
    text: str, message: str, module: Path
) -> None:
    name = f"raising_{abs(hash(text))}"
    file = module.with_name(f"{name}.py")
    file.write_text(text)
    with pytest.raises(EnvError) as caught:
        EnvSpec(f"{name}:X").make()
    assert f"module {name} raised {message}" in str(caught.value)
    assert f"({file}:1)" in str(caught.value)


def test_an_exception_of_an_environment_has_its_own_file_and_line(module: Path) -> None:
    with pytest.raises(EnvError) as caught:
        make("FailsInReset").reset(3)
    expected = f"reset(seed=3) raised KeyError: 'no such room' ({module}:{line_of('reset')})"
    assert expected in str(caught.value)
    env = make("FailsInStep")
    env.reset(0)
    with pytest.raises(EnvError) as caught:
        env.step(np.zeros(2))
    expected = f"step raised RuntimeError: battery empty ({module}:{line_of('step')})"
    assert expected in str(caught.value)


def test_a_state_that_is_not_finite_is_refused() -> None:
    env = make("Diverging")
    env.reset(0)
    with pytest.raises(EnvError, match=r"returned state\.0 = nan, expected"):
        env.step(np.zeros(2))


def test_an_episode_without_end_is_refused_unless_it_gets_a_time_limit() -> None:
    env = make("Endless")
    env.reset(0)
    for _ in range(10_000):
        env.step(np.zeros(2))
    with pytest.raises(EnvError, match="has not ended after 10000 steps: give --max-episode-st"):
        env.step(np.zeros(2))
    limited = make("Endless", max_episode_steps=3)
    limited.reset(0)
    assert [limited.step(np.zeros(2)).truncated for _ in range(3)] == [False, False, True]


def last_step(env: Env) -> tuple[bool, str]:
    """Move to the goal, and return whether the last step is a success, and why."""
    state = env.reset(0)
    while True:
        result = env.step(5 * (state[2:] - state[:2]))
        state = result.state
        if result.terminated or result.truncated:
            return result.success, env.success_source


@pytest.mark.parametrize(
    ("name", "rule", "success", "source"),
    [
        ("Point", "auto", True, "terminated"),
        ("Point", "truncated", False, "truncated"),
        ("Reporting", "auto", True, "info['is_success']"),
        ("Reporting", "terminated", False, "terminated"),
        ("Reporting", "truncated", True, "truncated"),
    ],
)
def test_success_follows_its_rule_and_the_rule_is_reported(
    name: str, rule: str, success: bool, source: str
) -> None:
    assert last_step(make(name, success=rule)) == (success, source)


def test_a_key_of_success_that_is_missing_at_the_end_is_refused() -> None:
    with pytest.raises(EnvError, match=r"info has no 'success' at the end.*it has is_success"):
        last_step(make("Reporting", success="success"))


def test_actions_are_clipped_to_their_bounds_and_the_excess_is_known() -> None:
    env, other = make("Point"), make("Point")
    env.reset(0)
    other.reset(0)
    np.testing.assert_array_equal(
        env.step(np.array([3.0, -0.5])).state, other.step(np.array([1.0, -0.5])).state
    )
    assert env.excess(np.array([3.0, -0.5])) == 2.0
    assert env.excess(np.array([1.0 + 1e-9, -1.0])) == 0.0


@pytest.mark.parametrize("processes", [False, True])
def test_a_vector_environment_reports_clipped_actions(processes: bool) -> None:
    envs = LocalVectorEnv(EnvSpec(f"{MODULE}:Point"), 3, processes)
    try:
        envs.reset(np.arange(3), (0, 1, 2))
        actions = np.array([[0.5, 0.5], [1.5, 0.0]], np.float32)
        clipped = envs.step(np.array([0, 2]), actions).clipped
        assert clipped is not None
        assert clipped.tolist() == [False, True]
    finally:
        envs.close()


@pytest.mark.parametrize("processes", [False, True])
def test_some_environments_may_be_reset_before_the_others(processes: bool) -> None:
    envs = LocalVectorEnv(EnvSpec(f"{MODULE}:Point"), 3, processes)
    try:
        assert envs.reset(np.array([1]), (5,)).shape == (1, 4)
        assert envs.reset(np.array([0, 2]), (6, 7)).shape == (2, 4)
    finally:
        envs.close()


def test_an_exception_in_a_process_is_one_sentence(recwarn: pytest.WarningsRecorder) -> None:
    envs = LocalVectorEnv(EnvSpec(f"{MODULE}:FailsInStep"), 1, processes=True)
    try:
        envs.reset(np.zeros(1, int), (0,))
        with pytest.raises(EnvError, match="step raised RuntimeError: battery empty"):
            envs.step(np.zeros(1, int), np.zeros((1, 2), np.float32))
    finally:
        envs.close()
    assert not [warning for warning in recwarn if "ERROR" in str(warning.message)]


def test_the_check_describes_an_environment_and_compares_two_resets() -> None:
    lines = describe_env(EnvSpec(f"{MODULE}:Named"))
    assert "states x, y, goal_x, goal_y; actions vx, vy; cameras none" in lines[0]
    assert lines[1:] == [
        "control step 0.1 s from 1 / metadata['render_fps']; success from terminated"
    ]
    longer = EnvSpec(f"{MODULE}:Named", view=CameraView(("x", "y"), {}, 0.3))
    assert "control step 0.3 s, 3 repeats of 0.1 s from 1 / metadata" in describe_env(longer)[1]
    assert (
        "draw all random numbers from self.np_random"
        in describe_env(EnvSpec(f"{MODULE}:Unseeded"))[-1]
    )


def test_settings_of_gymnasium_are_refused_for_other_environments() -> None:
    with pytest.raises(ConfigError, match="cell/lift takes no --step-s: leave it out"):
        EnvSpec("cell/lift", config=EnvConfig(step_s=0.1)).make()


def test_an_object_is_found_by_module_and_name() -> None:
    assert callable(load_object(f"{MODULE}:expert", "--demonstrator"))
    for reference, message in (
        (f"{MODULE}:novice", "has no 'novice', it defines .*expert"),
        (MODULE, "expected MODULE:NAME"),
    ):
        with pytest.raises(EnvError, match=re.escape(reference) + ".*" + message):
            load_object(reference, "--demonstrator")
