"""`dbp record`: record episodes of a robot driven by any node."""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO

from rich.console import Console

from dbp_ros.cli.keys import pressed_keys
from dbp_ros.cli.node_process import node_process
from dbp_ros.cli.operator_verbs import add_namespace
from dbp_ros.cli.recording_console import KEYS, SERVICES, RecordingConsole
from dbp_ros.cli.terminal import terminal
from dbp_ros.errors import DbpError
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.runtime.supervisor import start_process
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, given_settings, settings_from
from dbp_ros.settings.policy import ImageTransportName
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.stack.processes import Process, StackConfig

NODE = "recorder"
PARAMETERS = ("out", "operator", "image_transport")
START_S, END_S = 60.0, 20.0
# Log level that the terminal does not show, as it shows the responses of the services.
HIDDEN_LEVEL = "[INFO]"


@dataclass(frozen=True)
class RecordConfig(Settings):
    """Flags of `dbp record` except `--namespace`."""

    robot: str = setting(
        DEFAULT_ROBOT, "description of the robot: a name in config/robots/, or a file"
    )
    task: str = setting("", "task, stored with each episode")
    out: str = setting("", "folder of the episodes; empty for recordings/ROBOT")
    operator: str = setting("", "name or initials of the operator, stored with each episode")
    image_transport: ImageTransportName = setting(
        RecorderConfig.image_transport, "topics of the images: image_raw, or image_raw/compressed"
    )
    remap: str = setting("", "remap rules from:=to, as in dbp up")
    use_sim_time: bool = setting(False, "use /clock, for a simulator")
    config: str = setting("", "folder of parameter files; empty for the installed ones")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and its flags."""
    parser.description = (
        "Record episodes of a running robot: joint states, images, commands, chunks and decisions "
        f"at full rate, with any node driving it. In a terminal, {KEYS}. A foot pedal is a "
        "keyboard: program it to send b, s, f, d or k, or t if it has one key."
    )
    add_settings(parser, RecordConfig)
    add_namespace(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the recorder until `q` or Ctrl-C.

    Raises:
        DbpError: If a setting or a folder is wrong, or no topic of the robot has messages.
    """
    config: RecordConfig = settings_from(RecordConfig, arguments)
    process = recorder_process(config, given_settings(arguments), arguments.namespace)
    console = terminal()
    child = start_process(process.command(arguments.namespace), os.environ)
    assert child.stdout is not None
    log = threading.Thread(target=_print_log, args=(child.stdout, console), daemon=True)
    log.start()
    try:
        with connected(arguments.namespace, "record") as operator, pressed_keys() as read_key:
            _await_start(operator, child)
            trigger = partial(_trigger, operator)
            terminal_of = RecordingConsole(console, trigger, partial(_require_running, child))
            terminal_of.require_messages()
            _print_help(console, operator)
            terminal_of.run(read_key)
    finally:
        _end(child)
        log.join(timeout=1.0)
    return 0


def recorder_process(config: RecordConfig, given: Collection[str], namespace: str) -> Process:
    """Return the process of the recorder, with checked settings.

    Args:
        config: Flags of the verb.
        given: Names of the flags on the command line, which override a parameter file.
        namespace: Namespace of the stack.

    Raises:
        ConfigError: If a setting, a parameter file or the folder is invalid.
    """
    stack = StackConfig(
        robot=config.robot,
        task=config.task,
        policy=False,
        recorder=True,
        remap=config.remap,
        use_sim_time=config.use_sim_time,
        namespace=namespace,
        config=config.config,
    )
    return node_process(NODE, stack, config, given, PARAMETERS)


def _await_start(operator: OperatorClient, child: "subprocess.Popen[str]") -> None:
    """Wait until the recorder offers its services.

    Raises:
        DbpError: If it ends, or another recorder runs.
    """
    service = f"{NODE}/statistics"
    operator.spin_until(lambda: child.poll() is not None or operator.offers(service), START_S)
    _require_running(child)
    own = operator.namespace or "/"
    nodes = operator.node.get_node_names_and_namespaces()
    if sum(node == (NODE, own) for node in nodes) > 1:
        raise DbpError(
            f"another recorder runs in the namespace {own}: end it, or call its services and "
            "leave dbp record out"
        )


def _require_running(child: "subprocess.Popen[str]") -> None:
    if (status := child.poll()) is not None:
        raise DbpError(f"the recorder ended ({status}): see its log above")


def _trigger(operator: OperatorClient, service: str) -> str:
    return operator.trigger(f"{NODE}/{service}")


def _print_help(console: Console, operator: OperatorClient) -> None:
    """Print the keys, or the services if the input is not a terminal."""
    if sys.stdin.isatty():
        console.print(KEYS)
        return
    names = (operator.node.resolve_service_name(f"{NODE}/{s}") for s in SERVICES.values())
    console.print(f"services: {', '.join(dict.fromkeys(names))}", soft_wrap=True)


def _print_log(stream: IO[str], console: Console) -> None:
    """Print the warnings and errors of the recorder until it ends."""
    for line in stream:
        if not line.startswith(HIDDEN_LEVEL):
            console.print(line.rstrip("\n"), soft_wrap=True)


def _end(child: "subprocess.Popen[str]") -> None:
    """End the recorder, which ends a running episode and writes everything to the disk."""
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
