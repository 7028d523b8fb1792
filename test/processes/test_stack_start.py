"""`dbp up`: start without a robot, remaps, and shutdown."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from processes.fake_robot import FakeRobot, process, wait_until
from processes.stack_process import up
from rclpy.node import Node

from dbp_ros.nodes.process import spinning
from dbp_ros.nodes.robot_watch import LIMIT_S
from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import NODES
from dbp_ros.stack.remaps import check_sources

HINT = "nothing publishes"


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_stack_without_a_robot_logs_once_how_to_start_the_simulated_cell(domain: int) -> None:
    with up() as (_, log):
        log.wait_for("[guard]", f"{HINT} /joint_states after {LIMIT_S:g} s", "dbp up --sim")
        time.sleep(2.0)
        assert sum(HINT in line for line in log.lines) == 1
        assert not log.has("[simulation]")


def test_a_guard_with_a_robot_does_not_log_the_hint(
    robot: FakeRobot, capsys: pytest.CaptureFixture[str]
) -> None:
    with process("guard_node"):
        robot.wait_for_state("guard", "disabled")
        time.sleep(LIMIT_S + 1.0)
    assert HINT not in capsys.readouterr().out


def test_the_end_of_the_guard_ends_the_stack_with_an_error(domain: int) -> None:
    with up("--sim") as (child, log):
        log.wait_for("[guard]", "disabled")
        started = children(child.pid)
        os.kill(started[1], signal.SIGKILL)
        assert child.wait(timeout=30) == 1
        log.wait_for("[stack]", "guard was killed by SIGKILL", "ending the stack")
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_remapped_camera_reaches_every_process(
    domain: int, root: Path, tmp_path: Path, transport: str
) -> None:
    config = Path(shutil.copytree(root / "config", tmp_path / "config"))
    path = config / "policy.yaml"
    path.write_text(path.read_text().replace("transport: raw", f"transport: {transport}"))
    remaps = ("head_camera:=/camera/camera/color/image_raw", "joint_states:=/robot/joint_states")
    image = "/camera/camera/color/image_raw" + ("/compressed" if transport != "raw" else "")
    wanted = {(image, "policy"), *(("/robot/joint_states", name) for name in ("guard", "policy"))}
    words = ("--config", str(config), *remaps)
    with up(*words) as (_, log), spinning(lambda: Node("watcher")) as node:
        wait_until(
            lambda: all(name in subscribers(node, topic) for topic, name in wanted),
            "the subscriptions",
            lambda: f"{node.get_topic_names_and_types()} {log.lines}",
        )
        assert not subscribers(node, "/joint_states")
        assert not subscribers(node, "/head_camera/image_raw")
        assert not subscribers(node, "/head_camera/image_raw/compressed")


def subscribers(node: Node, topic: str) -> set[str]:
    """Return the processes that subscribe to a topic; a second node has a suffix."""
    found = node.get_subscriptions_info_by_topic(topic)
    return {info.node_name.partition("_")[0] for info in found}


def test_the_simulated_cell_follows_the_remaps(domain: int) -> None:
    with up("--sim", "head_camera:=/zed/image_raw", "--namespace", "cell") as (_, log):
        log.wait_for("[policy]", "deciding")
        with spinning(lambda: Node("watcher")) as node:
            wait_until(
                lambda: node.count_publishers("/zed/image_raw") == 1,
                "the camera",
                lambda: str(node.get_topic_names_and_types()),
            )
            assert node.count_publishers(f"/cell/{CAMERAS[1]}/image_raw") == 1
            assert node.count_publishers("/cell/head_camera/image_raw") == 0


def test_a_simulator_of_the_user_that_is_slower_than_real_time_is_followed(domain: int) -> None:
    factor = 0.25
    words = ("--no-sim", "--real-time-factor", str(factor), "--enable-control")
    with process("sim_node", task="reach", real_time_factor=factor), up(*words) as (child, log):
        log.wait_for("[policy]", "deciding")
        log.wait_for("[guard]", "tracking")
        assert child.poll() is None
        assert not log.has("[simulation]")


def test_every_topic_and_service_of_the_stack_can_be_remapped(domain: int) -> None:
    with up("--sim") as (_, log), spinning(lambda: Node("watcher")) as node:
        log.wait_for("[policy]", "deciding")
        wait_until(
            lambda: len(names_in(node)) > 20, "the graph", lambda: f"{sorted(names_in(node))}"
        )
        # Other nodes in the process of the cell have nothing to remap.
        inner = ("joint_publisher_search", "simulation_operator")
        names = [name for name in names_in(node) if not name.strip("/").startswith(inner)]
        rules = [(name.lstrip("/"), "/x") for name in names]
        check_sources(rules, "", CAMERAS, GuardConfig().controllers, NODES)


def names_in(node: Node) -> set[str]:
    """Return the topics and services in the domain, without the standard ones of a node."""
    topics = {name for name, _ in node.get_topic_names_and_types()}
    services = {name for name, _ in node.get_service_names_and_types()}
    return {
        name
        for name in topics | services
        if not name.startswith(("/watcher", "/rosout", "/parameter_events"))
        # The second node of a process only has the standard names.
        and "_streams/" not in name
    }
