"""Processes of a stack, their parameters and their command lines."""

from pathlib import Path

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.flags import from_strings
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.stack.processes import StackConfig, processes

ROBOT = {"robot": "ur5e_dual"}


def test_the_simulated_cell_is_started_on_request_only() -> None:
    assert [p.name for p in processes(StackConfig(sim=True))] == ["simulation", "guard", "policy"]
    assert [p.name for p in processes(StackConfig())] == ["guard", "policy"]


def test_a_learner_requires_an_exploring_policy() -> None:
    plain, learning = (
        {p.name: p for p in processes(config)}
        for config in (StackConfig(), StackConfig(learner=True, checkpoint="runs/can", task="can"))
    )
    assert "learner" not in plain
    assert plain["policy"].parameters == {**ROBOT, "model": PolicyConfig.model}
    assert learning["policy"].parameters == {
        **ROBOT,
        "model": PolicyConfig.model,
        "explore": True,
        "max_limited_increase": 1.0,
    }
    assert learning["learner"].parameters == {
        "model": PolicyConfig.model,
        "checkpoint": "runs/can",
        "task": "can",
    }


def test_a_recorder_has_the_task_as_a_label() -> None:
    real = {p.name: p for p in processes(StackConfig(recorder=True, policy=False))}
    assert list(real) == ["guard", "recorder"]
    assert real["recorder"].parameters == {**ROBOT, "task": ""}
    labelled = processes(StackConfig(recorder=True, task="fold a towel"))[-1]
    assert labelled.parameters["task"] == "fold a towel"
    assert processes(StackConfig(recorder=True, sim=True))[-1].parameters["task"] == "lift"


def test_control_is_disabled_by_default() -> None:
    guard = {p.name: p for p in processes(StackConfig())}["guard"]
    assert guard.parameters == {**ROBOT, "enable_control": False}


def test_a_command_line_quotes_strings_and_names_the_namespace() -> None:
    policy = processes(StackConfig(model="0123", namespace="cell/left"))[-1]
    command = policy.command("cell/left")
    assert command[-4:] == ["-p", 'model:="0123"', "-r", "__ns:=/cell/left"]
    assert "-r" not in policy.command("")


@pytest.mark.parametrize("namespace", ["3cell", "a//b", "a-b", "a/", "ä"])
def test_an_invalid_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(ConfigError, match="namespace is"):
        StackConfig(namespace=namespace)


def test_launch_arguments_are_parsed() -> None:
    values = {"sim": "False", "enable_control": "true", "model": "can", "namespace": "cell"}
    assert from_strings(StackConfig, values) == StackConfig(
        model="can", sim=False, enable_control=True, namespace="cell"
    )


def test_a_real_time_factor_applies_to_all_nodes_and_sets_use_sim_time() -> None:
    config = from_strings(
        StackConfig,
        {"sim": "true", "real_time_factor": "2.5", "learner": "true", "checkpoint": "runs/can"},
    )
    given = {process.name: process.parameters for process in processes(config)}
    assert [given[name].get("real_time_factor") for name in ("simulation", "guard", "policy")] == [
        2.5
    ] * 3
    assert [given[n]["use_sim_time"] for n in ("guard", "policy", "learner")] == [True] * 3
    assert "use_sim_time" not in given["simulation"]
    for process in processes(StackConfig()):
        assert not {"real_time_factor", "use_sim_time"} & set(process.parameters)


def test_another_simulator_may_be_slower_than_real_time() -> None:
    config = from_strings(StackConfig, {"real_time_factor": "0.25"})
    assert {process.name: process.parameters for process in processes(config)} == {
        "guard": {**ROBOT, "enable_control": False, "use_sim_time": True, "real_time_factor": 0.25},
        "policy": {
            **ROBOT,
            "model": PolicyConfig.model,
            "use_sim_time": True,
            "real_time_factor": 0.25,
        },
    }


def test_another_clock_may_be_used_at_real_time() -> None:
    given = {p.name: p.parameters for p in processes(StackConfig(use_sim_time=True, sim=True))}
    assert [given[name].get("use_sim_time") for name in ("guard", "policy")] == [True] * 2
    assert given["simulation"] == {**ROBOT, "task": "lift", "publish_clock": True}
    assert all("real_time_factor" not in parameters for parameters in given.values())


@pytest.mark.parametrize("factor", ["0", "-1", "nan", "inf", "0.04", "51"])
def test_a_real_time_factor_out_of_range_is_refused(factor: str) -> None:
    with pytest.raises(ConfigError, match=r"real_time_factor = .*, expected from 0\.05 to 50\.0"):
        from_strings(StackConfig, {"real_time_factor": factor})


def test_a_real_time_factor_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="real_time_factor is 'fast', expected a number"):
        from_strings(StackConfig, {"real_time_factor": "fast"})


def test_an_unknown_task_of_the_simulated_cell_is_refused() -> None:
    with pytest.raises(ConfigError, match="task is 'nope', expected one of reach, lift"):
        StackConfig(sim=True, task="nope")
    assert StackConfig(task="fold a towel").task == "fold a towel"


def test_a_folder_without_parameter_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        processes(StackConfig(config=str(tmp_path)))


def test_teleoperation_is_started_on_request_with_the_robot_and_the_clock() -> None:
    started = processes(StackConfig(teleop=True, policy=False, sim=True, real_time_factor=2.0))
    assert [p.name for p in started] == ["simulation", "guard", "teleop"]
    assert started[-1].parameters == {**ROBOT, "use_sim_time": True, "real_time_factor": 2.0}
