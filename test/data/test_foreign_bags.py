"""Recordings of rosbag2 as data sets: every storage, and topics of robots of others."""

import math
from pathlib import Path

import numpy as np
import pytest
from foreign_bags import (
    ARMS,
    CAMERA,
    DELAY_NS,
    JOINTS,
    SECOND_NS,
    START_NS,
    STEP_NS,
    TYPES,
    Robot,
    command,
    joint_state,
    pixels,
    position,
    raw_image,
    write_bag,
    write_mcap,
    write_old_database,
    write_robot,
    write_split_bag,
)
from mcap.writer import CompressionType
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from dbp_ros.data.formats import describe_choices, open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3
# Joint states are published at 100 Hz, so a row is at most this much older than its time.
PERIOD_NS = SECOND_NS // 100
WRITERS = {
    "mcap": write_bag,
    "mcap, chunks": lambda p, m: write_bag(p, m, MCAP, CompressionMode.STORAGE),
    "mcap, file": lambda p, m: write_bag(p, m, MCAP, CompressionMode.FILE),
    "mcap, messages": lambda p, m: write_bag(p, m, MCAP, CompressionMode.MESSAGE),
    "sqlite3": lambda p, m: write_bag(p, m, SQLITE),
    "sqlite3, file": lambda p, m: write_bag(p, m, SQLITE, CompressionMode.FILE),
    "sqlite3, messages": lambda p, m: write_bag(p, m, SQLITE, CompressionMode.MESSAGE),
    "split mcap": lambda p, m: write_split_bag(p, m, MCAP),
    "split sqlite3": lambda p, m: write_split_bag(p, m, SQLITE),
    "one file": lambda p, m: write_mcap(p.with_suffix(".mcap"), m, CompressionType.NONE),
    "one file, lz4": lambda p, m: write_mcap(p.with_suffix(".mcap"), m, CompressionType.LZ4),
    "one file, no chunks": lambda p, m: write_mcap(p.with_suffix(".mcap"), m, use_chunking=False),
    "old sqlite3": lambda p, m: write_old_database(p.with_suffix(".db3"), m),
}


@pytest.fixture
def robot(tmp_path: Path) -> str:
    return str(write_robot(tmp_path))


def read(path: Path, index: int = 0, **selected):
    return open_episodes(path, Selection(**selected)).read(index)


def expected_positions(episode, function=position, later_ns: int = 0) -> np.ndarray:
    """Return the newest sinusoidal values that had arrived at each row."""
    times = (episode.stamps_ns + later_ns - DELAY_NS - START_NS) // PERIOD_NS * PERIOD_NS + START_NS
    return np.array([[function(joint, int(ns)) for joint in JOINTS] for ns in times], np.float32)


@pytest.mark.parametrize("storage", WRITERS)
def test_every_storage_gives_the_same_rows(tmp_path: Path, storage: str) -> None:
    episode = read(WRITERS[storage](tmp_path / "bag", Robot().messages()))
    assert episode.state_names == episode.action_names == JOINTS
    assert episode.step_s == 1 / 30
    assert len(episode) == 59
    np.testing.assert_array_equal(np.diff(episode.stamps_ns), STEP_NS)
    np.testing.assert_array_equal(episode.states, expected_positions(episode))
    np.testing.assert_array_equal(episode.actions, expected_positions(episode, position, STEP_NS))
    assert list(episode.images) == ["head_camera"]
    for row, image in enumerate(episode.images["head_camera"]):
        np.testing.assert_array_equal(image, pixels(row))


def test_a_slow_driver_does_not_freeze_the_joints_of_the_others(tmp_path: Path) -> None:
    slow = Robot(drop=lambda topic, ns: topic.startswith("/right") and (ns - START_NS) % 10**8)
    episode = read(write_bag(tmp_path / "bag", slow.messages()))
    np.testing.assert_array_equal(episode.states[:, :2], expected_positions(episode)[:, :2])
    assert len(np.unique(episode.states[:, 2])) == 20


def test_a_joint_that_stops_among_others_of_its_topic_is_named(tmp_path: Path) -> None:
    topic, kind, stop = "/joint_states", "sensor_msgs/msg/JointState", START_NS + SECOND_NS
    messages = [
        (topic, kind, ns, joint_state(joints, [position(joint, ns) for joint in joints], ns))
        for ns in range(START_NS, START_NS + 2 * SECOND_NS, PERIOD_NS)
        for joints in ARMS.values()
        if ns < stop or joints != ARMS["right"]
    ]
    with pytest.raises(EpisodeError, match=r"no joint state of right_elbow_joint for 0\.5 s befo"):
        read(write_bag(tmp_path / "bag", messages))


def test_images_have_arrived_before_their_row(tmp_path: Path) -> None:
    episode = read(write_bag(tmp_path / "bag", Robot().messages()), step_s=0.05)
    newest = (episode.stamps_ns - DELAY_NS - START_NS) // STEP_NS
    np.testing.assert_array_equal(episode.images["head_camera"][:, 0, 0, 0], newest)
    assert episode.step_s == 0.05


def test_the_rows_are_the_same_for_any_selected_cameras(tmp_path: Path, robot: str) -> None:
    late = START_NS + 10 * STEP_NS
    lost = Robot(commands=True, drop=lambda topic, ns: topic == CAMERA and ns < late)
    path = write_bag(tmp_path / "bag", lost.messages())
    for selected in ({}, {"robot": robot}):
        stamps_ns = read(path, **selected).stamps_ns
        assert stamps_ns[0] == late + DELAY_NS
        np.testing.assert_array_equal(read(path, images=(), **selected).stamps_ns, stamps_ns)


def test_compressed_images_are_read(tmp_path: Path, robot: str) -> None:
    path = write_bag(tmp_path / "bag", Robot(compressed=True).messages())
    for selected in ({}, {"robot": robot}, {"images": ("head_camera",)}):
        np.testing.assert_array_equal(read(path, **selected).images["head_camera"][7], pixels(7))


def test_a_folder_of_bags_has_an_episode_for_each(tmp_path: Path) -> None:
    for name, steps in (("b", 30), ("a", 20), ("c", 25)):
        write_bag(tmp_path / "set" / name, Robot(steps).messages())
    episodes = open_episodes(tmp_path / "set")
    assert episodes.names == ("a", "b", "c")
    assert [len(episodes.read(index)) for index in range(3)] == [19, 29, 24]
    before = episodes.sha256()
    (tmp_path / "set" / "notes.txt").write_text("other files")
    assert open_episodes(tmp_path / "set").sha256() == before
    write_bag(tmp_path / "set" / "d", Robot(20).messages())
    assert open_episodes(tmp_path / "set").sha256() != before


def test_one_file_is_an_episode(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", Robot().messages())
    (file,) = folder.glob("*.mcap")
    np.testing.assert_array_equal(read(file).states, read(folder).states)


def test_the_commands_of_a_robots_controllers_are_the_actions(tmp_path: Path, robot: str) -> None:
    path = write_bag(tmp_path / "bag", Robot(commands=True, trajectories=True).messages())
    episode = read(path, robot=robot)
    np.testing.assert_array_equal(episode.actions, expected_positions(episode, command, STEP_NS))
    measured = read(path, robot=robot, action="measured")
    np.testing.assert_array_equal(measured.actions, expected_positions(measured, position, STEP_NS))


def test_all_bags_of_a_set_have_the_same_source_of_actions(tmp_path: Path, robot: str) -> None:
    write_bag(tmp_path / "set" / "a", Robot(commands=True).messages())
    write_bag(tmp_path / "set" / "b", Robot().messages())
    with pytest.raises(EpisodeError, match="the actions are measured, and those of a are commands"):
        read(tmp_path / "set", 1, robot=robot)
    assert len(read(tmp_path / "set", 1, robot=robot, action="measured")) == 59


def test_trajectories_are_the_actions_without_commands(tmp_path: Path, robot: str) -> None:
    path = write_bag(tmp_path / "bag", Robot(trajectories=True).messages())
    for selected in ({}, {"robot": robot}):
        episode = read(path, **selected)
        later_ns = episode.stamps_ns + STEP_NS
        exact = np.array([[command(joint, int(ns)) for joint in JOINTS] for ns in later_ns])
        np.testing.assert_allclose(episode.actions, exact, atol=2e-3)


def test_a_trajectory_of_velocities_is_refused_with_its_remedy(tmp_path: Path) -> None:
    messages = Robot(trajectories=True).messages()
    for topic, _, _, message in messages:
        for point in message.points if topic == "/arms/joint_trajectory" else ():
            point.velocities, point.positions = point.positions, point.velocities
    path = write_bag(tmp_path / "bag", messages)
    expected = "/arms/joint_trajectory .* 0 positions, expected 3, .*: use --action measured"
    with pytest.raises(EpisodeError, match=expected):
        read(path)
    assert len(read(path, action="measured")) == 59


def test_joint_states_of_a_leading_arm_are_the_actions_if_chosen(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", Robot(leader=True).messages())
    episode = read(path, action="/leader/joint_states")
    np.testing.assert_array_equal(episode.states, expected_positions(episode))
    np.testing.assert_array_equal(episode.actions, expected_positions(episode, command, STEP_NS))
    with pytest.raises(EpisodeError, match=r"left_elbow_joint is on /leader.* and on /left/joint"):
        read(path)
    states = read(path, state=("/left/joint_states", "/right/joint_states"))
    np.testing.assert_array_equal(states.states, expected_positions(states))


def test_joints_of_the_state_can_be_chosen_by_name(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", Robot().messages())
    episode = read(path, state=("right_elbow_joint",))
    assert episode.action_names == JOINTS
    np.testing.assert_array_equal(episode.states, expected_positions(episode)[:, 2:])
    with pytest.raises(EpisodeError, match="no key 'knee' for state: use one of left_elbow_joint"):
        read(path, state=("knee",))


def test_interventions_of_any_recorder_are_read(tmp_path: Path) -> None:
    kind = "std_msgs/msg/Bool"
    times_ns = START_NS + SECOND_NS // 2, START_NS + SECOND_NS
    extra = [
        ("/cell/intervention", kind, ns, TYPES.types[kind](ns == times_ns[0])) for ns in times_ns
    ]
    found = read(write_bag(tmp_path / "bag", Robot(extra=extra).messages()))
    expected = (found.stamps_ns < times_ns[1]) & (found.stamps_ns + STEP_NS > times_ns[0])
    assert 14 <= expected.sum() <= 17
    np.testing.assert_array_equal(found.interventions, expected)
    demonstration = read(write_bag(tmp_path / "demonstration", Robot().messages()))
    assert demonstration.interventions is None


def published(topic: str, kind: str, values: dict[int, object]) -> list[tuple]:
    """Return messages of one field by the time of their arrival."""
    return [(topic, kind, ns, TYPES.types[kind](value)) for ns, value in values.items()]


def test_published_rewards_are_those_one_step_later(tmp_path: Path) -> None:
    rewarded_ns = START_NS + SECOND_NS
    rewards = {START_NS: 0.25, rewarded_ns: 2.0, rewarded_ns + 1: math.nan}
    for kind, name in (("std_msgs/msg/Float64", "64"), ("std_msgs/msg/Float32", "32")):
        extra = published("/cell/reward", kind, rewards)
        path = write_bag(tmp_path / name, Robot(extra=extra).messages())
        found = read(path)
        later = found.stamps_ns + STEP_NS >= rewarded_ns
        np.testing.assert_array_equal(found.rewards, np.where(later, 2.0, 0.25))
    (note,) = open_episodes(path).notes
    assert note.endswith("images: head_camera (/head_camera/image_raw); reward: /cell/reward")
    two = [*extra, *published("/other/reward", kind, rewards)]
    path = write_bag(tmp_path / "two", Robot(extra=two).messages())
    assert not read(path).rewards.any()
    assert {"/cell/reward", "/other/reward"} <= set(open_episodes(path).unused)


def test_the_last_published_success_is_the_outcome(tmp_path: Path) -> None:
    for solved, outcome in ((True, "success"), (False, "failure")):
        values = {START_NS: not solved, START_NS + SECOND_NS: solved}
        extra = published("/cell/success", "std_msgs/msg/Bool", values)
        found = read(write_bag(tmp_path / outcome, Robot(extra=extra).messages()))
        assert (found.outcome, found.termination_reason) == (outcome, outcome)
        assert not found.rewards[:-1].any()
        assert found.rewards[-1] == solved
    unknown = read(write_bag(tmp_path / "unknown", Robot().messages()))
    assert (unknown.outcome, unknown.termination_reason) == ("success", "operator")
    assert not unknown.rewards.any()


def test_disabled_control_is_named_as_the_cause_of_missing_commands(
    tmp_path: Path, robot: str
) -> None:
    kind, state = "std_msgs/msg/String", "disabled: control is not enabled"
    extra = published("/cell/guard/state", kind, {START_NS: state})
    write_bag(tmp_path / "set" / "a", Robot(commands=True).messages())
    path = write_bag(tmp_path / "set" / "b", Robot(extra=extra).messages())
    cause = "no command was sent in b, as control was never enabled .*disabled: control is not .*"
    with pytest.raises(EpisodeError, match=f"{cause}`dbp enable` .*or choose .* measured"):
        read(tmp_path / "set", 1, robot=robot)
    with pytest.raises(EpisodeError, match=f"no commands of every controller: .*{cause}"):
        read(path, robot=robot, action="commands")
    assert "no command was sent in b" in describe_choices(path, Selection(robot=robot))[1]
    enabled = [*extra, *published("/cell/guard/state", kind, {START_NS + SECOND_NS: "tracking"})]
    path = write_bag(tmp_path / "enabled", Robot(extra=enabled).messages())
    assert len(describe_choices(path, Selection(robot=robot))) == 1


def test_topics_that_are_not_read_are_listed(tmp_path: Path) -> None:
    messages = Robot(commands=True).messages()
    episodes = open_episodes(write_bag(tmp_path / "bag", messages), Selection(images=()))
    assert set(episodes.unused) == {CAMERA, *(f"/{arm}_controller/commands" for arm in ARMS)}
    (note,) = episodes.notes
    assert note == (
        "state: /left/joint_states, /right/joint_states; action: measured positions one step "
        "later, as no commands are read; images: none"
    )


def test_depth_images_are_left_out_unless_they_are_chosen(tmp_path: Path) -> None:
    depth = "/head_camera/depth/image_rect"
    stamps = range(START_NS, START_NS + 60 * STEP_NS, STEP_NS)
    extra = [
        (depth, "sensor_msgs/msg/Image", ns + DELAY_NS, raw_image(0, ns, "16UC1")) for ns in stamps
    ]
    path = write_bag(tmp_path / "bag", Robot(extra=extra).messages())
    assert list(read(path).images) == ["head_camera"]
    assert depth in open_episodes(path).unused
    with pytest.raises(EpisodeError, match=f"{depth} at .*a depth image"):
        read(path, images=(depth,))


def test_a_step_of_a_clock_is_refused_with_topic_and_time(tmp_path: Path) -> None:
    stepped = START_NS + SECOND_NS

    def clock_ns(topic: str, stamp_ns: int) -> int:
        return 3 * SECOND_NS if topic == "/right/joint_states" and stamp_ns >= stepped else 0

    path = write_bag(tmp_path / "bag", Robot(clock_ns=clock_ns).messages())
    message = r"the stamps on /right/joint_states step by \+3\.00 s .* after 0\.99 s .*a clock was"
    with pytest.raises(EpisodeError, match=message):
        read(path)


def test_a_constant_difference_of_clocks_is_no_error(tmp_path: Path) -> None:
    path = write_bag(
        tmp_path / "bag", Robot(clock_ns=lambda topic, ns: -500 * SECOND_NS).messages()
    )
    assert len(read(path)) == 59


@pytest.mark.parametrize(("topic", "seconds"), [("/left/joint_states", 0.7), (CAMERA, 1.2)])
def test_a_gap_is_refused_with_topic_and_time(tmp_path: Path, topic: str, seconds: float) -> None:
    first, last = START_NS + SECOND_NS // 2, START_NS + int((0.5 + seconds) * SECOND_NS)
    messages = Robot(drop=lambda name, ns: name == topic and first < ns < last).messages()
    path = write_bag(tmp_path / "bag", messages)
    with pytest.raises(EpisodeError, match=rf"no message on {topic} for {seconds}\d s after 0\.5"):
        read(path)


def test_a_camera_that_stops_is_a_gap(tmp_path: Path) -> None:
    stop = START_NS + SECOND_NS // 2
    messages = Robot(drop=lambda name, ns: name == CAMERA and ns > stop).messages()
    with pytest.raises(EpisodeError, match=f"no message on {CAMERA} for 1.4"):
        read(write_bag(tmp_path / "bag", messages))


def test_joint_states_without_positions_are_named_as_such(tmp_path: Path) -> None:
    messages = Robot().messages()
    for _, _, _, message in messages:
        if hasattr(message, "velocity"):
            message.velocity, message.position = message.position, message.velocity
    with pytest.raises(EpisodeError, match="the messages lack positions of some joints"):
        read(write_bag(tmp_path / "bag", messages))


def test_missing_inputs_are_named(tmp_path: Path, robot: str) -> None:
    only_left = Robot(drop=lambda name, ns: name.startswith("/right")).messages()
    path = write_bag(tmp_path / "left", only_left)
    with pytest.raises(EpisodeError, match="no valid positions of right_elbow_joint on /left/"):
        read(path, robot=robot)
    no_states = Robot(drop=lambda name, ns: name.endswith("joint_states")).messages()
    with pytest.raises(
        EpisodeError, match=r"no topic of sensor_msgs/msg/JointState, the bag has /"
    ):
        read(write_bag(tmp_path / "without", no_states))
    one_controller = Robot(commands=True, drop=lambda name, ns: name.startswith("/right_co"))
    path = write_bag(tmp_path / "controller", one_controller.messages())
    with pytest.raises(EpisodeError, match=r"no commands of every controller: .*right_controller"):
        read(path, robot=robot, action="commands")
    with pytest.raises(EpisodeError, match="no key 'torque' for action: use one of commands"):
        read(path, action="torque")
    with pytest.raises(EpisodeError, match="no key 'wrist' for images: use one of head_camera"):
        read(path, images=("wrist",))


def test_values_far_beyond_the_limits_of_a_robot_are_refused(tmp_path: Path, robot: str) -> None:
    stamps = range(START_NS, START_NS + 60 * STEP_NS, PERIOD_NS)
    degrees = [
        (
            *("/right/joint_states", "sensor_msgs/msg/JointState", ns + DELAY_NS),
            joint_state(ARMS["right"], [57.0], ns),
        )
        for ns in stamps
    ]
    messages = Robot(extra=degrees).messages()
    messages = [m for m in messages if m[0] != "/right/joint_states" or m[3].position[0] == 57.0]
    with pytest.raises(EpisodeError, match="state right_elbow_joint runs from 57 to 57"):
        read(write_bag(tmp_path / "bag", messages), robot=robot)


def test_an_incomplete_file_is_refused_with_its_remedy(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", Robot().messages())
    (file,) = folder.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(EpisodeError, match=r"cannot be opened as a bag .*: restore an incomplete"):
        open_episodes(folder)
    with pytest.raises(EpisodeError, match=r"cannot be opened as a bag .*: restore an incomplete"):
        open_episodes(file)
