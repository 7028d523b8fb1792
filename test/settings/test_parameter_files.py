"""Parameter files: keys that ROS 2 would ignore are refused with file, line and fix."""

from pathlib import Path
from typing import Any

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.parameter_files import NODES, check_file, settings_of, unknown_parameter
from dbp_ros.settings.parameter_yaml import read_blocks
from dbp_ros.settings.policy import PolicyConfig

LIMIT = "velocity_limit: [0.3, 0.3]"


def written(folder: Path, text: str) -> Path:
    path = folder / "guard.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def block(key: str, *lines: str) -> str:
    """Return a block of parameters in YAML."""
    return "\n".join([f"{key}:", "  ros__parameters:", *(f"    {line}" for line in lines)]) + "\n"


def checked(folder: Path, text: str, node: str = "/guard", kind: type = GuardConfig) -> Any:
    return check_file(written(folder, text), node, kind)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "velocity_limits: [0.3]",
            "velocity_limits is not a parameter of the guard.*velocity_limit",
        ),
        ("chunk_timeout: 0.2", "chunk_timeout is not a parameter.*did you mean chunk_timeout_s"),
        ("use_sim_tim: true", "use_sim_tim is not a parameter.*did you mean use_sim_time"),
        (
            "image_transport: raw",
            "image_transport is not a parameter of the guard; it belongs to policy and lear",
        ),
        ("limits: {velocity: 1.0}", "limits.velocity is not a parameter of the guard"),
        ("qqq: 1", "qqq is not a parameter of the guard; its parameters are .*velocity_limit"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_closest_name(
    tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=rf"guard\.yaml, line 4: {reason}"):
        checked(tmp_path, block("/**", LIMIT, line))


@pytest.mark.parametrize("name", NODES)
def test_an_undeclared_key_is_refused_by_every_node(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"no_such_key is not a parameter of the {name[:5]}"):
        checked(tmp_path, block("/**", "no_such_key: 1"), f"/{name}", NODES[name])


@pytest.mark.parametrize(
    ("key", "node"),
    [
        *(("/**", "/guard"), ("guard", "/guard"), ("/guard", "/guard"), ("/**/guard", "/guard")),
        *(("/*", "/guard"), ("/**", "/cell/guard"), ("/cell/guard", "/cell/guard")),
        *(("cell/guard", "/cell/guard"), ("/**/guard", "/a/b/guard"), ("/*/guard", "/cell/guard")),
        ("/cell/*", "/cell/guard"),
    ],
)
def test_a_block_with_the_name_of_the_node_or_a_wildcard_is_accepted(
    tmp_path: Path, key: str, node: str
) -> None:
    assert checked(tmp_path, block(f'"{key}"', LIMIT), node) == {"velocity_limit": [0.3, 0.3]}


def test_namespaces_may_be_nested(tmp_path: Path) -> None:
    text = "cell:\n  guard:\n    ros__parameters:\n      chunk_timeout_s: 0.2\n"
    assert checked(tmp_path, text, "/cell/guard") == {"chunk_timeout_s": 0.2}
    with pytest.raises(ConfigError, match=r"'cell/guard' .*use the key '/\*\*'"):
        checked(tmp_path, text, "/guard")


@pytest.mark.parametrize(
    ("key", "node", "reason"),
    [
        ("gaurd", "/guard", "'gaurd' is not a node of the stack: did you mean guard"),
        ("/**/gaurd", "/guard", "did you mean guard"),
        ("controller_manager", "/guard", r"expected '/\*\*' or one of guard, policy"),
        ("guard", "/cell/guard", r"'guard' does not match /cell/guard: use the key '/\*\*'"),
        ("/cel/guard", "/cell/guard", "'/cel/guard' does not match /cell/guard"),
        ("/cell/guard", "/guard", "'/cell/guard' does not match /guard"),
        ("policy", "/guard", r"has parameters for policy but none for /guard"),
        ("/*", "/cell/guard", r"'/\*' is not a node of the stack"),
    ],
)
def test_a_file_keyed_to_a_wrong_name_is_refused(
    tmp_path: Path, key: str, node: str, reason: str
) -> None:
    line = "decision_rate_hz: 50.0" if key == "policy" else LIMIT
    with pytest.raises(ConfigError, match=rf"guard\.yaml.*{reason}"):
        checked(tmp_path, block(f'"{key}"', line), node)


def test_one_wrong_name_among_valid_ones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 4: 'gaurd' is not a node"):
        checked(tmp_path, block("/**", LIMIT) + block("gaurd", LIMIT))


def test_a_file_may_contain_blocks_of_several_nodes(tmp_path: Path) -> None:
    both = block("guard", LIMIT) + block("policy", "decision_rate_hz: 50.0")
    assert checked(tmp_path, both) == {"velocity_limit": [0.3, 0.3]}
    assert checked(tmp_path, both, "/policy", PolicyConfig) == {"decision_rate_hz": 50.0}
    wrong = block("guard", LIMIT) + block("policy", "decision_rate: 50.0")
    with pytest.raises(ConfigError, match="line 6: decision_rate is not a parameter of the policy"):
        checked(tmp_path, wrong)


def test_parameters_of_every_ros_node_are_accepted(tmp_path: Path) -> None:
    lines = ("use_sim_time: true", "start_type_description_service: false")
    overrides = "qos_overrides: {/joint_states: {subscription: {depth: 3}}}"
    assert checked(tmp_path, block("/**", *lines, overrides))["use_sim_time"] is True
    with pytest.raises(ConfigError, match="use_sim_time is 'truly' of type str, expected bool"):
        checked(tmp_path, block("/**", "use_sim_time: truly"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("command_rate_hz: fast", "command_rate_hz is 'fast' of type str, expected float"),
        ("command_rate_hz: 5000", "command_rate_hz = 5000.0, expected from 10.0 to 1000.0"),
        ("velocity_limit: [20, 0.5]", "mixes float and int.*write 20.0 for 20"),
        ("velocity_limit: 0.3", "velocity_limit is 0.3 of type float, expected a list of float"),
        ("velocity_limit: [[0.3]]", "velocity_limit has a list in a list"),
        ("command_rate_hz:", "command_rate_hz has no value"),
        ("command_rate_hz: [200.0", "is not YAML: .*line 3"),
    ],
)
def test_a_wrong_value_is_refused_with_its_file(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"guard\.yaml.*{reason}"):
        checked(tmp_path, block("/**", line))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (block("/**", LIMIT, LIMIT), "'velocity_limit' is in line 3 and again in line 4"),
        (block("/**", LIMIT) + block("/**", LIMIT), r"'/\*\*' is in line 1 and again in line 4"),
        ("/**:\n  ros_parameters:\n    a: 1\n", "'ros_parameters': write ros__parameters"),
        (f"/**:\n  {LIMIT}\n", "line 2: expected ros__parameters below"),
        (f"{LIMIT}\n", "line 1: expected ros__parameters"),
        ("- a\n", "expected ros__parameters"),
        ("? [a]\n: b\n", "a key is a list"),
        (block("/**", "joints: &a [x]", "controllers: *a"), "has aliases"),
        ("/**:\n  ros__parameters:\n", "expected 'name: value' below ros__parameters"),
    ],
)
def test_a_file_with_another_structure_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"guard\.yaml.*{reason}"):
        checked(tmp_path, text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check_file(tmp_path / "guard.yaml", "/guard", GuardConfig)
    (tmp_path / "guard.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        check_file(tmp_path / "guard.yaml", "/guard", GuardConfig)


def test_an_empty_file_gives_no_parameters(tmp_path: Path) -> None:
    assert checked(tmp_path, "# nothing yet\n") == {}


def test_the_installed_files_are_accepted(root: Path) -> None:
    for path in (root / "config").glob("*.yaml"):
        assert check_file(path, f"/cell/{path.stem}", NODES[path.stem])


def test_later_blocks_of_a_file_override_earlier_ones(tmp_path: Path) -> None:
    text = block("guard", "chunk_timeout_s: 0.2") + block("/**", "chunk_timeout_s: 0.3")
    assert checked(tmp_path, text) == {"chunk_timeout_s": 0.3}


def test_settings_of_a_group_are_a_mapping(tmp_path: Path) -> None:
    node, group = ("/learner", LearnerConfig), "finetune: {gamma: 0.5, minibatch_size: 7}"
    values = checked(tmp_path, block("/**", group), *node)
    assert values == {"finetune.gamma": 0.5, "finetune.minibatch_size": 7}
    assert settings_of(LearnerConfig, values).finetune.gamma == 0.5
    with pytest.raises(
        ConfigError, match=r"finetune\.gama is not a .*did you mean finetune\.gamma"
    ):
        checked(tmp_path, block("/**", "finetune: {gama: 0.5}"), *node)
    with pytest.raises(ConfigError, match=r"finetune\.gamma = 2.0, expected from 0.0 to 1.0"):
        checked(tmp_path, block("/**", "finetune: {gamma: 2.0}"), *node)


def test_parameters_declared_by_rclpy_are_accepted() -> None:
    config = settings_of(GuardConfig, {"use_sim_time": True, "command_rate_hz": 200})
    assert config.command_rate_hz == 200.0
    assert unknown_parameter("qos_overrides./clock.subscription.depth", GuardConfig) == ""


def test_values_have_the_types_of_ros(tmp_path: Path) -> None:
    lines = ("a: 010", "b: 1e-3", "c: 1_000", "d: yes", "e: '5'", "f: 0x10", "g: null", "h: -.inf")
    lines += ("i: !!str 5", "j: 12:30:00", "k: [1, 2]", "l: []", "m: .5", "n: 089", "o: !!int 5")
    (found,) = read_blocks(written(tmp_path, block("/**", *lines)))
    values = {"a": 8, "b": 1e-3, "c": "1_000", "d": True, "e": "5", "f": 16, "g": "null"}
    values |= {"h": float("-inf"), "i": "5", "j": "12:30:00", "k": [1, 2], "l": [], "m": 0.5}
    assert found.values == values | {"n": 89.0, "o": 5}
    assert type(found.values["d"]) is bool
