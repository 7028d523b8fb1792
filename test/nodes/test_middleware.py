"""How processes speak DDS: nobody's arrival may keep a sender waiting."""

import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.nodes.middleware import PROFILE_VARIABLES, environment

FAST_DDS = "rmw_fastrtps_cpp"
# Speaks with another until both have heard, and says whether it opened a port in shared memory.
NODE = """
import sys
import rclpy
from std_msgs.msg import String
from dbp_ros.nodes.middleware import choose_transports
if sys.argv[1] == "ours":
    choose_transports()
rclpy.init()
node = rclpy.create_node(sys.argv[1])
words = []
node.create_subscription(String, "to_" + sys.argv[1], lambda said: words.append(said.data), 10)
publisher = node.create_publisher(String, "to_" + sys.argv[2], 10)
while not words or words[-1] != "heard":
    rclpy.spin_once(node, timeout_sec=0.05)
    publisher.publish(String(data="heard" if words else "hello"))
for _ in range(10):
    publisher.publish(String(data="heard"))
    rclpy.spin_once(node, timeout_sec=0.05)
with open("/proc/self/maps") as maps:
    print("fastrtps_port" in maps.read())
"""


def test_each_range_has_its_profile() -> None:
    def profiles(present: dict[str, str]) -> set[str]:
        chosen = environment(present, FAST_DDS)
        return {Path(chosen[name]).name for name in PROFILE_VARIABLES}

    assert profiles({}) == {"fastdds.xml"}
    assert profiles({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}) == {"fastdds.xml"}
    for present in (
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        {"ROS_LOCALHOST_ONLY": "1"},
    ):
        assert profiles(present) == {"fastdds_localhost.xml"}
        assert environment(present, FAST_DDS)["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
        # ROS warns of this variable wherever it is set.
        assert ("ROS_LOCALHOST_ONLY" in environment(present, FAST_DDS)) == (
            "ROS_LOCALHOST_ONLY" in present
        )


@pytest.mark.parametrize("present", [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}])
def test_choosing_again_chooses_the_same(present: dict[str, str]) -> None:
    chosen = present | environment(present, FAST_DDS)
    assert chosen | environment(chosen, FAST_DDS) == chosen


def test_another_middleware_and_a_profile_of_the_user_are_left_alone() -> None:
    here = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    assert environment(here, "rmw_cyclonedds_cpp") == {}
    for name in PROFILE_VARIABLES:
        assert environment(here | {name: "/mine.xml"}, FAST_DDS) == {}


@pytest.mark.timeout(120)
def test_a_node_speaks_with_a_foreign_one_and_never_through_shared_memory(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", NODE, name, other], stdout=subprocess.PIPE, text=True
        )
        for name, other in (("foreign", "ours"), ("ours", "foreign"))
    ]
    assert [node.communicate(timeout=60)[0].strip() for node in nodes] == ["True", "False"]
