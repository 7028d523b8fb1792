"""The `dbp` command."""

import sys
from collections.abc import Sequence

from dbp_ros.cli import bench
from dbp_ros.cli.command import Command, Register, Verb


def _demo() -> Register:
    from dbp_ros.cli import demo

    return demo.register


def _demo_learn() -> Register:
    from dbp_ros.cli import demo_learn

    return demo_learn.register


def _up() -> Register:
    from dbp_ros.cli import up

    return up.register


def _status() -> Register:
    from dbp_ros.cli import status

    return status.register


def _enable() -> Register:
    from dbp_ros.cli import enable

    return enable.register


def _disable() -> Register:
    from dbp_ros.cli import disable

    return disable.register


def _stop() -> Register:
    from dbp_ros.cli import stop

    return stop.register


def _reset() -> Register:
    from dbp_ros.cli import reset

    return reset.register


def _home() -> Register:
    from dbp_ros.cli import home

    return home.register


def _activate() -> Register:
    from dbp_ros.cli import activate

    return activate.register


def _deactivate() -> Register:
    from dbp_ros.cli import deactivate

    return deactivate.register


def _rollback() -> Register:
    from dbp_ros.cli import rollback

    return rollback.register


def _episode_new() -> Register:
    from dbp_ros.cli import episode_new

    return episode_new.register


def _episode_begin() -> Register:
    from dbp_ros.cli import episode_begin

    return episode_begin.register


def _episode_success() -> Register:
    from dbp_ros.cli import episode_success

    return episode_success.register


def _episode_failure() -> Register:
    from dbp_ros.cli import episode_failure

    return episode_failure.register


def _cell_activate() -> Register:
    from dbp_ros.cli import cell_activate

    return cell_activate.register


def _cell_deactivate() -> Register:
    from dbp_ros.cli import cell_deactivate

    return cell_deactivate.register


def _cell_protective_stop() -> Register:
    from dbp_ros.cli import cell_protective_stop

    return cell_protective_stop.register


def _trace() -> Register:
    from dbp_ros.cli import trace

    return trace.register


def _collect() -> Register:
    from dbp_ros.cli import collect

    return collect.register


def _train() -> Register:
    from dbp_ros.cli import train

    return train.register


def _finetune() -> Register:
    from dbp_ros.cli import finetune

    return finetune.register


def _export() -> Register:
    from dbp_ros.cli import export

    return export.register


def _quantize() -> Register:
    from dbp_ros.cli import quantize

    return quantize.register


def _inspect() -> Register:
    from dbp_ros.cli import inspect

    return inspect.register


def _evaluate() -> Register:
    from dbp_ros.cli import evaluate

    return evaluate.register


def _bench() -> Register:
    return bench.register


VERBS = (
    Verb("demo", "watch a policy solve a task in the simulated cell", ("ros", "sim"), _demo),
    Verb(
        "demo-learn",
        "watch a policy learn on the whole stack",
        ("ros", "sim", "learn", "learner"),
        _demo_learn,
    ),
    Verb(
        "up",
        "start the stack: guard, policy and, with --sim, the simulated cell",
        ("ros", "sim"),
        _up,
    ),
    Verb("status", "what runs, what is wrong, and what to do next", ("ros",), _status),
    Verb("enable", "let the guard command the arms", ("ros",), _enable),
    Verb("disable", "bring the arms to rest and command them no more", ("ros",), _disable),
    Verb("stop", "emergency stop: bring the arms to rest and latch it", ("ros",), _stop),
    Verb("reset", "clear a latched stop", ("ros",), _reset),
    Verb("home", "move the arms to the robot's start pose", ("ros",), _home),
    Verb("activate", "let the policy publish actions", ("ros",), _activate),
    Verb("deactivate", "let the policy publish nothing", ("ros",), _deactivate),
    Verb("rollback", "bring back the model before", ("ros",), _rollback),
    Verb("episode new", "reset the simulated cell and begin an episode", ("ros",), _episode_new),
    Verb(
        "episode begin",
        "begin an episode of the policy and of the learner",
        ("ros",),
        _episode_begin,
    ),
    Verb("episode success", "end the episode as solved", ("ros",), _episode_success),
    Verb("episode failure", "end the episode as failed", ("ros",), _episode_failure),
    Verb(
        "cell activate",
        "let a controller of the simulated cell obey again",
        ("ros",),
        _cell_activate,
    ),
    Verb(
        "cell deactivate",
        "switch a controller of the simulated cell off",
        ("ros",),
        _cell_deactivate,
    ),
    Verb(
        "cell protective-stop",
        "let the simulated arms ignore every command",
        ("ros",),
        _cell_protective_stop,
    ),
    Verb("trace", "write what every process did as a trace to open", ("ros", "sim"), _trace),
    Verb("collect", "record demonstrations of the scripted expert", ("sim",), _collect),
    Verb("train", "fit a policy to recorded episodes", ("learn",), _train),
    Verb(
        "finetune",
        "let a trained policy learn from rewards",
        ("learn", "sim", "metaworld"),
        _finetune,
    ),
    Verb("export", "turn a training run into a model bundle", ("learn",), _export),
    Verb("quantize", "make a model bundle of fewer bits", ("learn", "sim"), _quantize),
    Verb("inspect", "explain a model bundle and prove that it works here", (), _inspect),
    Verb("evaluate", "measure how often a model solves its task", ("sim",), _evaluate),
    Verb("bench", "measure the stack and the method; from a clone of the repository", (), _bench),
)
GROUPS = {
    "episode": "begin and end episodes of a running stack",
    "cell": "try faults of a robot in the simulated cell",
}
DBP = Command("dbp", "Real-time control of robots by one-step drift-based policies.", VERBS, GROUPS)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        words: The command line without its first word; that of the process if None.

    Returns:
        The exit status: 1 after an error that the user can fix, 130 after Ctrl-C.
    """
    words = sys.argv[1:] if words is None else list(words)
    # Benchmarks are a command of their own, which is not installed with the package.
    if words[:1] == ["bench"]:
        return bench.run_benchmarks(words[1:])
    return DBP.run(words)


if __name__ == "__main__":
    sys.exit(main())
