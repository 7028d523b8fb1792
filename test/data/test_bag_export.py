"""Exports to bags, read back by this package and by the library of the format."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exported_sets import ListedEpisodes, episode, without
from foreign_bags import JOINTS, write_robot
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from dbp_ros.data.bags.bag_export import write_bags
from dbp_ros.data.exports import McapExport
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError
from dbp_ros.sensing.image_decoding import decode_image
from dbp_ros.settings.robot_files import read_robot

DEFAULT = McapExport()
MEASURED = ("waist", "elbow")
STEP_NS = 33_333_333


def source() -> ListedEpisodes:
    """Return three episodes without point clouds; the last one failed."""
    listed = ListedEpisodes([episode(index, steps) for index, steps in enumerate((20, 25, 15))])
    return without(listed, points={})


def robot_episodes() -> ListedEpisodes:
    """Return episodes of the robot with two arms."""
    phases = np.arange(20)[:, None] * 0.1 + np.arange(3)
    return without(
        source_of_length(20),
        state_names=JOINTS,
        action_names=JOINTS,
        states=(0.5 * np.sin(phases)).astype(np.float32),
        actions=(0.5 * np.cos(phases)).astype(np.float32),
    )


def source_of_length(steps: int) -> ListedEpisodes:
    return without(ListedEpisodes([episode(0, steps)]), points={})


def messages(path: Path) -> dict[str, list]:
    """Return arrival and message by topic, with the definitions in the file."""
    found: dict[str, list] = {}
    with AnyReader([path]) as reader:
        for connection, arrival_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((arrival_ns, message))
    return found


def stamps_of(received: list) -> list[int]:
    headers = [message.header.stamp for _, message in received]
    return [stamp.sec * 1_000_000_000 + stamp.nanosec for stamp in headers]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "bags"
    write_bags(source(), folder, DEFAULT)
    return folder


def test_the_reader_of_this_package_finds_all_rows_but_the_last(exported: Path) -> None:
    found = open_episodes(exported)
    assert found.names == tuple(f"episode_{index:06d}.mcap" for index in range(3))
    for index, expected in enumerate(source().episodes):
        one, rows = found.read(index), slice(len(expected) - 1)
        assert len(one) == len(expected) - 1
        assert one.state_names == one.action_names == MEASURED
        np.testing.assert_array_equal(one.states, expected.states[rows, :2])
        np.testing.assert_array_equal(one.actions, expected.actions[rows])
        assert one.images.keys() == expected.images.keys()
        for camera, images in expected.images.items():
            np.testing.assert_array_equal(one.images[camera], images[rows])
        for name in ("task", "outcome", "termination_reason", "step_s", "interventions"):
            assert getattr(one, name) == getattr(expected, name), name
        nominal_ns = expected.stamps_ns[0] + STEP_NS * np.arange(len(one))
        np.testing.assert_array_equal(one.stamps_ns, nominal_ns)


def test_a_slow_set_is_read_back(tmp_path: Path) -> None:
    stamps_ns = 10**18 + 2 * 10**9 * np.arange(9)
    slow = without(source_of_length(9), step_s=2.0, stamps_ns=stamps_ns)
    write_bags(slow, tmp_path / "bags", DEFAULT)
    one = open_episodes(tmp_path / "bags").read(0)
    np.testing.assert_array_equal(one.states, slow.episodes[0].states[:-1, :2])
    assert one.step_s == 2.0


@pytest.mark.parametrize("human", [False, True])
def test_interventions_of_a_policys_episode_are_read_back(tmp_path: Path, human: bool) -> None:
    flags = (np.arange(20) % 7 > 4) & human
    episodes = without(source_of_length(20), interventions=flags)
    write_bags(episodes, tmp_path / "bags", DEFAULT)
    one = open_episodes(tmp_path / "bags").read(0)
    assert one.step_s == 1 / 30
    np.testing.assert_array_equal(one.interventions, flags[:-1])
    received = messages(tmp_path / "bags/episode_000000.mcap")["/intervention"]
    assert [message.data for _, message in received] == flags.tolist()


def test_the_messages_are_those_of_ros(exported: Path) -> None:
    expected = source().episodes[1]
    found = messages(exported / "episode_000001.mcap")
    cameras = {
        "/head_camera/image_raw/compressed": "head_camera",
        "/wrist/image_raw/compressed": "/wrist/image_raw",
    }
    assert found.keys() == {"/joint_states", "/joint_commands", "/reward", *cameras}
    assert {message.__msgtype__ for _, message in found["/reward"]} == {"std_msgs/msg/Float64"}
    for topic, camera in cameras.items():
        assert {message.format for _, message in found[topic]} == {"png"}
        pixels = np.stack([decode_image(message) for _, message in found[topic]])
        np.testing.assert_array_equal(pixels, expected.images[camera])
        assert stamps_of(found[topic]) == expected.stamps_ns.tolist()
    states, commands = found["/joint_states"], found["/joint_commands"]
    assert {tuple(message.name) for _, message in states} == {("waist", "elbow", "gripper")}
    np.testing.assert_array_equal([one.position for _, one in states], expected.states)
    assert {tuple(message.name) for _, message in commands} == {("waist", "elbow")}
    np.testing.assert_array_equal([one.position for _, one in commands], expected.actions)
    assert [one.data for _, one in found["/reward"]] == expected.rewards.tolist()


def test_actions_and_rewards_arrive_one_step_after_their_row(exported: Path) -> None:
    expected = source().episodes[1]
    found = messages(exported / "episode_000001.mcap")
    nominal = [int(expected.stamps_ns[0]) + row * STEP_NS for row in range(26)]
    assert [arrival_ns for arrival_ns, _ in found["/joint_states"]] == nominal[:-1]
    assert stamps_of(found["/joint_states"]) == expected.stamps_ns.tolist()
    for topic in ("/joint_commands", "/reward"):
        assert [arrival_ns for arrival_ns, _ in found[topic]] == nominal[1:]


def test_with_a_robot_commands_are_those_of_its_controllers(tmp_path: Path) -> None:
    file = write_robot(tmp_path)
    write_bags(robot_episodes(), tmp_path / "bags", DEFAULT, read_robot(str(file)))
    expected = robot_episodes().episodes[0]
    found = messages(tmp_path / "bags/episode_000000.mcap")
    assert "/joint_commands" not in found
    for topic, columns in {
        "/left_controller/commands": [0, 1],
        "/right_controller/commands": [2],
    }.items():
        received = [message.data for _, message in found[topic]]
        np.testing.assert_array_equal(received, expected.actions[:, columns])
    for robot in ("", str(file)):
        one = open_episodes(tmp_path / "bags", Selection(robot=robot)).read(0)
        np.testing.assert_array_equal(one.actions, expected.actions[:-1])
        np.testing.assert_array_equal(one.states, expected.states[:-1])
        assert one.step_s == expected.step_s


def test_the_metadata_has_task_outcome_and_step(exported: Path) -> None:
    with (exported / "episode_000002.mcap").open("rb") as file:
        records = {one.name: one.metadata for one in make_reader(file).iter_metadata()}
    assert records["dbp_ros.episode"]["task"] == '"lift"'
    assert records["dbp_ros.episode"]["row_step_s"] == str(1 / 30)
    assert records["dbp_ros.outcome"]["outcome"] == "failure"


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_every_compression_has_the_same_messages(
    exported: Path, tmp_path: Path, compression: str
) -> None:
    write_bags(source(), tmp_path / "bags", McapExport(compression=compression))
    name = "episode_000000.mcap"
    one, other = messages(tmp_path / "bags" / name), messages(exported / name)
    assert {topic: len(found) for topic, found in one.items()} == {
        topic: len(found) for topic, found in other.items()
    }


def test_names_of_cameras_become_valid_topics_and_are_read_back(tmp_path: Path) -> None:
    images = source_of_length(5).episodes[0].images["head_camera"]
    cameras = {"observation.images.head": images, "2": 255 - images}
    write_bags(without(source_of_length(5), images=cameras), tmp_path / "bags", DEFAULT)
    topics = messages(tmp_path / "bags/episode_000000.mcap").keys()
    assert "/observation_images_head/image_raw/compressed" in topics
    assert "/_2/image_raw/compressed" in topics
    one = open_episodes(tmp_path / "bags").read(0)
    np.testing.assert_array_equal(one.images["2"], cameras["2"][:-1])


def test_actions_that_are_no_joints_are_written_and_refused_by_the_reader(tmp_path: Path) -> None:
    episodes = without(source_of_length(5), action_names=("x", "y"))
    write_bags(episodes, tmp_path / "bags", DEFAULT)
    received = messages(tmp_path / "bags/episode_000000.mcap")["/joint_commands"]
    assert received[0][1].name == ["x", "y"]
    with pytest.raises(EpisodeError, match="no valid positions of x, y on /joint_states"):
        open_episodes(tmp_path / "bags").read(0)


def test_a_pause_stays_in_the_stamps_and_is_refused_by_the_reader(tmp_path: Path) -> None:
    stamps_ns = 10**18 + STEP_NS * np.arange(9) + 600_000_000 * (np.arange(9) > 4)
    write_bags(without(source_of_length(9), stamps_ns=stamps_ns), tmp_path / "bags", DEFAULT)
    received = messages(tmp_path / "bags/episode_000000.mcap")["/joint_states"]
    assert stamps_of(received) == stamps_ns.tolist()
    with pytest.raises(EpisodeError, match=r"/joint_states step by \+0\.60 s against"):
        open_episodes(tmp_path / "bags").read(0)


def test_the_measured_positions_can_be_chosen_as_actions(exported: Path) -> None:
    one = open_episodes(exported, Selection(action="measured")).read(0)
    np.testing.assert_array_equal(one.actions, source().episodes[0].states[1:, :2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": episode(0, 5).points}, "number 0: the point clouds head_depth cannot be stor"),
        ({"stamps_ns": np.arange(5) - 3}, "stamps are from -3 to"),
        ({"stamps_ns": np.arange(5) + (2**31) * 10**9}, "expected 0 to 2147483647000000000"),
    ],
)
def test_what_a_bag_cannot_store_is_refused(tmp_path: Path, fields: dict, message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        write_bags(without(source_of_length(5), **fields), tmp_path / "bags", DEFAULT)
    assert not list(tmp_path.iterdir())


def test_two_cameras_of_one_topic_are_refused(tmp_path: Path) -> None:
    images = source_of_length(5).episodes[0].images["head_camera"]
    episodes = without(source_of_length(5), images={"a.b": images, "a_b": images})
    with pytest.raises(EpisodeError, match="two cameras get the topic /a_b/image_raw"):
        write_bags(episodes, tmp_path / "bags", DEFAULT)


def test_an_interrupted_export_leaves_nothing_and_keeps_the_older_set(tmp_path: Path) -> None:
    write_bags(source_of_length(5), tmp_path / "bags", DEFAULT)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    stopped = ListedEpisodes([replace(source_of_length(9).episodes[0]), None])
    with pytest.raises(KeyboardInterrupt):
        write_bags(stopped, tmp_path / "bags", DEFAULT)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert len(open_episodes(tmp_path / "bags").read(0)) == 4
