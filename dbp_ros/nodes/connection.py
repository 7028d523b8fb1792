"""Connection to the ROS domain for one shell command."""

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
from dbp_ros.nodes.operator_client import OperatorClient

# ROS tools do not list nodes whose names start with an underscore.
HIDDEN = "_dbp_"


@contextmanager
def connected(namespace: str = "", purpose: str = "operator") -> Iterator[OperatorClient]:
    """Join the ROS domain within the block.

    Args:
        namespace: Namespace of the stack.
        purpose: Part of the node name.
    """
    domain_and_range = describe_domain()
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
        raise ConfigError(
            f"cannot join the ROS domain, with {domain_and_range}: {reason}"
        ) from error
    operator = OperatorClient(node, domain_and_range)
    try:
        yield operator
    finally:
        operator.close()


def describe_domain() -> str:
    """Return ROS domain and discovery range as text."""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0 (not set)"
    if os.environ.get(LOCALHOST_ONLY) == "1":
        reach = f"{LOCALHOST_ONLY}=1"
    else:
        reach = f"{RANGE}={os.environ.get(RANGE) or 'SUBNET (not set)'}"
    return f"ROS_DOMAIN_ID={domain} and {reach}"
