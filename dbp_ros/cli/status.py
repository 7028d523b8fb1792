"""`dbp status`: what runs, what is wrong, and what to do next."""

import argparse
import json
import sys

from dbp_ros.cli.operator_verbs import add_namespace
from dbp_ros.diagnosis.rules import examine, exit_status
from dbp_ros.diagnosis.snapshot import Snapshot
from dbp_ros.diagnosis.text import as_data, lines
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator import Operator
from dbp_ros.nodes.stack_probe import StackProbe

PURPOSE = "status"
CLEAR = "\033[H\033[2J"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Look at a running stack for two seconds, from outside: state of each node, publishers "
        "and subscribers of each topic, what is wrong, what to do. Exit status: 0 if nothing "
        "is wrong, 1 for warnings, 2 for errors."
    )
    add_namespace(parser)
    parser.add_argument("--json", action="store_true", help="Print everything as JSON")
    parser.add_argument("--watch", action="store_true", help="Look again and again, until Ctrl-C")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is seen; return 2 where there is an error, 1 where there is a warning, else 0."""
    if not arguments.watch:
        return _show(_whole_look(arguments.namespace), arguments.json, False)
    with connected(arguments.namespace, PURPOSE) as operator:
        while True:
            _show(_look(operator), arguments.json, True)


def _whole_look(namespace: str) -> Snapshot:
    """Look once, and once more if a process of this computer was not discovered."""
    with connected(namespace, PURPOSE) as operator:
        snapshot = _look(operator)
        if not snapshot.undiscovered:
            return snapshot
    with connected(namespace, PURPOSE) as operator:
        return _look(operator)


def _look(operator: Operator) -> Snapshot:
    probe = StackProbe(operator)
    try:
        return probe.look()
    finally:
        probe.close()


def _show(snapshot: Snapshot, as_json: bool, again: bool) -> int:
    findings = examine(snapshot)
    if as_json:
        print(json.dumps(as_data(snapshot, findings), indent=None if again else 2), flush=True)
    else:
        terminal = sys.stdout.isatty()
        text = "\n".join(lines(snapshot, findings, terminal))
        print(f"{CLEAR if terminal and again else ''}{text}", flush=True)
    return exit_status(findings)
