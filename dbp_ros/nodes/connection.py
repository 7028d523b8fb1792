"""A connection to the ROS domain for one command of the shell."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.exceptions import InvalidNamespaceException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dbp_ros.errors import ConfigError
from dbp_ros.nodes.discovery import prompt_discovery
from dbp_ros.nodes.middleware import LOCALHOST_ONLY, RANGE, choose_transports
from dbp_ros.nodes.operator import Operator

# ROS tools do not list nodes whose name starts like this.
HIDDEN = "_dbp_"


@contextmanager
def connected(namespace: str = "", purpose: str = "operator") -> Iterator[Operator]:
    """Join the ROS domain for as long as the block lasts.

    Args:
        namespace: Namespace of the stack.
        purpose: What the node is named after.
    """
    looked_through = place()
    choose_transports()
    try:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        with prompt_discovery():
            node = Node(
                f"{HIDDEN}{purpose}_{os.getpid()}",
                namespace=namespace.strip("/"),
                use_global_arguments=False,
                enable_rosout=False,
                start_parameter_services=False,
            )
    except (RuntimeError, InvalidNamespaceException) as error:
        rclpy.try_shutdown()
        reason = " ".join(str(error).split())
        raise ConfigError(f"cannot join the ROS domain, with {looked_through}: {reason}") from error
    operator = Operator(node, looked_through)
    try:
        yield operator
    finally:
        operator.close()


def place() -> str:
    """Return which domain and which part of the network are looked through, in words."""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0, as it is not set"
    if os.environ.get(LOCALHOST_ONLY) == "1":
        reach = f"{LOCALHOST_ONLY}=1"
    else:
        reach = f"{RANGE}={os.environ.get(RANGE) or 'SUBNET, as it is not set'}"
    return f"ROS_DOMAIN_ID={domain} and {reach}"
