"""The launch file, with fakes of `launch` and `launch_ros`."""

import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.stack.processes import StackConfig, processes


class FakeAction:
    """An action of launch that keeps its arguments."""

    def __init__(self, *positional: object, **named: object) -> None:
        self.positional, self.named = positional, named

    def perform(self, values: dict[str, str]) -> str:
        return values[str(self.positional[0])]


@pytest.fixture
def launch_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launch file, executed with stand-ins for launch and launch_ros."""
    names = ("DeclareLaunchArgument", "OpaqueFunction", "SetEnvironmentVariable")
    names += ("LaunchConfiguration", "LaunchDescription", "Node", "ExecuteProcess")
    modules = ("launch", "launch.actions", "launch.substitutions", "launch_ros.actions")
    for module in modules:
        stand_in = ModuleType(module)
        stand_in.__dict__.update({name: type(name, (FakeAction,), {}) for name in names})
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.setitem(sys.modules, "launch_ros", ModuleType("launch_ros"))
    launched = ModuleType("dual_arm")
    exec((root / "launch" / "dual_arm.launch.py").read_text(encoding="utf-8"), vars(launched))
    return launched


def declared(launch_file: ModuleType) -> dict[str, str]:
    *arguments, last = launch_file.generate_launch_description().positional[0]
    assert last.named["function"] is launch_file.stack
    assert all(argument.named["description"] for argument in arguments)
    return {argument.positional[0]: argument.named["default_value"] for argument in arguments}


def test_the_launch_file_declares_every_setting_as_a_string(launch_file: ModuleType) -> None:
    values = declared(launch_file)
    assert list(values) == [item.name for item in fields(StackConfig)]
    assert all(isinstance(value, str) for value in values.values())
    assert values["enable_control"] == values["sim"] == "false"


@pytest.mark.parametrize("sim", ["true", "false", "False"])
def test_the_launch_file_starts_the_processes_of_the_stack(
    launch_file: ModuleType, sim: str
) -> None:
    values = {**declared(launch_file), "sim": sim, "namespace": "cell", "enable_control": "True"}
    actions = launch_file.stack(values)
    nodes = [action.named for action in actions if type(action).__name__ == "Node"]
    config = StackConfig(sim=sim == "true", namespace="cell", enable_control=True)
    assert [
        (node["name"], node["arguments"], node["parameters"], node["namespace"]) for node in nodes
    ] == [
        (p.name, ["-m", p.module], [str(p.parameter_file), p.parameters], "cell")
        for p in processes(config)
    ]
    assert all(node["remappings"] == [] for node in nodes)
    assert {node["executable"] for node in nodes} == {sys.executable}


def test_gazebo_is_started_without_ros_arguments_which_it_refuses(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    values = {**declared(launch_file), "hardware": "gazebo", "namespace": "cell"}
    actions = launch_file.stack(values)
    (program,) = [a.named for a in actions if type(a).__name__ == "ExecuteProcess"]
    assert program["cmd"][:3] == ["gz", "sim", "-r"]
    hardware = [a.named for a in actions if a.named.get("package")]
    assert {node["package"] for node in hardware} >= {"ros_gz_sim", "controller_manager"}
    assert {node["namespace"] for node in hardware} == {"cell"}


def test_the_launch_file_refuses_an_invalid_boolean(launch_file: ModuleType) -> None:
    values = {**declared(launch_file), "enable_control": "yes"}
    with pytest.raises(ConfigError, match="enable_control is 'yes', expected true or false"):
        launch_file.stack(values)


def test_the_launch_file_remaps_a_camera_raw_and_compressed_in_every_process(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["ros2", "launch", "dbp_ros", "dual_arm.launch.py", "head_camera:=/camera/image_raw"]
    monkeypatch.setattr(sys, "argv", words)
    actions = launch_file.stack({**declared(launch_file), "remap": "joint_states:=/robot/states"})
    assert len(actions) == 2
    for action in actions:
        assert sorted(action.named["remappings"]) == [
            ("head_camera/image_raw", "/camera/image_raw"),
            ("head_camera/image_raw/compressed", "/camera/image_raw/compressed"),
            ("joint_states", "/robot/states"),
        ]


def test_arguments_of_an_including_launch_file_are_not_remaps(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["ros2", "launch", "their_package", "their.launch.py", "robot:=/left", "modle:=x"]
    monkeypatch.setattr(sys, "argv", words)
    actions = launch_file.stack(declared(launch_file))
    assert all(action.named["remappings"] == [] for action in actions)


def test_a_misspelt_launch_argument_is_refused_with_the_closest(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ros2", "dual_arm.launch.py", "enable_contrl:=true"])
    with pytest.raises(ConfigError, match="is not an argument: did you mean enable_control"):
        launch_file.stack(declared(launch_file))


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("model", "nope", "nope is not a model bundle"),
        ("real_time_factor", "0", "real_time_factor = 0.0, expected"),
        ("config", "/nowhere", "/nowhere/guard.yaml is missing"),
    ],
)
def test_the_launch_file_starts_no_process_after_an_error(
    launch_file: ModuleType, argument: str, value: str, reason: str
) -> None:
    with pytest.raises(DbpError, match=reason):
        launch_file.stack({**declared(launch_file), argument: value})


class Exit:
    """The end of a process, and the launch in which it happens."""

    def __init__(self, is_shutdown: bool) -> None:
        self.is_shutdown, self.returncode = is_shutdown, -9


def test_only_the_end_of_the_guard_ends_the_launch(
    launch_file: ModuleType,
) -> None:
    nodes = {n.named["name"]: n.named for n in launch_file.stack(declared(launch_file))}
    assert nodes["policy"]["on_exit"] is None
    with pytest.raises(RuntimeError, match=r"guard ended \(-9\): .* ending the stack"):
        nodes["guard"]["on_exit"](Exit(False), Exit(False))
    assert nodes["guard"]["on_exit"](Exit(True), Exit(True)) is None
