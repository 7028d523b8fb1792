"""Episodes on request of an operator: outcomes, ring buffer, disk space."""

import struct
import threading
import time
from pathlib import Path

import pytest

from dbp_ros.data.bags.bag import BagTopic, BagWriter, EpisodeEnd, read_bag
from dbp_ros.data.labels import EpisodeLabel, write_labels
from dbp_ros.data.recording import recorder as recorder_module
from dbp_ros.data.recording.arrivals import Arrivals
from dbp_ros.data.recording.disk_space import BYTES_PER_GB, DiskSpace
from dbp_ros.data.recording.recorder import BagRecorder, bag_numbers, bag_path
from dbp_ros.data.recording.recording_manifest import manifest_of
from dbp_ros.data.recording.recording_session import RecordingSession
from dbp_ros.data.recording.ring_buffer import OVERHEAD_BYTES, RingBuffer
from dbp_ros.errors import ConfigError, EpisodeError
from dbp_ros.settings.dual_ur5e import DUAL_UR5E
from dbp_ros.settings.recorder import COMMANDS, RecorderConfig

SECOND_NS = 1_000_000_000
TOPICS = {
    "reward": BagTopic("/reward", "std_msgs/msg/Float64", "float64 data"),
    "human": BagTopic("/human", "std_msgs/msg/Float64", "float64 data", latched=True),
}


class Robot:
    """Session with a disk of 10 GB and a robot that publishes its time."""

    def __init__(self, folder: Path, limit_s: float = 5.0, max_mb: float = 1.0) -> None:
        self.folder, self.now_ns, self.missing, self.free_gb = folder, 0, "", 10.0
        buffer = RingBuffer(limit_s, max_mb)
        self.recorder = BagRecorder(folder, TOPICS, lambda _: None, buffer=buffer)
        disk = DiskSpace(folder, 2.0, lambda _: round(self.free_gb * BYTES_PER_GB))
        self.session = RecordingSession(
            self.recorder, lambda: {"task": "toy"}, disk, lambda: self.missing
        )

    def publish(self, seconds: int, role: str = "reward") -> None:
        """Publish the time once a second."""
        for _ in range(seconds):
            self.now_ns += SECOND_NS
            data = b"\0\1\0\0" + struct.pack("<d", self.now_ns / SECOND_NS)
            self.recorder.record(role, data, self.now_ns)
            self.session.tick(self.now_ns)

    def wait(self) -> None:
        """Wait until all ended episodes are on the disk."""
        deadline_s = time.monotonic() + 20.0
        while self.session.writing:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)

    def run(self, command: str) -> str:
        return self.session.run(command, self.now_ns)

    def bags(self) -> list[tuple[list[float], str, str]]:
        """Return values, outcome and termination reason of each episode."""
        self.recorder.close()
        found = []
        for number in bag_numbers(self.folder):
            bag = read_bag(bag_path(self.folder, number))
            values = [message.data for _, message in bag.messages.get("reward", [])]
            found.append((values, bag.end.outcome, bag.end.termination_reason))
        return found


@pytest.fixture
def robot(tmp_path):
    made = Robot(tmp_path)
    yield made
    made.recorder.close()


def test_an_episode_is_a_success_or_a_failure_with_a_second_of_preroll(robot):
    robot.publish(3)
    assert robot.run("begin") == "recording episode 1"
    robot.publish(2)
    assert robot.run("success") == "episode 1: success, 2.0 s, 0.0 MB"
    robot.publish(1)
    robot.run("begin")
    robot.publish(1)
    robot.run("failure")
    expected = [([2, 3, 4, 5], "success", "success"), ([6, 7], "failure", "failure")]
    assert robot.bags() == expected
    assert robot.session.ended == {"success": 1, "failure": 1}


def test_one_command_begins_an_episode_and_ends_it_as_a_success(robot):
    robot.publish(1)
    assert robot.run("toggle") == "recording episode 1"
    assert robot.run("toggle").startswith("episode 1: success")


def test_a_discarded_episode_leaves_no_file_and_gives_its_number_to_the_next_one(robot, tmp_path):
    robot.run("begin")
    robot.publish(2)
    assert robot.run("discard").startswith("episode 1 discarded, 2.0 s")
    robot.wait()
    assert list(tmp_path.iterdir()) == []
    robot.run("begin")
    robot.publish(1)
    robot.run("success")
    assert robot.bags() == [([3], "success", "success")]
    assert robot.session.discarded == 1


def test_the_last_seconds_become_an_episode_without_a_result(robot):
    robot.publish(1, "human")
    robot.publish(9)
    assert robot.run("keep_last") == "episode 1: the last 5.0 s, 0.0 MB"
    robot.publish(1)
    assert robot.run("keep_last") == "episode 2: the last 0.0 s, 0.0 MB"
    first, second = robot.bags()
    assert first == ([5, 6, 7, 8, 9, 10], "failure", "operator")
    assert second[0] == [11]
    (latched,) = read_bag(bag_path(robot.folder, 1)).messages["human"]
    assert (latched[0], latched[1].data) == (5 * SECOND_NS, 1.0)


def test_the_last_seconds_are_limited_by_memory_and_the_operator_is_informed(tmp_path):
    # The memory of three messages of 12 bytes.
    robot = Robot(tmp_path, max_mb=3 * (12 + OVERHEAD_BYTES) / 1e6)
    robot.publish(10)
    sentence = robot.run("keep_last")
    assert sentence.startswith("episode 1: the last 2.0 s, 0.0 MB; 5 s do not fit into 0.0006")
    assert "raise ring_buffer_mb, or record compressed images" in sentence
    assert robot.bags()[0][0] == [8, 9, 10]


def test_without_a_ring_buffer_the_last_seconds_are_refused(tmp_path):
    robot = Robot(tmp_path, limit_s=1.0)
    robot.publish(3)
    with pytest.raises(EpisodeError, match="only the 1 s before an episode: set ring_buffer_s"):
        robot.run("keep_last")
    robot.recorder.close()


@pytest.mark.parametrize("command", ["success", "failure", "discard"])
def test_no_episode_ends_before_one_begins(robot, command):
    with pytest.raises(EpisodeError, match="no episode is running: begin one first"):
        robot.run(command)


@pytest.mark.parametrize("command", ["begin", "keep_last"])
def test_no_episode_begins_before_the_last_one_ends(robot, command):
    robot.publish(1)
    robot.run("begin")
    with pytest.raises(EpisodeError, match="episode 1 is running: end it first"):
        robot.run(command)


def test_an_unknown_command_is_refused(robot):
    with pytest.raises(EpisodeError, match=f"is 'start', expected one of {', '.join(COMMANDS)}"):
        robot.run("start")


def test_no_episode_begins_while_messages_are_missing(robot):
    robot.missing = "no message on /joint_states for 2 s"
    with pytest.raises(EpisodeError, match="no message on /joint_states"):
        robot.run("begin")


def test_an_episode_ends_before_the_disk_is_full_and_none_begins(robot):
    robot.publish(1)
    robot.run("begin")
    robot.publish(2)
    robot.free_gb = 1.9
    robot.publish(1)
    assert not robot.recorder.recording
    robot.publish(1)
    assert "episode 1 was ended: the disk of" in robot.session.problem
    for command in ("begin", "keep_last"):
        with pytest.raises(EpisodeError, match=r"1\.9 GB free, expected at least 2\.0 GB \(min_fr"):
            robot.run(command)
    robot.free_gb = 3.0
    robot.run("begin")
    assert robot.session.problem == ""
    robot.run("success")
    assert robot.bags()[0] == ([1, 2, 3, 4], "failure", "disk")


def test_a_session_that_closes_ends_its_episode_without_a_result(robot):
    robot.run("begin")
    robot.publish(1)
    robot.session.close(robot.now_ns)
    assert robot.bags() == [([1], "failure", "operator")]


def test_the_remaining_time_follows_from_the_data_rate(tmp_path):
    disk = DiskSpace(tmp_path, 2.0, lambda _: 12 * BYTES_PER_GB)
    assert disk.remaining_s(1e8) == 100.0
    assert disk.remaining_s(0.0) is None
    assert DiskSpace(tmp_path, 2.0, lambda _: BYTES_PER_GB).remaining_s(1e8) == 0.0
    assert DiskSpace(tmp_path, 2.0).free_gb > 0.0


def test_rates_are_those_since_the_last_update():
    arrivals = Arrivals(["joints", "image"], 0)
    for index in range(10):
        arrivals.add("joints", 100, index * SECOND_NS // 10)
    arrivals.update(2 * SECOND_NS)
    assert arrivals.rates_hz == {"joints": 5.0, "image": 0.0}
    assert arrivals.bytes_per_s == 500.0
    assert arrivals.silent(["joints", "image"], SECOND_NS, SECOND_NS + 1) == ["image"]
    arrivals.update(3 * SECOND_NS)
    assert arrivals.rates_hz["joints"] == 0.0
    assert arrivals.silent(["joints"], SECOND_NS, 2 * SECOND_NS) == ["joints"]


def test_messages_from_before_the_first_one_are_not_lost():
    arrivals = Arrivals(["joints"], 0)
    arrivals.add_lost("joints", 1006)
    arrivals.add("joints", 100, SECOND_NS)
    arrivals.add_lost("joints", 3)
    assert arrivals.lost == {"joints": 3}


def test_a_full_queue_drops_messages_and_counts_them(tmp_path):
    recorder = BagRecorder(tmp_path, TOPICS, lambda _: None)
    recorder.begin({"task": "toy"})
    for index in range(30):
        recorder.record("reward", bytes(20_000_000), index)
    recorder.end(EpisodeEnd("success", "success", 30))
    recorder.close()
    assert recorder.messages + recorder.dropped == 30
    written = read_bag(bag_path(tmp_path, 1)).messages["reward"]
    assert len(written) == recorder.messages >= 12


def test_the_end_of_an_episode_is_written_also_while_the_queue_is_full(tmp_path, monkeypatch):
    written, resume = threading.Event(), threading.Event()

    def write(self, role, data, stamp_ns):
        written.set()
        resume.wait(20.0)

    monkeypatch.setattr(BagWriter, "write", write)
    monkeypatch.setattr(recorder_module, "QUEUE_SIZE", 5)
    recorder = BagRecorder(tmp_path, TOPICS, lambda _: None)
    recorder.begin({"task": "toy"})
    recorder.record("reward", bytes(9), 0)
    assert written.wait(20.0)
    for index in range(1, 20):
        recorder.record("reward", bytes(9), index)
    assert recorder.dropped
    on_disk = recorder.end(EpisodeEnd("success", "success", 20))
    recorder.begin({"task": "next"})
    assert not recorder.recording
    resume.set()
    assert on_disk.wait(20.0)
    recorder.close()
    assert read_bag(bag_path(tmp_path, 1)).end.outcome == "success"


def test_a_clock_that_is_set_back_empties_the_buffer():
    buffer = RingBuffer(5.0)
    for second in (100, 101, 102):
        assert buffer.add(("reward", b"", second * SECOND_NS)) == []
    removed = buffer.add(("reward", b"", 3 * SECOND_NS))
    assert [stamp_ns // SECOND_NS for _, _, stamp_ns in removed] == [100, 101, 102]
    buffer.add(("reward", b"", 4 * SECOND_NS))
    assert buffer.duration_s == 1.0
    # Drivers with clocks that differ a little are not such a case.
    assert buffer.add(("reward", b"", 4 * SECOND_NS - SECOND_NS // 2)) == []


def test_copies_of_episodes_are_ignored_and_numbers_with_a_label_are_not_used_again(tmp_path):
    for name in ("episode_000003.mcap", "episode_000003_backup.mcap", "episode_9.mcap"):
        (tmp_path / name).touch()
    assert bag_numbers(tmp_path) == [3]
    write_labels(tmp_path, {"episode_000005.mcap": EpisodeLabel(discarded=True)})
    recorder = BagRecorder(tmp_path, TOPICS, lambda _: None)
    recorder.begin({"task": "toy"})
    recorder.close()
    assert recorder.number == 6


def test_the_manifest_has_the_robot_and_its_controllers():
    found = manifest_of(RecorderConfig(operator="kim", task="fold")).to_metadata()
    assert (found["robot"], found["operator"], found["task"]) == ("ur5e_dual", "kim", "fold")
    assert sum(found["controllers"].values()) == len(found["joints"]) == len(DUAL_UR5E.joints)
    assert (found["step_s"], found["control_rate_hz"]) == (0.002, 500.0)
    assert found["model"] is None


def test_buttons_have_commands():
    assert RecorderConfig(joy_buttons=("begin=0", "success=3")).buttons() == {
        0: "begin",
        3: "success",
    }
    for item in ("start=0", "begin", "begin=x", "begin=-1"):
        with pytest.raises(ConfigError, match=f"joy_buttons has '{item}', expected command=number"):
            RecorderConfig(joy_buttons=(item,)).buttons()
    with pytest.raises(ConfigError, match="button 1 twice: begin and success"):
        RecorderConfig(joy_buttons=("begin=1", "success=1")).buttons()


def test_episodes_are_in_a_folder_of_the_robot_by_default():
    assert RecorderConfig(robot="so101_dual").folder() == Path("recordings/so101_dual")
    assert RecorderConfig(out="mine").folder() == Path("mine")
