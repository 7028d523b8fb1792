"""Cameras of LeRobot data sets that are stored as video, in version 3 and version 2."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest
from data.test_lerobot import change_column, records_file
from lerobot_videos import (
    CAMERAS,
    JOINTS,
    LENGTHS,
    LOSS,
    TOP,
    WRIST,
    write_v2,
    write_v3,
    write_video,
)

from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError
from dbp_ros.settings.robot_files import read_robot

NO_IMAGES = Selection(images=())


@pytest.fixture(scope="module")
def v3(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v3")
    return folder, write_v3(folder)


@pytest.fixture
def damaged(tmp_path):
    write_v3(tmp_path)
    return tmp_path


def video_file(folder, camera=TOP, chunk=0):
    return folder / "videos" / camera / f"chunk-{chunk:03d}" / "file-000.mp4"


def change_feature(folder, key, **changes):
    path = folder / "meta" / "info.json"
    info = json.loads(path.read_text())
    info["features"][key] |= changes
    path.write_text(json.dumps(info))


def assert_equal(one, expected, cameras=tuple(CAMERAS)):
    np.testing.assert_array_equal(one.states, expected.states)
    np.testing.assert_array_equal(one.actions, expected.actions)
    assert one.images.keys() == set(cameras)
    for camera in cameras:
        assert one.images[camera].shape == expected.images[camera].shape
        difference = one.images[camera].astype(int) - expected.images[camera]
        assert np.abs(difference[:, -4:, :, :]).max() <= LOSS
        assert np.abs(difference[:, :4, :, 2]).max() <= 3 * LOSS


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_every_row_of_version_3_has_its_frame(tmp_path, codec):
    expected = write_v3(tmp_path, codec)
    episodes = open_episodes(tmp_path)
    for index, one in enumerate(expected):
        assert_equal(episodes.read(index), one)


@pytest.mark.parametrize("codec", ["h264", "av1"])
@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_every_row_of_version_2_has_its_frame(tmp_path, version, codec):
    expected = write_v2(tmp_path, version, codec)
    episodes = open_episodes(tmp_path)
    assert episodes.names == tuple(f"episode {index}" for index in range(len(LENGTHS)))
    for index, one in enumerate(expected):
        assert_equal(episodes.read(index), one)


@pytest.mark.parametrize("keyframe_every", [1, 7, 1000])
def test_frames_are_exact_whatever_the_distance_of_keyframes(tmp_path, keyframe_every):
    expected = write_v3(tmp_path, keyframe_every=keyframe_every)
    assert_equal(open_episodes(tmp_path).read(2), expected[2])
    assert_equal(open_episodes(tmp_path).read(1), expected[1])


def test_states_names_and_tasks_of_both_versions_are_equal(tmp_path, v3):
    write_v2(tmp_path)
    for index in range(len(LENGTHS)):
        new = open_episodes(v3[0], NO_IMAGES).read(index)
        old = open_episodes(tmp_path, NO_IMAGES).read(index)
        assert new.state_names == old.state_names == JOINTS
        assert new.task == old.task == ("lift", "stack")[index % 2]
        np.testing.assert_array_equal(new.states, old.states)
        np.testing.assert_array_equal(new.stamps_ns, old.stamps_ns)


@pytest.mark.parametrize("write", [write_v2, write_v3])
def test_a_task_without_text_in_its_episode_is_that_of_the_rows(tmp_path, write):
    write(tmp_path)
    if write is write_v2:
        path = tmp_path / "meta" / "episodes.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("\n".join(json.dumps({**line, "tasks": []}) for line in lines))
    else:
        path = records_file(tmp_path)
        parquet.write_table(parquet.read_table(path).drop_columns(["tasks"]), path)
    episodes = open_episodes(tmp_path, NO_IMAGES)
    assert [episodes.read(index).task for index in (0, 1)] == ["lift", "stack"]


def test_only_selected_cameras_are_decoded(damaged):
    video_file(damaged, WRIST).write_bytes(b"no video")
    expected = write_v3(damaged / "whole")
    one = open_episodes(damaged, Selection(images=(TOP,))).read(1)
    assert_equal(one, expected[1], (TOP,))
    with pytest.raises(EpisodeError, match=rf"episode 1: {WRIST}: .*cannot be decoded"):
        open_episodes(damaged, Selection(images=(WRIST,))).read(1)


def test_without_a_camera_no_video_is_needed(damaged, v3):
    for camera in CAMERAS:
        for chunk in (0, 1):
            video_file(damaged, camera, chunk).unlink()
    records = records_file(damaged)
    columns = [name for name in parquet.read_schema(records).names if "videos/" in name]
    parquet.write_table(parquet.read_table(records).drop_columns(columns), records)
    episodes = open_episodes(damaged, NO_IMAGES)
    np.testing.assert_array_equal(episodes.read(3).states, v3[1][3].states)
    assert len(episodes.sha256()) == 64


def test_the_hash_covers_the_videos_of_the_selected_cameras_only(damaged):
    selections = [NO_IMAGES, Selection(images=(TOP,)), Selection(images=(WRIST,)), Selection()]
    before = [open_episodes(damaged, selection).sha256() for selection in selections]
    assert len(set(before)) == 4
    path = video_file(damaged, TOP, 1)
    path.write_bytes(path.read_bytes() + b"\0")
    after = [open_episodes(damaged, selection).sha256() for selection in selections]
    assert [old == new for old, new in zip(before, after, strict=True)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_hash_without_its_video_is_an_error(damaged):
    episodes = open_episodes(damaged)
    video_file(damaged).unlink()
    with pytest.raises(EpisodeError, match=r"file-000\.mp4"):
        episodes.sha256()


def test_a_short_video_is_an_error_with_camera_episode_and_time(damaged, v3):
    images = [v3[1][index].images[WRIST] for index in (0, 1, 2)]
    write_video(video_file(damaged, WRIST), np.concatenate(images)[:-3], "h264")
    episodes = open_episodes(damaged)
    episodes.read(1)
    message = rf"episode 2: {WRIST}: .*no frame for step 47 at 1\.567 s of the episode \(4\.900 s"
    with pytest.raises(EpisodeError, match=message):
        episodes.read(2)


def test_a_frame_of_the_next_episode_is_never_taken(damaged):
    path = records_file(damaged)
    name = f"videos/{TOP}/to_timestamp"
    ends = parquet.read_table(path).column(name).to_pylist()
    change_column(path, name, [ends[0] - 2 / 30, *ends[1:]])
    message = rf"{TOP}: .*no frame for step 38 at 1\.267 s .*ends at 1\.267 s"
    with pytest.raises(EpisodeError, match=message):
        open_episodes(damaged).read(0)


def test_frames_of_earlier_episodes_are_not_decoded(damaged):
    # The frames of episode 0 are overwritten, the index at the end of the file is not.
    path = video_file(damaged)
    whole = bytearray(path.read_bytes())
    whole[100 : len(whole) // 5] = bytes(len(whole) // 5 - 100)
    path.write_bytes(whole)
    episodes = open_episodes(damaged, Selection(images=(TOP,)))
    with pytest.raises(EpisodeError, match=r"episode 0: .*cannot be decoded"):
        episodes.read(0)
    assert len(episodes.read(2)) == LENGTHS[2]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_video_is_an_error_with_its_camera(damaged, share):
    path = video_file(damaged)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EpisodeError, match=rf"episode 0: {TOP}: .*cannot be decoded"):
        open_episodes(damaged).read(0)


def test_a_missing_column_of_a_camera_is_an_error(damaged):
    path = records_file(damaged)
    parquet.write_table(parquet.read_table(path).drop_columns([f"videos/{TOP}/file_index"]), path)
    with pytest.raises(EpisodeError, match=f"has no column videos/{TOP}/file_index"):
        open_episodes(damaged)


@pytest.mark.parametrize(
    "mark",
    [
        {"info": {"is_depth_map": True}},
        {"info": {"video.is_depth_map": True}},
        {"video_info": {"video.is_depth_map": True}},
    ],
)
def test_a_depth_map_is_left_out_and_refused_when_selected(damaged, mark):
    change_feature(damaged, WRIST, **mark)
    assert open_episodes(damaged).read(0).images.keys() == {TOP}
    with pytest.raises(EpisodeError, match=rf"{WRIST} is a depth map, .*use some of {TOP}"):
        open_episodes(damaged, Selection(images=(WRIST,)))


def test_the_mapping_of_a_robot_names_joints_and_cameras(tmp_path):
    robot = read_robot("so101_dual")
    names = [robot.data.columns(joint)[0] for joint in robot.joints]
    expected = write_v3(tmp_path, joints=names)
    one = open_episodes(tmp_path, Selection(robot="so101_dual")).read(3)
    assert one.state_names == robot.joints
    np.testing.assert_allclose(one.states[:, 0], np.deg2rad(expected[3].states[:, 0]), rtol=1e-6)
    assert one.images.keys() == {"top_camera", "left_wrist_camera"}
    named = {"top_camera": TOP, "left_wrist_camera": WRIST}
    images = {named[camera]: pixels for camera, pixels in one.images.items()}
    assert_equal(replace(expected[3], images=images), expected[3])


def test_the_mapping_of_a_robot_accepts_the_keys_of_a_selection(tmp_path):
    robot = read_robot("so101_dual")
    names = [robot.data.columns(joint)[0] for joint in robot.joints]
    write_v3(tmp_path, joints=names)
    one = open_episodes(tmp_path, Selection(robot="so101_dual", images=(TOP,))).read(0)
    assert one.images.keys() == {"top_camera"}
