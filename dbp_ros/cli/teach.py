"""`dbp teach`: teach a robot in the browser."""

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint, missing
from dbp_ros.runtime.supervisor import Supervisor
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, settings_from
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.robot_files import path_of
from dbp_ros.settings.simulation import TaskName
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import ESSENTIAL, Parameters, StackConfig, processes
from dbp_ros.teach.await_model import command_of
from dbp_ros.teach.deployment import deploy
from dbp_ros.teach.workspace import DEFAULT_FOLDER, Workspace

# Extras beyond those of the stack: training, and reading of recordings.
EXTRAS = ("learn", "data")
POLICY = "policy"
DEFAULT_TASK = "lift"
# Shipped model of another task, whose weights know the cameras and arms of the simulated cell.
INITIAL_MODEL, INITIAL_MODEL_OF_CAN = "can", "transport"


@dataclass(frozen=True)
class TeachVerbConfig(Settings):
    """Flags of `dbp teach`."""

    folder: Path = setting(
        DEFAULT_FOLDER, "workspace: recordings, trainings and models; continued if it exists"
    )
    task: TaskName | None = setting(
        None, "task of the simulated cell; that of the workspace if not given, lift in a new one"
    )
    robot: str = setting(
        "",
        "description of a real robot whose drivers run, in place of the simulated cell: a name in "
        "config/robots/, or a file; empty for that of the workspace",
    )
    model: str = setting(
        "", "first model: a folder, or a name under models/; empty for none, or the deployed one"
    )
    host: str = setting(PanelConfig.host, "address on which the page listens")
    port: int = setting(PanelConfig.port, "TCP port of the page; 0 for a free one", ge=0, le=65535)
    remap: str = setting("", "remap rules from:=to, as in dbp up")
    config: str = setting("", "folder of parameter files; empty for the installed ones")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Start the simulated cell, the guard, teleoperation, the recorder and the operator's page, "
        "whose address is printed: drag a hand, record demonstrations, review them, train, "
        "evaluate and deploy in the browser, until Ctrl-C. The policy starts with the first model "
        "that is deployed."
    )
    parser.epilog = "The stack reads ROS_DOMAIN_ID and the other environment variables of ROS 2."
    add_settings(parser, TeachVerbConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the stack until a signal, or until the guard ends.

    Raises:
        DbpError: If a setting, a file or the model is wrong, or a library is not installed.
    """
    config: TeachVerbConfig = settings_from(TeachVerbConfig, arguments)
    if libraries := missing(*EXTRAS):
        library = next(iter(libraries.values()))[0]
        raise ConfigError(f"dbp teach needs {library}; {install_hint(library, EXTRAS)}")
    workspace = opened_workspace(config)
    if config.model:
        deploy(bundle_directory(config.model), workspace.live_model)
    commands = teach_commands(config, workspace)
    print(f"workspace: {workspace.folder}; the address of the page follows", flush=True)
    return Supervisor(commands, os.environ, ESSENTIAL).run()


def opened_workspace(config: TeachVerbConfig) -> Workspace:
    """Return the workspace, with the task or the robot of the flags in its settings.

    A new workspace of the simulated cell also gets an initial model.

    Raises:
        ConfigError: If task and robot are given, or one differs from that of recorded episodes.
    """
    if config.task and config.robot:
        raise ConfigError(
            f"task is {config.task}, of the simulated cell, and robot is {config.robot}, of a real "
            "robot: give one of them"
        )
    workspace = Workspace(config.folder)
    if not (workspace.is_new or config.task or config.robot):
        return workspace
    task = "" if config.robot else config.task or DEFAULT_TASK
    robot = str(path_of(config.robot) or config.robot or DEFAULT_ROBOT)
    before = workspace.settings
    if (task, robot) != (before.task, before.robot) and workspace.has_episodes:
        recorded = f"task {before.task}" if before.task else f"robot {before.robot}"
        raise ConfigError(
            f"{workspace.folder} has episodes of {recorded}: leave out --task and --robot to go "
            "on, or give another --folder"
        )
    changed = replace(before, task=task, robot=robot)
    if workspace.is_new or (task, robot) != (before.task, before.robot):
        simulated = INITIAL_MODEL_OF_CAN if task == "can" else INITIAL_MODEL
        changed = replace(changed, initial_model=simulated if task else "")
    workspace.save_settings(changed)
    return workspace


def teach_commands(
    config: TeachVerbConfig, workspace: Workspace, real_time_factor: float = 1.0
) -> dict[str, list[str]]:
    """Return the command lines of the stack by name, with checked settings.

    Without a model, the process of the policy waits for the first one.

    Args:
        config: Flags of the verb.
        workspace: The workspace.
        real_time_factor: Simulation time per wall time, below 1 for a busy machine.

    Raises:
        DbpError: If a setting, a file or the deployed model is wrong, or a library is missing.
    """
    simulated = workspace.settings.task != ""
    stack = StackConfig(
        robot=workspace.settings.robot,
        task=workspace.settings.task,
        sim=simulated,
        # No person is near the simulated arms.
        enable_control=simulated,
        model=str(workspace.live_model),
        policy=(workspace.live_model / MANIFEST).is_file(),
        recorder=True,
        teleop=True,
        panel=True,
        real_time_factor=real_time_factor,
        remap=config.remap,
        config=config.config,
    )
    own: dict[str, Parameters] = {
        "recorder": {"out": str(workspace.recordings)},
        "panel": {
            "teach_folder": str(workspace.folder),
            "host": config.host,
            "port": config.port,
        },
    }
    checked_processes(stack)
    commands = {}
    for process in processes(replace(stack, policy=True)):
        parameters = {**process.parameters, **own.get(process.name, {})}
        command = replace(process, parameters=parameters).command("")
        waits = process.name == POLICY
        commands[process.name] = command_of(workspace.live_model, command) if waits else command
    return commands
