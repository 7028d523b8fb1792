"""An observation is complete, fresh and not frozen, or refused."""

import numpy as np
import pytest

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import ObservationError
from dbp_ros.policy.observation_buffer import ObservationBuffer, to_float32
from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS
from dbp_ros.sensing.camera_joints import joints_in_view
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, Frame

NOW_NS = 1000 * NS_PER_S
MS = 1_000_000
CONFIG = PolicyConfig(
    image_max_age_s=0.2,
    joint_state_max_age_s=0.1,
    image_frozen_after_s=0.5,
    image_frozen_motion=0.05,
)
CAMERAS = ("head_camera", "left_wrist_camera")


def add_joints(buffer, stamp_ns, values=(0.0, 0.0, 0.0), arrival_ns=None):
    arrival_ns = stamp_ns if arrival_ns is None else arrival_ns
    buffer.add_joint_state(np.array(values, np.float32), stamp_ns, arrival_ns)


def add_image_of(buffer, camera, stamp_ns, value=0, arrival_ns=None):
    """Add an image of one value, with features of that value."""
    arrival_ns = stamp_ns if arrival_ns is None else arrival_ns
    frame = Frame(np.full((2, 2, 3), value, np.uint8), stamp_ns)
    buffer.add_features(camera, frame, np.full(3, value, np.float32), arrival_ns)


@pytest.fixture
def buffer(make_bundle):
    """A buffer with a joint state and an image of each camera at `NOW_NS`."""
    buffer = ObservationBuffer(read_bundle(make_bundle()).manifest, CONFIG)
    add_joints(buffer, NOW_NS)
    for camera in CAMERAS:
        add_image_of(buffer, camera, NOW_NS)
    return buffer


def test_a_fresh_and_complete_observation_is_returned(buffer):
    add_joints(buffer, NOW_NS + 10 * MS, (1, 2, 3))
    add_image_of(buffer, "head_camera", NOW_NS + 20 * MS, 9)
    inputs = buffer.get_observation(NOW_NS + 30 * MS)
    np.testing.assert_array_equal(inputs.positions, [[1, 2, 3]])
    np.testing.assert_array_equal(inputs.features["head_camera"], [[9, 9, 9]])
    np.testing.assert_array_equal(inputs.features["left_wrist_camera"], [[0, 0, 0]])
    assert inputs.positions.dtype == np.float32
    assert inputs.stamp_ns == NOW_NS + 10 * MS
    assert inputs.image_stamp_ns == NOW_NS + 20 * MS


def test_without_joint_states_there_is_no_observation(make_bundle):
    buffer = ObservationBuffer(read_bundle(make_bundle()).manifest, CONFIG)
    with pytest.raises(ObservationError, match="joint_states is missing"):
        buffer.get_observation(NOW_NS)


def test_a_camera_without_an_image_is_named(make_bundle):
    buffer = ObservationBuffer(read_bundle(make_bundle()).manifest, CONFIG)
    add_joints(buffer, NOW_NS)
    add_image_of(buffer, "head_camera", NOW_NS)
    with pytest.raises(ObservationError, match="left_wrist_camera is missing"):
        buffer.get_observation(NOW_NS)


def test_joint_states_that_stop_are_stale_by_arrival(buffer):
    add_joints(buffer, NOW_NS + 40 * MS, arrival_ns=NOW_NS)
    with pytest.raises(ObservationError, match="joint_states is stale: older than 100 ms"):
        buffer.get_observation(NOW_NS + 101 * MS)


def test_joint_states_that_are_old_on_arrival_have_their_own_error(buffer):
    add_joints(buffer, NOW_NS - 101 * MS, arrival_ns=NOW_NS)
    with pytest.raises(ObservationError, match="joint_states arrives late, 0"):
        buffer.get_observation(NOW_NS)


def test_a_camera_that_stops_is_stale_by_arrival(buffer):
    now_ns = NOW_NS + 300 * MS
    add_joints(buffer, now_ns)
    add_image_of(buffer, "head_camera", now_ns)
    add_image_of(buffer, "left_wrist_camera", now_ns - 160 * MS, arrival_ns=now_ns - 201 * MS)
    with pytest.raises(ObservationError, match="left_wrist_camera is stale: older than 200 ms"):
        buffer.get_observation(now_ns)


@pytest.mark.parametrize(
    ("stamp_ns", "words"),
    [
        (NOW_NS - 201 * MS, "left_wrist_camera arrives late, 0.2 s after its stamp"),
        (NOW_NS - 10 * NS_PER_S, "left_wrist_camera is stamped in the past, 10 s before"),
        (NOW_NS - 10**18, "left_wrist_camera's stamps are of another clock: 1e9 s behind"),
        (NOW_NS + 10**18, "left_wrist_camera's stamps are of another clock: 1e9 s ahead"),
        (UNSTAMPED_NS, "left_wrist_camera is not stamped: its stamp is zero"),
        (NO_CLOCK_NS, "left_wrist_camera has no time: use_sim_time is true, but nothing arrives"),
    ],
)
def test_a_camera_with_invalid_stamps_differs_from_one_that_stops(buffer, stamp_ns, words):
    add_image_of(buffer, "left_wrist_camera", stamp_ns, arrival_ns=NOW_NS)
    with pytest.raises(ObservationError, match=words):
        buffer.get_observation(NOW_NS + 50 * MS)


def test_a_camera_with_bad_stamps_that_stops_becomes_stale(buffer):
    add_image_of(buffer, "head_camera", UNSTAMPED_NS, arrival_ns=NOW_NS)
    add_joints(buffer, NOW_NS + 2100 * MS)
    with pytest.raises(ObservationError, match="head_camera is stale"):
        buffer.get_observation(NOW_NS + 2100 * MS)


def test_delay_and_waiting_time_of_a_message_add_up(buffer):
    add_joints(buffer, NOW_NS, arrival_ns=NOW_NS + 60 * MS)
    with pytest.raises(ObservationError, match="stale: older than 100 ms, and nothing newer"):
        buffer.get_observation(NOW_NS + 101 * MS)


def test_at_its_maximum_age_a_stream_is_still_fresh(buffer):
    add_joints(buffer, NOW_NS + 100 * MS)
    buffer.get_observation(NOW_NS + 200 * MS)
    with pytest.raises(ObservationError, match="stale"):
        buffer.get_observation(NOW_NS + 200 * MS + 1)


def test_a_stamp_from_the_future_is_refused_beyond_a_tolerance(buffer):
    add_image_of(buffer, "head_camera", NOW_NS + 50 * MS, arrival_ns=NOW_NS)
    buffer.get_observation(NOW_NS)
    add_image_of(buffer, "head_camera", NOW_NS + 51 * MS, arrival_ns=NOW_NS)
    with pytest.raises(ObservationError, match="head_camera is stamped in the future"):
        buffer.get_observation(NOW_NS)


def test_the_error_text_is_constant_while_a_stream_ages(buffer):
    sentences = set()
    for late in range(150, 1000, 50):
        with pytest.raises(ObservationError) as caught:
            buffer.get_observation(NOW_NS + late * MS)
        sentences.add(str(caught.value))
    assert len(sentences) == 1


def run_with_a_repeated_image(buffer, joint, camera="left_wrist_camera", seconds=1.0):
    """Move one joint while one camera repeats its image under new stamps."""
    for ms in range(0, round(seconds * 1000), 33):
        now_ns = NOW_NS + ms * MS
        add_joints(buffer, now_ns, [0.2 * ms / 1000 if k == joint else 0.0 for k in range(3)])
        for other in CAMERAS:
            add_image_of(buffer, other, now_ns, 0 if other == camera else ms % 256)
    return now_ns


def test_an_image_that_repeats_while_its_arm_moves_is_frozen(buffer):
    now_ns = run_with_a_repeated_image(buffer, joint=0)
    with pytest.raises(ObservationError, match="left_wrist_camera is frozen"):
        buffer.get_observation(now_ns)


def test_an_image_that_repeats_while_only_the_other_arm_moves_is_not_frozen(buffer):
    buffer.get_observation(run_with_a_repeated_image(buffer, joint=2))


def test_a_camera_on_no_arm_is_compared_with_all_joints(buffer):
    now_ns = run_with_a_repeated_image(buffer, joint=2, camera="head_camera")
    with pytest.raises(ObservationError, match="head_camera is frozen"):
        buffer.get_observation(now_ns)


def test_an_image_that_repeats_without_motion_is_not_frozen(buffer):
    buffer.get_observation(run_with_a_repeated_image(buffer, joint=None))


def test_an_image_that_repeats_only_briefly_is_not_frozen(buffer):
    buffer.get_observation(run_with_a_repeated_image(buffer, joint=0, seconds=0.5))


def test_a_new_image_ends_a_freeze(buffer):
    now_ns = run_with_a_repeated_image(buffer, joint=0)
    add_image_of(buffer, "left_wrist_camera", now_ns, 77)
    buffer.get_observation(now_ns)


def test_the_joints_of_a_camera_are_those_of_its_side_or_all():
    joints = ("left_a", "left_b", "right_a")
    assert joints_in_view("left_wrist_camera", joints).tolist() == [0, 1]
    assert joints_in_view("right_wrist_camera", joints).tolist() == [2]
    assert joints_in_view("head_camera", joints).tolist() == [0, 1, 2]


def test_a_static_scene_is_refused_briefly_then_used_and_reported(buffer):
    refused = 0
    for ms in range(0, 20_000, 33):
        now_ns = NOW_NS + ms * MS
        add_joints(buffer, now_ns, (0.0, 0.0, 0.0002 * (ms - refused)))
        add_image_of(buffer, "head_camera", now_ns)
        add_image_of(buffer, "left_wrist_camera", now_ns, ms % 256)
        try:
            buffer.get_observation(now_ns)
        except ObservationError:
            refused += 33
    assert 500 < refused < 1500
    assert buffer.warning.startswith("head_camera sends the same image while the arms move")
    assert buffer.frozen_images() == {"head_camera": 1, "left_wrist_camera": 0}
    add_image_of(buffer, "head_camera", now_ns, 9)
    assert buffer.warning == ""
    buffer.clear_frozen_images()
    assert buffer.frozen_images() == {"head_camera": 0, "left_wrist_camera": 0}


@pytest.fixture
def history_buffer(make_bundle):
    """A buffer for a model that takes three observations, 100 ms apart."""
    return ObservationBuffer(read_bundle(make_bundle(history=3)).manifest, CONFIG)


def test_the_history_is_oldest_first_and_spaced_in_time(history_buffer):
    for ms in range(0, 501, 4):
        add_joints(history_buffer, NOW_NS + ms * MS, (ms, 0, 0))
    for ms in range(0, 501, 50):
        for camera in CAMERAS:
            add_image_of(history_buffer, camera, NOW_NS + ms * MS, ms // 10)
    inputs = history_buffer.get_observation(NOW_NS + 500 * MS)
    np.testing.assert_array_equal(inputs.positions[:, 0], [300, 400, 500])
    np.testing.assert_array_equal(inputs.features["head_camera"][:, 0], [30, 40, 50])


def test_the_history_of_a_jittering_camera_has_the_closest_images(history_buffer):
    add_joints(history_buffer, NOW_NS + 300 * MS)
    for camera in CAMERAS:
        for ms, value in ((0, 1), (101, 2), (199, 3), (300, 4)):
            add_image_of(history_buffer, camera, NOW_NS + ms * MS, value)
    features = history_buffer.get_observation(NOW_NS + 300 * MS).features["head_camera"]
    np.testing.assert_array_equal(features[:, 0], [2, 3, 4])


def test_at_first_the_history_repeats_the_first_value(history_buffer):
    add_joints(history_buffer, NOW_NS, (5, 0, 0))
    for camera in CAMERAS:
        add_image_of(history_buffer, camera, NOW_NS, 6)
    inputs = history_buffer.get_observation(NOW_NS)
    np.testing.assert_array_equal(inputs.positions[:, 0], [5, 5, 5])
    np.testing.assert_array_equal(inputs.features["head_camera"][:, 0], [6, 6, 6])
    assert inputs.features["head_camera"].shape == (3, 3)


def test_a_position_beyond_float32_is_refused():
    assert to_float32(np.array([0.5, -1.0])).dtype == np.float32
    with pytest.raises(ObservationError, match=r"joint_states has a position of 1e\+300, expected"):
        to_float32(np.array([0.5, -1e300]))
