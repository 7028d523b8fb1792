"""Transfer of a model bundle to a running policy: real processes over DDS."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from processes.fake_robot import FakeRobot, process, wait_until
from processes.swap_listener import SwapListener, assert_moves_on
from std_msgs.msg import String

from dbp_ros.bundle.bundle import sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.hotswap.transfer.messages import CHUNK_BYTES, WINDOW, Announcement
from dbp_ros.nodes.qos import LATCHED, MODEL_CHUNKS


def test_an_announced_model_on_this_machine_is_read_from_its_path(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    with process("model_sender", model=write_model("learned", 2)):
        swaps.wait_for(phase="active", version=2)
    assert not (tmp_path / "received").exists()
    assert_moves_on(robot)


def heavy(directory: Path, windows: int) -> Path:
    """Add a file to a bundle so that its transfer takes many windows."""
    document = yaml.safe_load((directory / MANIFEST).read_text())
    (directory / "ballast.bin").write_bytes(os.urandom(windows * WINDOW * CHUNK_BYTES))
    document["files"]["ballast.bin"] = sha256_of(directory / "ballast.bin")
    (directory / MANIFEST).write_text(yaml.safe_dump(document))
    return directory


def test_a_killed_sender_changes_nothing_and_a_new_one_completes_the_transfer(
    robot: FakeRobot, swaps: SwapListener, write_model: Callable[..., Path], tmp_path: Path
) -> None:
    new = heavy(write_model("learned", 2), windows=60)
    received = tmp_path / "received"

    def arrived() -> int:
        return sum(path.stat().st_size for path in received.rglob("*.bin"))

    with process("model_sender", model=new, share_path="false") as sender:
        wait_until(lambda: arrived() > 5 * WINDOW * CHUNK_BYTES, "some pieces to arrive")
        sender.send_signal(signal.SIGKILL)
        sender.wait()
    half = arrived()
    assert half < (new / "ballast.bin").stat().st_size
    assert_moves_on(robot)
    assert {status["version"] for status in swaps.statuses} == {1}
    with process("model_sender", model=new, share_path="false"):
        status = swaps.wait_for(phase="active", version=2)
    assert_moves_on(robot)
    (folder,) = received.iterdir()
    assert status["sha256"].startswith(folder.name)
    assert {path.name for path in folder.iterdir()} == {path.name for path in new.iterdir()}


def test_malformed_messages_on_the_transfer_topics_change_nothing(
    robot: FakeRobot, swaps: SwapListener, tmp_path: Path
) -> None:
    news = robot.create_publisher(String, "model_announcement", LATCHED)
    requests = robot.create_publisher(String, "model_request", MODEL_CHUNKS)
    wait_until(lambda: news.get_subscription_count() > 0, "the subscription of the policy")
    absent = Announcement("oscillator", "a" * 64, 1000, "/nowhere", 1, "absent")
    for text in ("", "{", "[]", absent.to_json(), absent.to_json().replace("a" * 64, "../evil")):
        news.publish(String(data=text))
        requests.publish(String(data=text))
        time.sleep(0.1)
    swaps.wait_for(phase="receiving", candidate="a" * 64)
    assert_moves_on(robot)
    assert {status["number"] for status in swaps.statuses} == {1}
