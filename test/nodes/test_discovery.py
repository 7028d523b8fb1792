"""Discovery of running processes by a process that joins their ROS domain."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from rclpy.context import Context
from rclpy.node import Node

from dbp_ros.nodes.discovery import prompt_discovery, undiscovered_participants
from dbp_ros.nodes.middleware import environment
from dbp_ros.runtime.ros_domain import local_participants

TRIES = 5
SERVE = """
import rclpy
from rclpy.node import Node
from std_srvs.srv import Trigger
rclpy.init()
node = Node("server")
node.create_service(Trigger, "serve", lambda request, response: response)
print("serving", flush=True)
rclpy.spin(node)
"""


@pytest.fixture(autouse=True)
def profile(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile of a process of the stack, for this process alone."""
    for name, value in environment(os.environ, "rmw_fastrtps_cpp").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server(domain: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "serving\n"
        # Its own first announcements, a tenth of a second apart, are over.
        time.sleep(1.0)
        yield child
        child.kill()


def discovered_s(limit_s: float = 4.0) -> float:
    """Return how long a new participant takes to discover the service, in [s]."""
    context = Context()
    context.init()
    start = time.monotonic()
    with prompt_discovery():
        node = Node("client", context=context, enable_rosout=False, start_parameter_services=False)
    while not any(name == "/serve" for name, _ in node.get_service_names_and_types()):
        assert time.monotonic() - start < limit_s
        time.sleep(0.005)
    duration_s = time.monotonic() - start
    node.destroy_node()
    context.shutdown()
    return duration_s


def test_a_process_of_the_stack_is_discovered_soon_even_if_its_response_is_lost(server):
    # Lost responses are common, and by default the next announcement comes after 3 s.
    assert max(discovered_s() for _ in range(TRIES)) < 1.5


def test_every_participant_of_this_computer_is_counted_and_known(server, domain):
    assert local_participants(domain) == 1
    context = Context()
    context.init()
    with prompt_discovery():
        node = Node("client", context=context, enable_rosout=False, start_parameter_services=False)
    assert local_participants(domain) == 2
    deadline = time.monotonic() + 4.0
    while undiscovered_participants(node):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    node.destroy_node()
    context.shutdown()


def test_affinity_and_scheduling_policy_are_restored_in_every_thread(domain):
    cores, policy = os.sched_getaffinity(0), os.sched_getscheduler(0)
    context = Context()
    context.init()
    with prompt_discovery():
        assert (len(os.sched_getaffinity(0)), os.sched_getscheduler(0)) == (1, os.SCHED_BATCH)
        node = Node("client", context=context)
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    assert len(threads) > 5
    for thread in threads:
        assert (os.sched_getaffinity(thread), os.sched_getscheduler(thread)) == (cores, policy)
    node.destroy_node()
    context.shutdown()
