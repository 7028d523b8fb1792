"""The stack, described once: which processes it has, and what each is given.

`launch/dual_arm.launch.py` and `dbp up` both start what `processes` lists.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dbp_ros.errors import ConfigError
from dbp_ros.resources import resource_directory
from dbp_ros.settings.fields import check_ranges, setting
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.process import FASTEST, SLOWEST
from dbp_ros.settings.simulation import TASKS, SimulationConfig
from dbp_ros.stack.remaps import EXAMPLE, Rule, rules_of

BOOLEANS = {"true": True, "false": False}
NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
# The guard holds back more of what is random, and that is no reason to call a model back.
EXPLORING: dict[str, bool | float] = {"explore": True, "max_limited_increase": 1.0}
# The process with whose end the stack ends.
ESSENTIAL = "guard"
# Likeness, from 0 to 1, of a word and an argument from which on the argument is meant.
MISSPELT = 0.75
# Arguments that launch itself reads.
LAUNCH_ARGUMENTS = (
    *("launch-prefix", "launch-prefix-filter", "emulate_tty", "ros_namespace"),
    *("sigterm_timeout", "sigkill_timeout"),
)


@dataclass(frozen=True)
class StackConfig:
    """Arguments of the launch file and of `dbp up`; the rest is in the parameter files."""

    model: str = setting(PolicyConfig.model, "Model bundle: a folder, or a name under models/")
    task: str = setting(
        SimulationConfig.task,
        "Task of the simulated cell: reach, lift, can or transport; without it, a label for the "
        "learner's episodes",
    )
    sim: bool = setting(False, "Start the simulated cell instead of using a real robot")
    enable_control: bool = setting(
        GuardConfig.enable_control,
        "Command the arms from the start; otherwise call guard/enable_control",
    )
    learner: bool = setting(
        False, "Let the policy explore, and learn from what comes of it; needs a checkpoint"
    )
    checkpoint: str = setting(
        LearnerConfig.checkpoint, "Training run that the model was exported from, for the learner"
    )
    real_time_factor: float = setting(
        1.0,
        "Simulation time per wall time; other than 1 puts all nodes on /clock, "
        "from the simulated cell, or from your own simulator if sim is false",
        minimum=SLOWEST,
        maximum=FASTEST,
    )
    use_sim_time: bool = setting(
        False, "Put every node on /clock also if real_time_factor is 1, for your own simulator"
    )
    remap: str = setting(
        "",
        "Topics under other names, from:=to separated by spaces; a camera by its name, raw and "
        f"compressed alike: {EXAMPLE}",
    )
    namespace: str = setting("", "Namespace of every node and topic")
    config: str = setting("", "Folder of parameter files; empty for those installed")

    def __post_init__(self) -> None:
        """Raise `ConfigError` if the values do not make a stack."""
        check_ranges(self)
        if self.namespace and not NAMESPACE.fullmatch(self.namespace):
            raise ConfigError(
                f"namespace is {self.namespace!r}, expected letters, digits and underscores, "
                "such as cell_1"
            )
        if not self.model:
            raise ConfigError("model is empty, expected a folder or a name under models/")
        if self.sim and self.task not in TASKS:
            raise ConfigError(f"task is {self.task!r}, expected one of {', '.join(TASKS)}")
        if self.learner and not self.checkpoint:
            raise ConfigError("checkpoint is empty, but the learner needs the run of the model")
        rules_of(self.remap)


@dataclass(frozen=True)
class Process:
    """One process of the stack.

    Attributes:
        name: Name of its node.
        module: Module that runs as the process.
        parameter_file: What it reads first.
        parameters: What overrides the file.
        remaps: ROS rules for its topics.
    """

    name: str
    module: str
    parameter_file: Path
    parameters: dict[str, str | bool | float] = field(default_factory=dict)
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


def config_of(values: Mapping[str, str]) -> StackConfig:
    """Return the settings that a launch file's arguments, which are all strings, stand for.

    Raises:
        ConfigError: If a value cannot be read.
    """
    return StackConfig(
        **{
            item.name: _parse(item.type, item.name, values[item.name])
            for item in fields(StackConfig)
            if item.name in values
        }
    )


def remaps_among(words: Iterable[str]) -> list[str]:
    """Return the words `name:=value` of a launch command that are no arguments: remaps.

    Raises:
        ConfigError: If a name is nearly that of an argument.
    """
    settings = [item.name for item in fields(StackConfig)]
    found = []
    for word in words:
        name, assignment, _ = word.partition(":=")
        if assignment and name not in (*settings, *LAUNCH_ARGUMENTS):
            if near := difflib.get_close_matches(name, settings, 1, MISSPELT):
                raise ConfigError(f"{word}: {name} is no argument: did you mean {near[0]}?")
            found.append(word)
    return found


def _parse(kind: Any, name: str, value: str) -> Any:
    if kind is float:
        try:
            return float(value)
        except ValueError:
            raise ConfigError(f"{name} is {value!r}, expected a number") from None
    if kind is not bool:
        return value
    if value.lower() not in BOOLEANS:
        raise ConfigError(f"{name} is {value!r}, expected true or false")
    return BOOLEANS[value.lower()]


def processes(config: StackConfig) -> list[Process]:
    """Return the processes of a stack, in the order in which they start.

    Raises:
        ConfigError: If a parameter file is missing.
    """
    folder = Path(config.config).expanduser() if config.config else resource_directory() / "config"
    scaled = config.real_time_factor != 1.0
    clock: dict[str, str | bool | float] = (
        {"use_sim_time": True} if scaled or config.use_sim_time else {}
    )
    factor: dict[str, str | bool | float] = (
        {"real_time_factor": config.real_time_factor} if scaled else {}
    )
    model, task = {"model": config.model}, {"task": config.task}
    listed = {
        "guard": ("guard_node", {"enable_control": config.enable_control, **clock, **factor}),
        "policy": (
            "policy_node",
            {**model, **(EXPLORING if config.learner else {}), **clock, **factor},
        ),
    }
    if config.learner:
        learned_from = {"checkpoint": config.checkpoint}
        listed["learner"] = ("learner_node", {**model, **learned_from, **task, **clock})
    if config.sim:
        published = {"publish_clock": True} if clock and not scaled else {}
        listed = {"simulation": ("sim_node", {**task, **factor, **published}), **listed}
    for name in listed:
        if not (folder / f"{name}.yaml").is_file():
            raise ConfigError(f"{folder / name}.yaml is missing: copy it from config/")
    rules = rules_of(config.remap)
    return [
        Process(name, f"dbp_ros.nodes.{module}", folder / f"{name}.yaml", parameters, rules)
        for name, (module, parameters) in listed.items()
    ]
