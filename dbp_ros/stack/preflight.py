"""Checks before the processes of the stack start, for `ros2 launch` and `dbp up`."""

from dataclasses import fields
from typing import Any

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import require_joints
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint, is_missing, missing
from dbp_ros.files import check_folder
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.ros_support import ros_problem
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import NODES, check_file, settings_of
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.settings.robot_files import read_robot
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.settings.teleop import check_teleop
from dbp_ros.stack.learner_start import check_learner_start
from dbp_ros.stack.processes import Process, StackConfig, processes
from dbp_ros.stack.remaps import check_sources, rules_of


def checked_processes(config: StackConfig) -> list[Process]:
    """Check the requirements of a stack; return its processes in the order of their start.

    Raises:
        ConfigError: If ROS 2 is not supported, a library, a parameter file or the weights of
            the learner are missing, a parameter is unknown, of the wrong type or out of range, the
            settings of a node contradict each other, or a remap rule has an unknown source.
        BundleError: If the model is missing, damaged or made for other joints.
    """
    _require_libraries(config)
    stack = processes(config)
    settings = {process.name: _settings_of(process, config) for process in stack}
    guard: GuardConfig = settings["guard"]
    # The constructors check rules across several settings.
    MotionGuard(guard)
    guard.controller_slices()
    if config.sim:
        simulation: SimulationConfig = settings["simulation"]
        simulation.controller_slices()
    if config.recorder:
        recorder: RecorderConfig = settings["recorder"]
        recorder.buttons()
        check_folder(recorder.folder(), "out of the recorder")
    robot = read_robot(config.robot)
    if config.teleop:
        check_teleop(settings["teleop"], robot)
    cameras = list(robot.cameras)
    if config.policy:
        bundle = read_bundle(bundle_directory(config.model))
        cameras += bundle.manifest.camera_names
        policy: PolicyConfig = settings["policy"]
        require_joints(bundle.manifest, policy.joints)
        _require_same_joints(guard, policy)
        if config.learner:
            check_learner_start(settings["learner"], bundle)
    check_sources(
        rules_of(config.remap),
        config.namespace.strip("/"),
        tuple(dict.fromkeys(cameras)),
        guard.controllers,
        NODES,
        [item.name for item in fields(StackConfig)],
    )
    return stack


def _require_libraries(config: StackConfig) -> None:
    if problem := ros_problem():
        raise ConfigError(problem)
    wanted = {
        "sim": config.sim,
        "learner": config.learner,
        "record": config.recorder,
        "panel": config.panel,
        "teleop": config.teleop,
    }
    extras = ["ros", *(extra for extra, needed in wanted.items() if needed)]
    missing_libraries = missing(*extras)
    if missing_libraries:
        library = next(iter(missing_libraries.values()))[0]
        raise ConfigError(f"the stack needs {library}; {install_hint(library, extras)}")
    if config.policy and is_missing("onnxruntime"):
        raise ConfigError(f"the policy needs onnxruntime; {install_hint('onnxruntime')}")


def _settings_of(process: Process, config: StackConfig) -> Any:
    """Return the settings of a process from its parameter file and its overrides."""
    path, kind = process.parameter_file, NODES[process.name]
    node = "/".join(("", *config.namespace.strip("/").split("/"), process.name))
    values = check_file(path, node.replace("//", "/"), kind)
    for name, value in process.parameters.items():
        if values.get(name, value) != value:
            raise ConfigError(
                f"{path} sets {name} to {values[name]!r}, but the launch argument "
                f"{_argument(name)} sets it to {value!r}: remove it from the file"
            )
    return settings_of(kind, {**values, **process.parameters})


def _argument(name: str) -> str:
    """Return the launch argument that sets a parameter."""
    known = {item.name for item in fields(StackConfig)}
    return name if name in known else "learner"


def _require_same_joints(guard: GuardConfig, policy: PolicyConfig) -> None:
    if different := sorted(set(guard.joints) ^ set(policy.joints)):
        raise ConfigError(
            f"guard.yaml and policy.yaml differ in joints; only one has {', '.join(different)}"
        )
