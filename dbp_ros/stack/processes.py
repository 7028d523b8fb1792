"""Processes of the stack, with their parameters and remaps.

Both `launch/dual_arm.launch.py` and `dbp up` start the processes that `processes` returns.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.resources import resource_directory
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, convert, setting
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.process import MAX_REAL_TIME_FACTOR, MIN_REAL_TIME_FACTOR
from dbp_ros.settings.robot_files import path_of, read_robot
from dbp_ros.settings.simulation import SimulationConfig, TaskName
from dbp_ros.stack.remaps import EXAMPLE, JOINT_STATES, Rule, robot_rules, rules_of

Parameters = dict[str, str | bool | float]
Hardware = Literal["none", "mock", "mujoco", "gazebo", "ur"]
# Hardware of ros2_control that publishes /clock.
SIMULATORS = ("mujoco", "gazebo")

NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
# The guard limits more of an exploring policy's commands, which must not cause a rollback.
EXPLORING: dict[str, bool | float] = {"explore": True, "max_limited_increase": 1.0}
# The stack ends when this process ends.
ESSENTIAL = "guard"
# Similarity, from 0 to 1, at which a word counts as a misspelt argument.
MIN_SIMILARITY = 0.75
# Arguments of `launch` and `launch_ros` themselves.
LAUNCH_ARGUMENTS = (
    *("launch-prefix", "launch-prefix-filter", "emulate_tty", "ros_namespace"),
    *("sigterm_timeout", "sigkill_timeout"),
)


@dataclass(frozen=True)
class StackConfig(Settings):
    """Arguments of the launch file and of `dbp up`; other settings are in the parameter files."""

    robot: str = setting(
        DEFAULT_ROBOT, "Description of the robot: a name in config/robots/, or a file"
    )
    model: str = setting(PolicyConfig.model, "Model bundle: a folder, or a name under models/")
    policy: bool = setting(
        True, "Start the policy; without it, another node publishes action_chunk"
    )
    task: str = setting(
        "",
        "Task of the simulated cell: reach, lift, can or transport, empty for "
        f"{SimulationConfig.task}; with a real robot, a label for the episodes of the learner and "
        "the recorder",
    )
    sim: bool = setting(
        False, "Start the simulated cell or, for another robot, its arms, in place of a real robot"
    )
    hardware: Hardware = setting(
        "none",
        "Start ros2_control with this hardware, its controllers and robot_state_publisher; none if "
        "they run already; only with ros2 launch",
    )
    view: bool = setting(
        False,
        "Publish robot_description, the robot and the chunks as markers; with ros2 launch also "
        "start robot_state_publisher and RViz",
    )
    panel: bool = setting(
        False, "Serve the operator's page in a browser; its address is in panel.yaml"
    )
    addresses: str = setting(
        "", "Address of each arm for the hardware ur, such as left=192.168.1.2 right=192.168.1.3"
    )
    enable_control: bool = setting(
        GuardConfig.enable_control,
        "Enable control at the start; otherwise call guard/enable_control",
    )
    learner: bool = setting(False, "Explore with the policy and fine-tune it from its episodes")
    checkpoint: str = setting(
        LearnerConfig.checkpoint,
        "Folder of the training run of the model, for the learner; empty to start from the model",
    )
    join: str = setting(
        LearnerConfig.join, "Folder of another robot's learner, to learn from this robot, too"
    )
    recorder: bool = setting(
        False,
        "Start the recorder, which records episodes on request, with any node driving the robot",
    )
    teleop: bool = setting(
        False, "Start teleoperation, by which an operator drives the arms in place of the policy"
    )
    auto_reset: bool = setting(
        True,
        "With sim and learner: begin the next episode after success, the time limit or a stop",
    )
    real_time_factor: float = setting(
        1.0,
        "Simulation time per second of wall time [s]; unless it is 1, all nodes use /clock, from "
        "the simulated cell, or from another simulator if sim is false",
        ge=MIN_REAL_TIME_FACTOR,
        le=MAX_REAL_TIME_FACTOR,
    )
    use_sim_time: bool = setting(
        False, "Use /clock in all nodes even if real_time_factor is 1, for another simulator"
    )
    remap: str = setting(
        "",
        "Remap rules from:=to, separated by spaces; the name of a camera remaps its raw and its "
        f"compressed topic: {EXAMPLE}",
    )
    namespace: str = setting("", "Namespace of every node and topic")
    config: str = setting("", "Folder of parameter files; empty for the installed ones")

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that are out of range or contradict each other."""
        super().__post_init__()
        if self.namespace and not NAMESPACE.fullmatch(self.namespace):
            raise ConfigError(
                f"namespace is {self.namespace!r}, expected letters, digits and underscores, "
                "such as cell_1"
            )
        self._check_hardware()
        if self.join and not self.learner:
            raise ConfigError(f"join is {self.join}: set learner, too, or leave join empty")
        if self.learner and not self.policy:
            raise ConfigError("learner needs the policy: set policy, too")
        if not self.model:
            raise ConfigError("model is empty, expected a folder or a name under models/")
        if self.sim and self.task:
            convert(TaskName, self.task, "task")
        rules_of(self.remap)
        # The nodes may have another working directory.
        if robot_path := path_of(self.robot):
            object.__setattr__(self, "robot", str(robot_path))

    def _check_hardware(self) -> None:
        if self.sim and self.hardware != "none":
            raise ConfigError(f"hardware is {self.hardware} and sim is true: set only one of them")
        if self.addresses and self.hardware != "ur":
            raise ConfigError(f"addresses is {self.addresses!r}, but hardware is {self.hardware}")
        if self.hardware == "ur":
            words = self.addresses.split()
            given = sorted(word.partition("=")[0] for word in words if word.partition("=")[2])
            expected = sorted(read_robot(self.robot).arms)
            if given != expected or len(words) != len(expected):
                example = " ".join(f"{arm}=192.168.1.{k + 2}" for k, arm in enumerate(expected))
                raise ConfigError(
                    f"addresses is {self.addresses!r}, expected one for each arm, such as {example}"
                )
        if self.hardware != "none" and JOINT_STATES in dict(rules_of(self.remap)):
            raise ConfigError(
                f"hardware is {self.hardware}, whose controllers publish {JOINT_STATES}: do not "
                "remap it"
            )
        if self.hardware in SIMULATORS and self.real_time_factor != 1.0:
            raise ConfigError(
                f"real_time_factor is {self.real_time_factor}, but hardware {self.hardware} has "
                "its own clock: leave it at 1"
            )


@dataclass(frozen=True)
class Process:
    """One process of the stack.

    Attributes:
        name: Name of its node.
        module: Module that runs as the process.
        parameter_file: Parameter file of the node.
        parameters: Parameters that override the file.
        remaps: ROS remap rules.
    """

    name: str
    module: str
    parameter_file: Path
    parameters: Parameters = field(default_factory=dict)
    remaps: tuple[Rule, ...] = ()

    def command(self, namespace: str) -> list[str]:
        """Return the command line that runs the process without `ros2 launch`."""
        overrides = [f"{name}:={json.dumps(value)}" for name, value in self.parameters.items()]
        rules = [f"{source}:={target}" for source, target in self.remaps]
        rules += [f"__ns:=/{namespace.lstrip('/')}"] if namespace else []
        return [
            *(sys.executable, "-m", self.module),
            *("--ros-args", "--params-file", str(self.parameter_file)),
            *(word for override in overrides for word in ("-p", override)),
            *(word for rule in rules for word in ("-r", rule)),
        ]


def remaps_among(words: Iterable[str]) -> list[str]:
    """Return the remap rules of a launch command: words `name:=value` that are not arguments.

    Raises:
        ConfigError: If a name is a misspelt argument.
    """
    settings = [item.name for item in fields(StackConfig)]
    found = []
    for word in words:
        name, assignment, _ = word.partition(":=")
        if assignment and name not in (*settings, *LAUNCH_ARGUMENTS):
            if near := difflib.get_close_matches(name, settings, 1, MIN_SIMILARITY):
                raise ConfigError(f"{word}: {name} is not an argument: did you mean {near[0]}?")
            found.append(word)
    return found


def processes(config: StackConfig) -> list[Process]:
    """Return the processes of a stack, in the order in which they start.

    Raises:
        ConfigError: If a parameter file or the description of the robot is missing or invalid.
    """
    folder = Path(config.config).expanduser() if config.config else resource_directory() / "config"
    scaled = config.real_time_factor != 1.0
    other_clock = config.use_sim_time or config.hardware in SIMULATORS
    clock: Parameters = {"use_sim_time": True} if scaled or other_clock else {}
    factor: Parameters = {"real_time_factor": config.real_time_factor} if scaled else {}
    simulated_task = SimulationConfig.task if config.sim else ""
    model, task = {"model": config.model}, {"task": config.task or simulated_task}
    robot = {"robot": config.robot}
    control = {"enable_control": config.enable_control}
    exploring = EXPLORING if config.learner else {}
    nodes: dict[str, tuple[str, Parameters]] = {
        "guard": ("guard_node", {**robot, **control, **clock, **factor}),
    }
    if config.policy:
        nodes["policy"] = ("policy_node", {**robot, **model, **exploring, **clock, **factor})
    if config.learner:
        start = {"checkpoint": config.checkpoint, **({"join": config.join} if config.join else {})}
        nodes["learner"] = ("learner_node", {**model, **start, **task, **clock})
    if config.recorder:
        nodes["recorder"] = ("recorder_node", {**robot, **task, **clock})
    if config.teleop:
        nodes["teleop"] = ("teleop_node", {**robot, **clock, **factor})
    if config.sim:
        publish_clock = {"publish_clock": True} if clock and not scaled else {}
        reset = {"auto_reset": True} if config.learner and config.auto_reset else {}
        simulation = {**robot, **task, **factor, **publish_clock, **reset}
        nodes = {"simulation": ("sim_node", simulation), **nodes}
    if config.view:
        nodes["view"] = ("view_node", {**robot, **clock})
    if config.panel:
        nodes["panel"] = ("panel_node", {**robot, **clock})
    for name in nodes:
        if not (folder / f"{name}.yaml").is_file():
            raise ConfigError(f"{folder / name}.yaml is missing: copy it from config/")
    rules = all_rules(config)
    return [
        Process(name, f"dbp_ros.nodes.{module}", folder / f"{name}.yaml", parameters, rules)
        for name, (module, parameters) in nodes.items()
    ]


def all_rules(config: StackConfig) -> tuple[Rule, ...]:
    """Return the remap rules of a stack; those of its arguments override those of the robot."""
    given = rules_of(config.remap)
    sources = {source for source, _ in given}
    if config.hardware != "none":
        # The broadcaster that is started with the hardware publishes on the default topic.
        sources.add(JOINT_STATES)
    robot = robot_rules(read_robot(config.robot))
    return (*given, *(rule for rule in robot if rule[0] not in sources))
