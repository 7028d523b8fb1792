"""Verbs that operate a running stack: each makes one request and prints its result."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dbp_ros.cli.command import Register
from dbp_ros.errors import DbpError
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.homing import move_home
from dbp_ros.nodes.joint_test import run_joint_test
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.nodes.trajectory_homing import home_by_trajectory
from dbp_ros.stack.controller_switch import switch_controllers

# Upper bound for a new episode; each of its steps has its own timeout.
NEW_EPISODE_TIMEOUT_S = 90.0
TRAJECTORY = {
    "--trajectory": {
        "action": "store_true",
        "help": "move by the trajectory controllers; --enable then enables control at the end",
    }
}
ENABLE = {"--enable": {"action": "store_true", "help": "enable control first if disabled"}}
CONTROLLER = {"controller": {"help": "controller name, e.g. left_forward_position_controller"}}


@dataclass(frozen=True)
class OperatorVerb:
    """A verb that makes one request to a running stack.

    Attributes:
        description: Description for `--help`.
        request: Makes the request; returns the line to print.
        arguments: Arguments besides `--namespace`, with the keywords of `add_argument`.
    """

    description: str
    request: Callable[[OperatorClient, argparse.Namespace], str]
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _enable(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.enable_control(True) or "control is enabled"


def _disable(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.enable_control(False) or "control is disabled: the arms are brought to rest"


def _reset(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.trigger("guard/reset") or "no stop is latched: continue with dbp enable"


def _home(operator: OperatorClient, arguments: argparse.Namespace) -> str:
    report = partial(print, flush=True)
    if arguments.trajectory:
        return home_by_trajectory(operator, report, arguments.enable, switch_controllers)
    return move_home(operator, report, arguments.enable)


def _joint_test(operator: OperatorClient, arguments: argparse.Namespace) -> str:
    motions = run_joint_test(operator, partial(print, flush=True), arguments.enable)
    for motion in motions:
        print(f"{motion.joint}: commanded {motion.commanded:+.3f}, moved {motion.moved:+.3f}")
    if problems := [motion.problem for motion in motions if motion.problem]:
        raise DbpError("; ".join(problems))
    return f"{len(motions)} joints follow their commands"


def _activate(operator: OperatorClient, _: argparse.Namespace) -> str:
    operator.activate_policy()
    return "the policy is active"


def _deactivate(operator: OperatorClient, _: argparse.Namespace) -> str:
    operator.deactivate_policy()
    return "the policy is inactive: the guard holds the arms"


def _take_over(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.trigger("teleop/take_over")


def _give_back(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.give_back()


def _rollback(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.trigger("policy/rollback") or "the previous model is active"


def _episode_new(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.trigger("simulation/new_episode", NEW_EPISODE_TIMEOUT_S)


def _episode_begin(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.begin_episode()


def _episode_success(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.end_episode("success") or "the episode is recorded as a success"


def _episode_failure(operator: OperatorClient, _: argparse.Namespace) -> str:
    return operator.end_episode("failure") or "the episode is recorded as a failure"


def _cell_activate(operator: OperatorClient, arguments: argparse.Namespace) -> str:
    operator.trigger(f"{arguments.controller}/activate")
    return f"{arguments.controller} is active"


def _cell_deactivate(operator: OperatorClient, arguments: argparse.Namespace) -> str:
    operator.trigger(f"{arguments.controller}/deactivate")
    return f"{arguments.controller} is inactive"


def _protective_stop(operator: OperatorClient, arguments: argparse.Namespace) -> str:
    operator.set_bool("simulation/protective_stop", not arguments.end)
    return "the arms follow their controllers" if arguments.end else "the arms hold"


VERBS = {
    "enable": OperatorVerb(
        "Enable control, starting from the current position of the arms. If the guard refuses, "
        "it lists every cause and its remedy.",
        _enable,
    ),
    "disable": OperatorVerb(
        "Bring the arms to rest, then disable control. No stop is latched.", _disable
    ),
    "reset": OperatorVerb(
        "Clear a latched stop once its cause is removed. Control stays disabled.", _reset
    ),
    "home": OperatorVerb(
        "Deactivate the policy and move the arms to home_positions of the guard: slowly, on a "
        "straight line in joint space, within the guard's limits. Check the path first: the motion "
        "does not avoid obstacles or the other arm, and grippers open. Ctrl-C holds the arms. With "
        "--trajectory, control must be disabled: the trajectory controllers of ros2_control take "
        "over from the forward controllers, move the arms and return.",
        _home,
        {**ENABLE, **TRAJECTORY},
    ),
    "joint-test": OperatorVerb(
        "Deactivate the policy and move each joint in turn by up to 0.1 rad and back, slowly and "
        "within the guard's limits. Finds joints that do not follow, move in the opposite "
        "direction, or move another joint. Ctrl-C holds the arms.",
        _joint_test,
        ENABLE,
    ),
    "activate": OperatorVerb(
        "Activate the policy. It loads its model first if none is loaded.", _activate
    ),
    "deactivate": OperatorVerb(
        "Deactivate the policy. The guard brings the arms to rest and holds them.", _deactivate
    ),
    "take-over": OperatorVerb(
        "Take control in place of the policy: the guard follows the inputs of teleoperation, from "
        "the present pose. The policy does not drive until dbp give-back.",
        _take_over,
    ),
    "give-back": OperatorVerb(
        "Return control to the policy. Also works if teleoperation has ended: the arms are held "
        "until then.",
        _give_back,
    ),
    "rollback": OperatorVerb(
        "Return to the model that was active before, and block the present one: delete its entry "
        "in failed.json to load it again.",
        _rollback,
    ),
    "episode new": OperatorVerb(
        "End the episode of the learner, disable control, reset the simulated cell, begin an "
        "episode of the policy, and enable control again if it was enabled before.",
        _episode_new,
    ),
    "episode begin": OperatorVerb(
        "Begin an episode of the policy and, if a learner or a recorder runs, start recording it.",
        _episode_begin,
    ),
    "episode success": OperatorVerb(
        "End the episode that the learner or the recorder records, as a success.", _episode_success
    ),
    "episode failure": OperatorVerb(
        "End the episode that the learner or the recorder records, as a failure.", _episode_failure
    ),
    "cell activate": OperatorVerb(
        "Activate a controller of the simulated cell. Commands received before are discarded.",
        _cell_activate,
        CONTROLLER,
    ),
    "cell deactivate": OperatorVerb(
        "Deactivate a controller of the simulated cell, as `ros2 control` does on a robot: its "
        "joints hold the last command.",
        _cell_deactivate,
        CONTROLLER,
    ),
    "cell protective-stop": OperatorVerb(
        "Put the arms of the simulated cell into a protective stop: they hold and ignore their "
        "controllers, as a real robot does. At its end they go to the last command that a "
        "controller received.",
        _protective_stop,
        {"--end": {"action": "store_true", "help": "end the protective stop"}},
    ),
}


def register_of(name: str) -> Register:
    """Return the `register` function of a verb in `VERBS`."""
    return partial(_register, name)


def add_namespace(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--namespace`."""
    parser.add_argument(
        "--namespace", default="", help="namespace of the stack, as given to dbp up (default: none)"
    )


def _register(name: str, parser: argparse.ArgumentParser) -> None:
    verb = VERBS[name]
    parser.description = verb.description
    add_namespace(parser)
    for argument, keywords in verb.arguments.items():
        parser.add_argument(argument, **keywords)
    parser.set_defaults(run=partial(_run, name))


def _run(name: str, arguments: argparse.Namespace) -> int:
    purpose = name.replace(" ", "_").replace("-", "_")
    with connected(arguments.namespace, purpose) as operator:
        print(VERBS[name].request(operator, arguments))
    return 0
