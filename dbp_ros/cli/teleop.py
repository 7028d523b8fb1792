"""`dbp teleop`: drive the arms by the keyboard of a terminal, or by a gamepad."""

import argparse
from contextlib import ExitStack

from dbp_ros.cli.keys import pressed_keys
from dbp_ros.cli.operator_verbs import add_namespace
from dbp_ros.cli.teleop_console import TeleopConsole
from dbp_ros.cli.terminal import terminal
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.teleop_remote import TeleopRemote
from dbp_ros.teleop.joystick import Joystick
from dbp_ros.teleop.keyboard import HELP, Keyboard

DEVICE = "/dev/input/js0"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and its flags."""
    parser.description = (
        "Drive the hands of a running stack with --teleop. In a terminal: " + "; ".join(HELP) + ". "
        "The arms are held when this command ends; dbp give-back returns control to the policy."
    )
    add_namespace(parser)
    parser.add_argument(
        "--gamepad",
        nargs="?",
        const=DEVICE,
        default="",
        metavar="DEVICE",
        help=f"also read a gamepad of the Linux joystick driver (without a value: {DEVICE}); "
        "teleop.yaml has its buttons",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Publish inputs until `q` or Ctrl-C.

    Raises:
        DbpError: If teleoperation does not run, or the gamepad is missing or disconnected.
    """
    console = terminal()
    with ExitStack() as stack:
        joystick = Joystick(arguments.gamepad) if arguments.gamepad else None
        if joystick is not None:
            stack.callback(joystick.close)
        remote = TeleopRemote(stack.enter_context(connected(arguments.namespace, "teleop")))
        read_key = stack.enter_context(pressed_keys())
        keyboard = Keyboard(remote.arms, remote.hand_speed, remote.hand_turn_speed)
        console.print("\n".join(HELP))
        TeleopConsole(console, remote, keyboard).run(read_key, joystick)
    return 0
