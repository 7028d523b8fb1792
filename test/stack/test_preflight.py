"""A stack is checked before its processes start."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.main import main
from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import CHECKPOINT
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import StackConfig, processes

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture
def installed() -> None:
    for library in ("rclpy", "mujoco", "torch", "mcap"):
        pytest.importorskip(library)


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Path:
    """A copy of the parameter files, as a user makes it."""
    return Path(shutil.copytree(root / "config", tmp_path / "config"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A training run of the default model, without weights."""
    made_by = read_bundle(bundle_directory(PolicyConfig.model)).manifest.made_by
    facts = {"dataset": made_by["dataset"], "update": made_by["updates"]}
    return write_facts(tmp_path / "run", facts)


def write_facts(run: Path, facts: dict[str, Any]) -> Path:
    """Write a checkpoint with a description and no weights; return its folder."""
    numpy = pytest.importorskip("safetensors.numpy")
    run.mkdir(parents=True)
    numpy.save_file({}, run / CHECKPOINT, {"header": json.dumps({"facts": facts})})
    return run


def test_the_processes_of_a_valid_stack_are_returned(checkpoint: Path, config: Path) -> None:
    (config / "learner.yaml").write_text(parameters(f"out: {checkpoint.parent / 'learner'}"))
    stack = StackConfig(sim=True, learner=True, checkpoint=str(checkpoint), config=str(config))
    assert checked_processes(stack) == processes(stack)
    assert checked_processes(StackConfig()) == processes(StackConfig())


@pytest.mark.parametrize("words", [["--model", "nope"], ["--model", "/nowhere/at/all"]])
def test_a_missing_model_is_reported_before_a_process_starts(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "is not a model bundle" in error
    assert error.count("\n") == 1


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    joints = GuardConfig().joints
    folder = write_toy_bundle(tmp_path / "toy", graph_joints=joints, graph_cameras=CAMERAS)
    checked_processes(StackConfig(model=str(folder)))
    (folder / "head.onnx").write_bytes(b"cut off")
    with pytest.raises(DbpError, match=r"head\.onnx"):
        checked_processes(StackConfig(model=str(folder)))


def test_a_model_for_other_joints_is_refused(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path / "toy", graph_joints=("elbow",), graph_cameras=CAMERAS)
    with pytest.raises(DbpError, match="is for 1 joints, the robot has 14"):
        checked_processes(StackConfig(model=str(folder)))


def test_a_model_that_the_learner_cannot_start_from_is_refused(tmp_path: Path) -> None:
    joints = GuardConfig().joints
    folder = write_toy_bundle(tmp_path / "toy", graph_joints=joints, graph_cameras=CAMERAS)
    with pytest.raises(ConfigError, match=r"cannot start from model .*toy, .* set checkpoint"):
        checked_processes(StackConfig(learner=True, model=str(folder)))


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    stack = StackConfig(learner=True, checkpoint=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"nowhere/checkpoint\.safetensors is not a file"):
        checked_processes(stack)


def test_a_checkpoint_of_another_training_run_is_refused(tmp_path: Path) -> None:
    run = write_facts(tmp_path / "run", {"dataset": {"sha256": "12"}, "update": 5})
    with pytest.raises(ConfigError, match=r"run is of another training run than model lift"):
        checked_processes(StackConfig(learner=True, checkpoint=str(run)))


def test_the_folder_of_another_model_is_refused(
    tmp_path: Path, checkpoint: Path, config: Path
) -> None:
    out = tmp_path / "learner"
    write_facts(out / "learner", {"finetuned": {"model": "0123456789abcdef"}})
    (config / "learner.yaml").write_text(parameters(f"out: {out}"))
    stack = StackConfig(learner=True, checkpoint=str(checkpoint), config=str(config))
    with pytest.raises(ConfigError, match=r"holds the versions of another model \(0123456789ab\)"):
        checked_processes(stack)


def test_a_robot_joins_only_a_learner_that_has_started(tmp_path: Path) -> None:
    stack = StackConfig(learner=True, join=str(tmp_path))
    with pytest.raises(ConfigError, match=r"where no learner has started"):
        checked_processes(stack)
    model = read_bundle(bundle_directory(PolicyConfig.model)).sha256
    write_facts(tmp_path / "learner", {"finetuned": {"model": model}})
    assert checked_processes(stack)[-1].parameters["join"] == str(tmp_path)
    with pytest.raises(ConfigError, match="set learner, too"):
        StackConfig(join=str(tmp_path))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"checkpoint\.safetensors is not a checkpoint"):
        checked_processes(StackConfig(learner=True, checkpoint=str(tmp_path)))


def parameters(*lines: str, key: str = "/**") -> str:
    return "\n".join([f"{key}:", "  ros__parameters:", *(f"    {line}" for line in lines)]) + "\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("guard", parameters("velocity_limits: [0.3]"), "did you mean velocity_limit"),
        ("guard", parameters("velocity_limit: [0.3]"), "velocity_limit has 1 values, expected 14"),
        ("guard", parameters("controller_sizes: [6, 1, 6, 2]"), "controller_sizes.* add up to 15"),
        ("guard", parameters("command_rate_hz: 5000.0"), "command_rate_hz = 5000.0, expected"),
        ("guard", parameters("chunk_timeout_s: 0.2", key="gaurd"), "'gaurd' is not a node"),
        ("guard", parameters("decision_rate_hz: 5.0", key="policy"), "none for /guard"),
        ("guard", parameters("enable_control: true"), "sets enable_control to True, but the lau"),
        ("policy", parameters("image_transport: theora"), "'theora', expected one of raw, compr"),
        ("policy", parameters("model: mine"), "sets model to 'mine', but the launch argument"),
        ("simulation", parameters("camera_backend: x"), "camera_backend is 'x', expected one of"),
        ("simulation", parameters("controller_sizes: [7, 7]"), "controller_sizes"),
        ("learner", parameters("checkpiont: x"), "did you mean checkpoint"),
        ("learner", parameters("out: /dev/null/x"), "out of the learner /dev/null/x cannot be wri"),
    ],
)
def test_an_invalid_parameter_file_of_any_process_is_refused(
    config: Path, checkpoint: Path, name: str, text: str, reason: str
) -> None:
    (config / f"{name}.yaml").write_text(text)
    stack = StackConfig(sim=True, learner=True, checkpoint=str(checkpoint), config=str(config))
    with pytest.raises(ConfigError, match=reason):
        checked_processes(stack)


def test_files_of_processes_that_are_not_started_are_not_checked(config: Path) -> None:
    (config / "simulation.yaml").write_text(parameters("no_such_key: 1"))
    assert len(checked_processes(StackConfig(config=str(config)))) == 2


def test_a_file_may_repeat_the_values_of_the_arguments(config: Path) -> None:
    (config / "guard.yaml").write_text(parameters("enable_control: false", "use_sim_time: true"))
    checked_processes(StackConfig(config=str(config), real_time_factor=0.5))
    with pytest.raises(ConfigError, match=r"sets enable_control to False, .* sets it to True: rem"):
        checked_processes(StackConfig(config=str(config), enable_control=True))


def test_a_file_for_another_namespace_is_refused(config: Path) -> None:
    (config / "guard.yaml").write_text(parameters("chunk_timeout_s: 0.2", key="guard"))
    checked_processes(StackConfig(config=str(config)))
    with pytest.raises(
        ConfigError, match=r"'guard' does not match /a/b/guard: use the key '/\*\*'"
    ):
        checked_processes(StackConfig(config=str(config), namespace="/a/b"))


def test_guard_and_policy_have_the_same_joints(config: Path) -> None:
    joints = GuardConfig().joints[:-1]
    model = write_toy_bundle(config / "toy", graph_joints=joints)
    (config / "policy.yaml").write_text(parameters(f"joints: [{', '.join(joints)}]"))
    with pytest.raises(ConfigError, match="differ in joints; only one has right_gripper_joint"):
        checked_processes(StackConfig(config=str(config), model=str(model)))


def test_a_camera_of_the_model_may_be_remapped(tmp_path: Path) -> None:
    joints = GuardConfig().joints
    folder = write_toy_bundle(tmp_path / "toy", graph_joints=joints, graph_cameras=("chest",))
    checked_processes(StackConfig(model=str(folder), remap="chest:=/zed/image_raw"))
    with pytest.raises(ConfigError, match=r"chst is neither a camera .* did you mean chest"):
        checked_processes(StackConfig(model=str(folder), remap="chst:=/zed/image_raw"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["head_camera:=/a", "hed_camera:=/b"], "did you mean head_camera"),
        (["--remap", "head_camera=/a"], "expected from:=to"),
        (["sim:=true"], "sim:=true is an argument of ros2 launch: use --sim"),
        (["simm:=true"], "did you mean sim"),
        (["--real-time-factor", "0"], "real_time_factor = 0.0, expected"),
        (["--sim", "--task", "nope"], "task is 'nope', expected one of"),
    ],
)
def test_an_invalid_command_line_is_one_line(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", *words]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
