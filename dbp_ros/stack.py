"""The stack, described once: which processes it has, and what each is given.

`launch/dual_arm.launch.py` and `dbp up` both start what `processes` lists.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dbp_ros.config import GuardConfig, LearnerConfig, PolicyConfig, SimulationConfig, setting
from dbp_ros.errors import ConfigError
from dbp_ros.share import share_directory

BOOLEANS = {"true": True, "false": False}
NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
# The guard holds back more of what is random, and that is no reason to call a model back.
EXPLORING: dict[str, bool | float] = {"explore": True, "limited_rise": 1.0}


@dataclass(frozen=True)
class StackConfig:
    """What a person says to start the stack; the rest is in the parameter files."""

    model: str = setting(PolicyConfig.model, "Model bundle: a folder, or a name under models/")
    task: str = setting(SimulationConfig.task, "Task of the simulator: one of `dbp collect`")
    sim: bool = setting(True, "Start the simulated cell; false with a real robot")
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
    speed: float = setting(
        1.0, "Seconds of the simulation that pass in one; other than 1 puts all on /clock"
    )
    namespace: str = setting("", "Namespace of every node and topic")
    config: str = setting("", "Folder of parameter files; empty for those installed")

    def __post_init__(self) -> None:
        """Raise `ConfigError` if what is given does not make a stack."""
        if self.namespace and not NAMESPACE.fullmatch(self.namespace):
            raise ConfigError(
                f"namespace is {self.namespace!r}, expected letters, digits and underscores, "
                "such as cell_1"
            )
        if not self.model:
            raise ConfigError("model is empty, expected a folder or a name under models/")
        if self.speed != 1.0 and not self.sim:
            raise ConfigError(f"speed is {self.speed:g}, but a real robot has but one: leave it 1")
        if self.learner and not self.checkpoint:
            raise ConfigError("checkpoint is empty, but the learner needs the run of the model")


@dataclass(frozen=True)
class Process:
    """One process of the stack.

    Attributes:
        name: Name of its node.
        module: Module that runs as the process.
        parameter_file: What it reads first.
        parameters: What overrides the file.
    """

    name: str
    module: str
    parameter_file: Path
    parameters: dict[str, str | bool | float] = field(default_factory=dict)

    def command(self, namespace: str) -> list[str]:
        """Return the command line that runs the process without `ros2 launch`."""
        overrides = [f"{name}:={json.dumps(value)}" for name, value in self.parameters.items()]
        return [
            *(sys.executable, "-m", self.module),
            *("--ros-args", "--params-file", str(self.parameter_file)),
            *(word for override in overrides for word in ("-p", override)),
            *(("-r", f"__ns:=/{namespace.lstrip('/')}") if namespace else ()),
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
    folder = Path(config.config).expanduser() if config.config else share_directory() / "config"
    simulated = {} if config.speed == 1.0 else {"use_sim_time": True}
    paced = {**simulated, "speed": config.speed} if simulated else {}
    listed = [
        Process(
            "guard",
            "dbp_ros.nodes.guard_node",
            folder / "guard.yaml",
            {"enable_control": config.enable_control, **paced},
        ),
        Process(
            "policy",
            "dbp_ros.nodes.policy_node",
            folder / "policy.yaml",
            {"model": config.model, **(EXPLORING if config.learner else {}), **paced},
        ),
    ]
    if config.learner:
        file = folder / "learner.yaml"
        listed.append(
            Process(
                "learner",
                "dbp_ros.nodes.learner_node",
                file,
                {
                    "model": config.model,
                    "checkpoint": config.checkpoint,
                    "task": config.task,
                    **simulated,
                },
            )
        )
    if config.sim:
        file = folder / "simulation.yaml"
        listed.insert(
            0,
            Process(
                "simulation",
                "dbp_ros.nodes.sim_node",
                file,
                {"task": config.task, **({"speed": config.speed} if simulated else {})},
            ),
        )
    for process in listed:
        if not process.parameter_file.is_file():
            raise ConfigError(f"{process.parameter_file} is missing: copy it from config/")
    return listed
