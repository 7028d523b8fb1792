"""DDS transports: a new subscriber must not block a sender."""

import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.nodes.middleware import PROFILE_VARIABLES, environment

FAST_DDS = "rmw_fastrtps_cpp"
# Exchanges messages with another node, prints whether it opened a shared-memory port, and continues
# until its standard input is closed: the other node may still wait for a message.
NODE = """
import select
import sys
import rclpy
from std_msgs.msg import String
from dbp_ros.nodes.middleware import choose_transports
if sys.argv[1] == "own":
    choose_transports()
rclpy.init()
node = rclpy.create_node(sys.argv[1])
received = []
node.create_subscription(String, "to_" + sys.argv[1], lambda m: received.append(m.data), 10)
publisher = node.create_publisher(String, "to_" + sys.argv[2], 10)
while not received or received[-1] != "done":
    rclpy.spin_once(node, timeout_sec=0.05)
    publisher.publish(String(data="done" if received else "hello"))
with open("/proc/self/maps") as maps:
    opened = maps.read()
    print("fastrtps_port" in opened or "fastdds_port" in opened, flush=True)
while not select.select([sys.stdin], [], [], 0.0)[0]:
    publisher.publish(String(data="done"))
    rclpy.spin_once(node, timeout_sec=0.05)
"""


def test_each_range_has_its_profile() -> None:
    def profiles(present: dict[str, str]) -> set[str]:
        chosen = environment(present, FAST_DDS)
        return {Path(chosen[name]).name for name in PROFILE_VARIABLES if name in chosen}

    assert profiles({}) == {"fastdds.xml"}
    assert profiles({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}) == {"fastdds.xml"}
    for present in (
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        {"ROS_LOCALHOST_ONLY": "1"},
    ):
        assert profiles(present) == {"fastdds_localhost.xml"}
        assert environment(present, FAST_DDS)["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
        # ROS warns about this variable if it is set.
        assert ("ROS_LOCALHOST_ONLY" in environment(present, FAST_DDS)) == (
            "ROS_LOCALHOST_ONLY" in present
        )


@pytest.mark.parametrize("present", [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}])
def test_a_second_call_has_the_same_result(present: dict[str, str]) -> None:
    chosen = present | environment(present, FAST_DDS)
    assert chosen | environment(chosen, FAST_DDS) == chosen


def test_another_middleware_and_a_user_profile_are_unchanged() -> None:
    local = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    assert environment(local, "rmw_cyclonedds_cpp") == {}
    for name in PROFILE_VARIABLES:
        assert environment(local | {name: "/mine.xml"}, FAST_DDS) == {}


@pytest.mark.timeout(120)
def test_a_node_communicates_with_another_without_shared_memory(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", NODE, name, other],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, other in (("foreign", "own"), ("own", "foreign"))
    ]
    try:
        assert [node.stdout.readline().strip() for node in nodes] == ["True", "False"]
    finally:
        for node in nodes:
            node.communicate(timeout=10)
