"""Every setting is a parameter, and an invalid one is refused with its name."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from dbp_ros.errors import ConfigError
from dbp_ros.nodes.parameters import check_arguments, load_settings
from dbp_ros.settings.fields import leaves
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.parameter_yaml import read_blocks
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.settings.simulation import SimulationConfig

KINDS = (
    *(GuardConfig, LearnerConfig, PolicyConfig, RecorderConfig),
    SimulationConfig,
)

pytestmark = pytest.mark.usefixtures("domain")


@contextmanager
def started(*parameters: str) -> Iterator[Node]:
    """Start a node with parameters as on a command line."""
    words = [word for parameter in parameters for word in ("-p", parameter)]
    rclpy.init(args=["--ros-args", *words])
    try:
        node = Node("node")
        yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def given(parameter: str, kind=GuardConfig):
    """Return the setting of a parameter of the command line."""
    with started(parameter) as node:
        return getattr(load_settings(node, kind), parameter.partition(":=")[0])


@pytest.mark.parametrize("kind", KINDS)
def test_without_parameters_every_setting_has_its_default(kind):
    with started() as node:
        assert load_settings(node, kind) == kind()


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_a_read_only_parameter_with_a_description(kind):
    with started() as node:
        load_settings(node, kind)
        for leaf in leaves(kind()):
            descriptor = node.describe_parameter(leaf.name)
            assert descriptor.read_only
            assert descriptor.description.startswith(leaf.doc)
            value = node.get_parameter(leaf.name).value
            shown = tuple(value or ()) if isinstance(leaf.value, tuple) else value
            assert shown == leaf.value


def test_a_description_contains_the_range():
    with started() as node:
        load_settings(node, GuardConfig)
        described = node.describe_parameter("command_rate_hz").description
        half_open = node.describe_parameter("velocity_limit").description
        assert described == "Commands per second (from 10.0 to 1000.0)"
        assert half_open.endswith("(at least 1e-06)")


def test_a_running_node_refuses_another_value():
    with started() as node:
        load_settings(node, GuardConfig)
        [result] = node.set_parameters([Parameter("enable_control", value=True)])
        assert not result.successful
        assert node.get_parameter("enable_control").value is False


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("command_rate_hz:=200", 200.0),
        ("command_rate_hz:=200.5", 200.5),
        ("enable_control:=true", True),
        ("realtime_priority:=0", 0),
        ("gripper_joints:=[a, b]", ("a", "b")),
        ("velocity_limit:=[1, 2]", (1.0, 2.0)),
        ("velocity_limit:=[1.5, 2.0]", (1.5, 2.0)),
        ("controller_sizes:=[14]", (14,)),
        ("cpu_affinity:=[]", ()),
        ("cpu_affinity:=[2, 3]", (2, 3)),
    ],
)
def test_a_value_on_the_command_line_is_accepted_with_the_type_of_its_setting(parameter, value):
    found = given(parameter)
    assert found == value
    assert type(found) is type(value)
    if isinstance(value, tuple):
        assert [type(item) for item in found] == [type(item) for item in value]


def test_a_setting_of_a_group_is_a_parameter_with_a_dot():
    with started("finetune.actor_learning_rate:=3e-5", "finetune.minibatch_size:=7") as node:
        finetune = load_settings(node, LearnerConfig).finetune
    assert finetune == FinetuneConfig(actor_learning_rate=3e-5, minibatch_size=7)


def test_a_quoted_name_of_digits_is_accepted():
    assert given("model:='2024'", PolicyConfig) == "2024"


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("command_rate_hz:=fast", r"command_rate_hz is 'fast' of type str, expected float"),
        ("command_rate_hz:=true", r"command_rate_hz is True of type bool, expected float"),
        ("command_rate_hz:=[250.0]", r"command_rate_hz is \[250.0\] of type list, expected float"),
        ("realtime_priority:=1.0", r"realtime_priority is 1.0 of type float, expected int"),
        ("realtime_priority:=true", r"realtime_priority is True of type bool, expected int"),
        ("enable_control:=1", r"enable_control is 1 of type int, expected bool"),
        ("enable_control:='true'", r"enable_control is 'true' of type str, expected bool"),
        ("joints:=elbow", r"joints is 'elbow' of type str, expected a list of str"),
        ("joints:=[1, 2]", r"joints is 1 of type int, expected str"),
        ("cpu_affinity:=0", r"cpu_affinity is 0 of type int, expected a list of int"),
        ("cpu_affinity:=[0.5]", r"cpu_affinity is 0.5 of type float, expected int"),
        ("controller_sizes:=[true]", r"controller_sizes is True of type bool, expected int"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(parameter, reason):
    with pytest.raises(ConfigError, match=f"^{reason}$"):
        given(parameter)


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("command_rate_hz:=5000", r"command_rate_hz = 5000.0, expected from 10.0 to 1000.0"),
        ("command_rate_hz:=.nan", r"command_rate_hz = nan, expected"),
        ("realtime_priority:=-1", r"realtime_priority = -1, expected"),
        ("cpu_affinity:=[0, -1]", r"cpu_affinity = -1, expected"),
        ("velocity_limit:=[1.0, 0.0]", r"velocity_limit = 0.0, expected"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(parameter, reason):
    with pytest.raises(ConfigError, match=f"^{reason}"):
        given(parameter)


@pytest.mark.parametrize("parameter", ["velocity_limit:=[20, 0.5]", "command_rate_hz:="])
def test_a_value_that_ros_cannot_read_ends_a_process_with_one_sentence(parameter):
    command = [sys.executable, "-m", "dbp_ros.nodes.guard_node", "--ros-args", "-p", parameter]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    [error] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 1
    assert parameter in error
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        (
            "chunk_timeout:=0.2",
            "chunk_timeout is not a parameter of the guard: did you mean chunk_ti",
        ),
        ("velocity_limits:=[0.3]", "did you mean velocity_limit"),
        ("image_transport:=raw", "image_transport is not a parameter of the guard; it belongs"),
    ],
)
def test_an_unknown_parameter_of_the_command_line_is_refused(parameter, reason):
    with started(parameter) as node, pytest.raises(ConfigError, match=reason):
        load_settings(node, GuardConfig)


def test_parameters_of_every_ros_node_are_accepted():
    with started("use_sim_time:=true") as node:
        assert load_settings(node, GuardConfig) == GuardConfig()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--ros-args -p gaurd:chunk_timeout_s:=0.2", "-p gaurd:.* is for the node 'gaurd', and"),
        ("--ros-args -p guard:chunk_timeout:=0.2", "-p guard:.*did you mean chunk_timeout_s"),
        ("--ros-args --param x:=1", "x is not a parameter of the guard"),
        ("chunk_timeout_s:=0.2", "is ignored by ROS 2: write --ros-args -p chunk_timeout_s:=0.2"),
        ("--ros-args -r a:=b -- chunk_timeout_s:=0.2", "is ignored by ROS 2"),
        ("--ros-args --params-file /nowhere.yaml", "/nowhere.yaml cannot be read"),
    ],
)
def test_arguments_that_would_not_reach_the_node_are_refused(words, reason):
    with pytest.raises(ConfigError, match=reason):
        check_arguments(["guard_node", *words.split()], "/guard", GuardConfig)


def test_a_valid_command_line_is_accepted():
    words = "--ros-args -r __ns:=/cell -r head_camera/image_raw:=/a -p guard:chunk_timeout_s:=0.2"
    check_arguments(["guard_node", *words.split()], "/guard", GuardConfig)


VALUES = (
    *("010", "1e-3", "1_000", "yes", "'5'", "0x10", "null", "-.inf", "!!str 5", "12:30:00"),
    *(
        "[1, 2]",
        "[]",
        ".5",
        "089",
        "on",
        "Off",
        "~",
        "+3",
        "-0.0",
        "1.",
        "[a, b]",
        "5 6",
        "!!int 5",
    ),
)


def test_parameter_files_are_read_as_ros_reads_them(tmp_path):
    lines = [f"    v{number}: {value}" for number, value in enumerate(VALUES)]
    path = tmp_path / "file.yaml"
    path.write_text("\n".join(["/**:", "  ros__parameters:", *lines]) + "\n")
    rclpy.init(args=["--ros-args", "--params-file", str(path)])
    try:
        node = Node("node")
        (block,) = read_blocks(path)
        assert len(block.values) == len(VALUES)
        for name, value in block.values.items():
            descriptor = ParameterDescriptor(dynamic_typing=True)
            found = node.declare_parameter(name, None, descriptor).value
            assert (list(found or []) if isinstance(value, list) else found) == value, name
            assert isinstance(value, list) or type(found) is type(value), name
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


MISSPELT = {
    "guard_node": ("guard", "velocity_limits: [0.3]", "did you mean velocity_limit"),
    "policy_node": ("policy", "image_transprot: raw", "did you mean image_transport"),
    "sim_node": ("simulation", "camera_rate: 30.0", "did you mean camera_rate_hz"),
    "learner_node": ("learner", "checkpiont: x", "did you mean checkpoint"),
    "recorder_node": ("recorder", "ring_bufer_s: 5.0", "did you mean ring_buffer_s"),
    "model_sender": ("model_sender", "share_paths: true", "did you mean share_path"),
}


@pytest.mark.parametrize("module", MISSPELT)
def test_a_misspelt_key_in_a_file_ends_the_process_with_one_sentence(tmp_path, module):
    _, line, reason = MISSPELT[module]
    path = tmp_path / "misspelt.yaml"
    path.write_text(f"/**:\n  ros__parameters:\n    {line}\n")
    result = run_process(module, "--ros-args", "--params-file", path)
    assert f"error: {path}, line 3: " in result.stderr
    assert reason in result.stderr


@pytest.mark.parametrize("module", MISSPELT)
def test_a_file_keyed_to_another_node_ends_the_process_with_one_sentence(tmp_path, module):
    name = MISSPELT[module][0]
    path = tmp_path / "keyed.yaml"
    path.write_text(f"{name[1:]}:\n  ros__parameters:\n    a: 1\n")
    result = run_process(module, "--ros-args", "--params-file", path)
    assert f"error: {path}, line 1: '{name[1:]}' is not a node of the stack" in result.stderr
    assert name in result.stderr


def run_process(module, *words):
    command = [sys.executable, "-m", f"dbp_ros.nodes.{module}", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error: ")]) == 1
    return result
