"""`dbp teach`: the processes that it starts."""

from dataclasses import replace
from pathlib import Path

import pytest

from dbp_ros.cli.main import main
from dbp_ros.cli.teach import TeachVerbConfig, opened_workspace, teach_commands
from dbp_ros.errors import ConfigError
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT

for library in ("rclpy", "viser", "torch", "mink"):
    pytest.importorskip(library)


def commands(folder: Path, **flags: str) -> dict[str, list[str]]:
    config = TeachVerbConfig(folder=folder, **flags)
    return teach_commands(config, opened_workspace(config))


def test_the_stack_of_the_cell_has_a_policy_that_waits_for_its_first_model(tmp_path: Path) -> None:
    found = commands(tmp_path)
    assert list(found) == ["simulation", "guard", "policy", "recorder", "teleop", "panel"]
    live = str(tmp_path / "models" / "live")
    assert found["policy"][1:4] == ["-m", "dbp_ros.teach.await_model", live]
    assert "dbp_ros.nodes.policy_node" in found["policy"]
    assert f'model:="{live}"' in found["policy"]
    assert f'out:="{tmp_path / "recordings"}"' in found["recorder"]
    assert f'teach_folder:="{tmp_path}"' in found["panel"]
    assert "enable_control:=true" in found["guard"]


def test_only_a_new_workspace_of_the_cell_gets_an_initial_model(tmp_path: Path) -> None:
    config = TeachVerbConfig(folder=tmp_path)
    workspace = opened_workspace(config)
    assert workspace.settings.initial_model == "can"
    workspace.save_settings(replace(workspace.settings, initial_model=""))
    assert opened_workspace(config).settings.initial_model == ""
    of_can = opened_workspace(TeachVerbConfig(folder=tmp_path / "can", task="can"))
    assert of_can.settings.initial_model == "transport"
    robot = TeachVerbConfig(folder=tmp_path / "robot", robot=DEFAULT_ROBOT)
    assert opened_workspace(robot).settings.initial_model == ""


def test_a_real_robot_has_no_simulation_and_starts_without_control(tmp_path: Path) -> None:
    found = commands(tmp_path, robot=DEFAULT_ROBOT)
    assert "simulation" not in found
    assert "enable_control:=false" in found["guard"]
    assert opened_workspace(TeachVerbConfig(folder=tmp_path, robot="ur5e_dual")).settings.task == ""


@pytest.mark.parametrize("flags", [{"task": "can"}, {"robot": DEFAULT_ROBOT}])
def test_a_workspace_is_continued_with_its_own_task_or_robot(
    tmp_path: Path, flags: dict[str, str]
) -> None:
    first = commands(tmp_path, **flags)
    assert commands(tmp_path) == first
    assert commands(tmp_path, **flags) == first
    (tmp_path / "recordings" / "episode_000001.mcap").touch()
    before = opened_workspace(TeachVerbConfig(folder=tmp_path)).settings
    recorded = "robot ur5e_dual" if "robot" in flags else "task can"
    with pytest.raises(ConfigError, match=f"has episodes of {recorded}: leave out --task"):
        commands(tmp_path, task="lift")
    assert opened_workspace(TeachVerbConfig(folder=tmp_path)).settings == before


def test_a_task_of_the_cell_and_a_real_robot_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task is lift, .* robot is aloha, .*give one of them"):
        commands(tmp_path, task="lift", robot="aloha")


def test_a_missing_model_is_refused_before_a_process_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["teach", "--folder", str(tmp_path / "new"), "--model", "missing"]) == 1
    assert "missing" in capsys.readouterr().err
