"""The running nodes offer the topics and services of the reference, and no others."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rclpy
import yaml
from docs_pages import ROOT
from processes.fake_robot import process
from processes.panel_page import panel_page
from raw_browser import RawBrowser
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from dbp_ros.settings.controllers import ControllersConfig
from dbp_ros.settings.dual_ur5e import CAMERAS, DUAL_UR5E
from dbp_ros.settings.policy import PolicyConfig

CONTROLLERS = ControllersConfig.controllers
ARMS = tuple(DUAL_UR5E.arms)
# Services of every node of rclpy, and its topics.
STANDARD = ("parameter", "type_description", "/rosout")
Endpoints = dict[str, dict[str, str]]
LIMIT_S = 60.0


def documented(node: str) -> Endpoints:
    """The topics and services of a node by absolute name, with type and QoS."""
    listed = yaml.safe_load((ROOT / "docs" / "interfaces.yaml").read_text(encoding="utf-8"))[node]
    found: Endpoints = {}
    for kind, entries in listed.items():
        found[kind] = {}
        for name, entry in entries.items():
            words = entry[:1] if kind == "services" else entry[:2]
            for one in expanded(name):
                absolute = one.replace("~", f"/{node}") if one.startswith("~") else one
                found[kind][f"/{absolute.lstrip('/')}"] = " ".join(words)
    return found


def expanded(name: str) -> list[str]:
    words = {"<camera>": CAMERAS, "<controller>": CONTROLLERS, "<arm>": ARMS}
    for word, values in words.items():
        if word in name:
            return [name.replace(word, value) for value in values]
    return [name]


def quality(info) -> str:
    if info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        return "latched"
    reliable = info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    return "reliable" if reliable else "best_effort"


def offered(probe: Node, node: str, owned: tuple[str, ...] = ()) -> Endpoints:
    """The topics and services of a node and of its helper nodes in the graph."""
    names = [
        (name, namespace)
        for name, namespace in probe.get_node_names_and_namespaces()
        if name == node or name.startswith((f"{node}_", f"_{node}_")) or name in owned
    ]
    found: Endpoints = {"publishes": {}, "subscribes": {}, "services": {}}
    for name, namespace in names:
        for kind, types, infos in (
            (
                "publishes",
                probe.get_publisher_names_and_types_by_node,
                probe.get_publishers_info_by_topic,
            ),
            (
                "subscribes",
                probe.get_subscriber_names_and_types_by_node,
                probe.get_subscriptions_info_by_topic,
            ),
        ):
            for topic, (type_name, *_) in types(name, namespace):
                own = [info for info in infos(topic) if info.node_name == name]
                for info in own[:1]:
                    found[kind][topic] = f"{type_name} {quality(info)}"
        for service, (type_name, *_) in probe.get_service_names_and_types_by_node(name, namespace):
            found["services"][service] = type_name
    return {
        kind: {n: t for n, t in names.items() if not any(word in n for word in STANDARD)}
        for kind, names in found.items()
        if names
    }


def assert_as_documented(probe: Node, node: str, owned: tuple[str, ...] = ()) -> None:
    expected, deadline = documented(node), time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        found = offered(probe, node, owned)
        if {kind: names for kind, names in found.items() if names} == expected:
            return
        time.sleep(0.2)
    assert {kind: names for kind, names in found.items() if names} == expected


@pytest.fixture
def probe(domain: int) -> Iterator[Node]:
    rclpy.init()
    node = Node("probe", enable_rosout=False, start_parameter_services=False)
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


@contextmanager
def stack() -> Iterator[None]:
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "dbp_ros.cli", "up", "--sim"],
            env=os.environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            child.terminate()
            child.wait(timeout=30)
            log.seek(0)
            print(log.read()[-4000:])


def test_the_stack_offers_the_documented_topics_and_services(probe: Node) -> None:
    with stack():
        for node, owned in (("guard", ()), ("policy", ()), ("simulation", CONTROLLERS)):
            assert_as_documented(probe, node, owned)


def test_the_learner_offers_the_documented_topics_and_services(probe: Node, tmp_path: Path) -> None:
    with process("learner_node", model=PolicyConfig.model, checkpoint=tmp_path, out=tmp_path):
        assert_as_documented(probe, "learner")


def test_the_recorder_offers_the_documented_topics_and_services(
    probe: Node, tmp_path: Path
) -> None:
    with process("recorder_node", out=tmp_path, joy_buttons="[begin=0]"):
        assert_as_documented(probe, "recorder")


def test_the_model_sender_offers_the_documented_topics(probe: Node) -> None:
    with process("model_sender"):
        assert_as_documented(probe, "model_sender")


def test_the_view_offers_the_documented_topics_and_services(probe: Node) -> None:
    with process("view_node"):
        assert_as_documented(probe, "view")


def test_teleoperation_offers_the_documented_topics_and_services(probe: Node) -> None:
    with process("teleop_node"):
        assert_as_documented(probe, "teleop")


def test_the_panel_offers_the_documented_topics_and_services(probe: Node) -> None:
    with panel_page() as port:
        # Joint states, chunks and images are only subscribed to while a browser is connected.
        browser = RawBrowser(port)
        assert_as_documented(probe, "panel")
        browser.close()
