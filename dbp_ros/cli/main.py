"""The `dbp` command."""

import sys
from collections.abc import Sequence

from dbp_ros.cli import bench, episodes
from dbp_ros.cli.command import Command, Register, Verb

ROS = ("ros",)
VERBS = (
    Verb("demo", "run a policy in the simulated cell and measure it", ("ros", "sim")),
    Verb(
        "demo-learn",
        "improve a weak policy online, on the whole stack in simulation",
        ("ros", "sim", "learn", "learner"),
    ),
    Verb(
        "up", "start the stack: guard, policy and, with --sim, the simulated cell", ("ros", "sim")
    ),
    Verb(
        "teach",
        "teach a robot in the browser: record, train, evaluate and deploy",
        ("ros", "sim", "panel", "record", "data", "learn"),
    ),
    Verb("status", "show the state of a running stack, its faults and their remedies", ROS),
    Verb("doctor", "examine this computer and the running stack, with remedies", ROS),
    Verb("enable", "enable control: the guard commands the arms", ROS),
    Verb("disable", "bring the arms to rest and disable control", ROS),
    Verb("stop", "emergency stop: bring the arms to rest and latch the stop", ()),
    Verb("reset", "clear a latched stop", ROS),
    Verb("home", "move the arms to the robot's start pose", ROS),
    Verb("joint-test", "move each joint in turn and measure whether it follows", ROS),
    Verb("activate", "activate the policy: it publishes actions", ROS),
    Verb("deactivate", "deactivate the policy: it publishes no actions", ROS),
    Verb("teleop", "drive the arms by keyboard or gamepad", ("ros", "record")),
    Verb("take-over", "take control in place of the policy, by teleoperation", ROS),
    Verb("give-back", "return control to the policy", ROS),
    Verb("rollback", "return to the previous model", ROS),
    Verb("episode new", "reset the simulated cell and begin an episode", ROS),
    Verb("episode begin", "begin an episode of the policy and the learner", ROS),
    Verb("episode success", "end the episode as a success", ROS),
    Verb("episode failure", "end the episode as a failure", ROS),
    Verb("cell activate", "activate a controller of the simulated cell", ROS),
    Verb("cell deactivate", "deactivate a controller of the simulated cell", ROS),
    Verb("cell protective-stop", "put the simulated arms into a protective stop", ROS),
    Verb("robot list", "list the descriptions of robots", ()),
    Verb("robot check", "check a description of a robot against its URDF", ()),
    Verb("robot new", "write a first description of a robot from its URDF", ()),
    Verb("robot controllers", "print the parameters of ros2_control for a robot", ()),
    Verb("robot mjcf", "write the MuJoCo scene of a robot", ("sim",)),
    Verb("record", "record episodes of a robot driven by any node", ("ros", "record")),
    Verb("panel", "serve the operator's page in a browser", ("ros", "panel")),
    Verb("trace", "record a trace of every process for Perfetto", ("ros", "sim")),
    Verb("collect", "record demonstrations of an expert", ("sim",)),
    *episodes.VERBS,
    Verb("data show", "describe a data set, its problems and how to train on it", ("data",)),
    Verb("train", "train a policy on recorded episodes", ("learn",)),
    Verb("finetune", "fine-tune a trained policy from rewards", ("learn", "sim")),
    Verb("export", "export a training run as a model bundle", ("learn",)),
    Verb("import", "import an ONNX policy that was trained elsewhere", ("import",)),
    Verb("import-lerobot", "write an ACT or diffusion policy of LeRobot as ONNX", ("learn",)),
    Verb("quantize", "quantize a model bundle", ("learn", "sim")),
    Verb("inspect", "describe a model bundle and verify it on this machine", ()),
    Verb("evaluate", "measure the success rate of a model in simulation", ("sim",)),
    Verb("bench", "run the benchmarks, from a clone of the repository", ()),
)
GROUPS = {
    "episode": "begin and end episodes of a running stack",
    "data": "describe data sets",
    "episodes": "look at data sets, check, label and arrange them",
    "robot": "describe robots and check the descriptions",
    "cell": "inject robot faults into the simulated cell",
}


def load(verb: str) -> Register:
    """Import the module of a verb and return its `register` function."""
    match verb:
        case "demo":
            from dbp_ros.cli.demo import register
        case "demo-learn":
            from dbp_ros.cli.demo_learn import register
        case "up":
            from dbp_ros.cli.up import register
        case "teach":
            from dbp_ros.cli.teach import register
        case "status":
            from dbp_ros.cli.status import register
        case "doctor":
            from dbp_ros.cli.doctor import register
        case "stop":
            from dbp_ros.cli.stop import register
        case "record":
            from dbp_ros.cli.record import register
        case "teleop":
            from dbp_ros.cli.teleop import register
        case "panel":
            from dbp_ros.cli.panel import register
        case "trace":
            from dbp_ros.cli.trace import register
        case "collect":
            from dbp_ros.cli.collect import register
        case "train":
            from dbp_ros.cli.train import register
        case "finetune":
            from dbp_ros.cli.finetune import register
        case "export":
            from dbp_ros.cli.export import register
        case "import":
            from dbp_ros.cli.import_policy import register
        case "import-lerobot":
            from dbp_ros.cli.import_lerobot import register
        case "quantize":
            from dbp_ros.cli.quantize import register
        case "inspect":
            from dbp_ros.cli.inspect import register
        case "evaluate":
            from dbp_ros.cli.evaluate import register
        case "bench":
            from dbp_ros.cli.bench import register
        case "robot mjcf":
            from dbp_ros.cli.robot_mjcf import register
        case "data show":
            from dbp_ros.cli.data import register_of

            return register_of(verb)
        case "robot list" | "robot check" | "robot new" | "robot controllers":
            from dbp_ros.cli.robot import register_of

            return register_of(verb)
        case _ if verb.startswith("episodes "):
            return episodes.load(verb)
        case _:
            from dbp_ros.cli.operator_verbs import register_of

            return register_of(verb)
    return register


DBP = Command(
    "dbp", "Real-time control of robots by one-step drift-based policies.", VERBS, GROUPS, load
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Command line without the program name; `sys.argv[1:]` if None.

    Returns:
        The exit status: 1 after an error that the user can fix, 130 after Ctrl-C, 143
        after SIGTERM.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    # The benchmarks are a separate command, which is not installed with the package.
    if argv[:1] == ["bench"]:
        return bench.run_benchmarks(argv[1:])
    return DBP.run(argv)


if __name__ == "__main__":
    sys.exit(main())
