"""What the verbs of an operator share: a namespace, a connection, a sentence."""

import argparse
from collections.abc import Callable

from dbp_ros.nodes.connection import connected
from dbp_ros.nodes.operator import Operator

NAMESPACE_HELP = "Namespace of the stack, as given to dbp up (default: none)"


def add_operation(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    description: str,
    act: Callable[[Operator], str],
) -> argparse.ArgumentParser:
    """Add a verb that does one thing to a running stack and prints a sentence.

    Args:
        subparsers: Where to add it.
        name: The verb.
        text: One line for `dbp --help`.
        description: What it does and what is left to do.
        act: Does it; returns the sentence.
    """
    return add_operation_with_arguments(
        subparsers, name, text, description, lambda operator, _: act(operator)
    )


def add_operation_with_arguments(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    description: str,
    act: Callable[[Operator, argparse.Namespace], str],
) -> argparse.ArgumentParser:
    """Add a verb as `add_operation` does, whose `act` also takes the command line.

    Returns:
        The parser, to which further arguments may be added.
    """
    parser = subparsers.add_parser(name, help=text, description=description)
    parser.add_argument("--namespace", default="", help=NAMESPACE_HELP)

    def run(arguments: argparse.Namespace) -> int:
        with connected(arguments.namespace, name.replace("-", "_")) as operator:
            print(act(operator, arguments))
        return 0

    parser.set_defaults(run=run)
    return parser
