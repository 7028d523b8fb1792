"""`dbp status`: report the state of a running stack, its faults and their remedies."""

import argparse
import json
import sys

from dbp_ros.cli.operator_verbs import add_namespace
from dbp_ros.diagnosis.rules import evaluate_rules, exit_status
from dbp_ros.diagnosis.snapshot import Snapshot
from dbp_ros.diagnosis.text import as_data, lines
from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator_client import OperatorClient
from dbp_ros.nodes.stack_probe import StackProbe

PURPOSE = "status"
CLEAR = "\033[H\033[2J"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Observe a running stack for two seconds and print the state of each node, publishers and "
        "subscribers of each topic, and each fault with its remedy. Exit status: 0 without faults, "
        "1 for warnings, 2 for errors."
    )
    add_namespace(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--watch", action="store_true", help="repeat until Ctrl-C")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the state of the stack; return 2 for errors, 1 for warnings, else 0."""
    if not arguments.watch:
        return _show(take_complete_snapshot(arguments.namespace), arguments.json, False)
    with connected(arguments.namespace, PURPOSE) as operator:
        while True:
            _show(_take_snapshot(operator), arguments.json, True)


def take_complete_snapshot(namespace: str) -> Snapshot:
    """Take a snapshot; repeat it once if a local process was not discovered."""
    with connected(namespace, PURPOSE) as operator:
        snapshot = _take_snapshot(operator)
        if not snapshot.undiscovered:
            return snapshot
    with connected(namespace, PURPOSE) as operator:
        return _take_snapshot(operator)


def _take_snapshot(operator: OperatorClient) -> Snapshot:
    probe = StackProbe(operator)
    try:
        return probe.snapshot()
    finally:
        probe.close()


def _show(snapshot: Snapshot, as_json: bool, repeated: bool) -> int:
    findings = evaluate_rules(snapshot)
    if as_json:
        print(json.dumps(as_data(snapshot, findings), indent=None if repeated else 2), flush=True)
    else:
        terminal = sys.stdout.isatty()
        text = "\n".join(lines(snapshot, findings, terminal))
        print(f"{CLEAR if terminal and repeated else ''}{text}", flush=True)
    return exit_status(findings)
