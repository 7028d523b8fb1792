"""Reading and rejecting data sets of LeRobot."""

import io
import json

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError

TOP = "observation.images.top"


def data_file(folder, index=0):
    return folder / "data" / "chunk-000" / f"file-{index:03d}.parquet"


def records_file(folder):
    return folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"


def change_column(path, name, values):
    table = parquet.read_table(path, partitioning=None)
    index = table.column_names.index(name)
    parquet.write_table(table.set_column(index, name, pyarrow.array(values)), path)


def drop_column(path, name):
    parquet.write_table(parquet.read_table(path, partitioning=None).drop_columns([name]), path)


def change_info(folder, **changes):
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_feature(folder, key, **changes):
    features = json.loads((folder / "meta" / "info.json").read_text())["features"]
    features[key] |= changes
    change_info(folder, features=features)


def test_each_episode_has_its_rows(lerobot_folder, demonstrations):
    episodes = open_episodes(lerobot_folder)
    assert episodes.names == ("episode 0", "episode 1", "episode 2")
    for index, expected in enumerate(demonstrations):
        one = episodes.read(index)
        np.testing.assert_array_equal(one.states, expected.state)
        np.testing.assert_array_equal(one.actions, expected.action)
        np.testing.assert_array_equal(one.rewards, expected.reward)
        np.testing.assert_array_equal(one.images[TOP], expected.image)
    assert one.task == "lift, stack"


def test_columns_have_the_names_of_the_joints(lerobot_folder):
    one = open_episodes(lerobot_folder).read(0)
    assert one.state_names == ("waist", "elbow", "wrist")
    assert one.action_names == ("waist", "elbow")


def test_equal_column_names_of_two_keys_are_prefixed(lerobot_folder):
    keys = ("observation.speed", "observation.state")
    one = open_episodes(lerobot_folder, Selection(state=keys)).read(1)
    assert one.state_names == tuple(f"{key}.{column}" for key in keys for column in range(3))
    np.testing.assert_array_equal(one.states[:, :3], 7 * one.states[:, 3:])


@pytest.mark.parametrize("names", [None, ["dim"], ["x", "x", "y"], {"axes": []}])
def test_columns_without_unique_names_are_numbered(lerobot_folder, names):
    change_feature(lerobot_folder, "observation.state", names=names)
    one = open_episodes(lerobot_folder).read(0)
    assert one.state_names == tuple(f"observation.state.{column}" for column in range(3))


@pytest.mark.parametrize("names", [[["x", "y", "z"]], {"arm": ["x", "y"], "hand": ["z"]}])
def test_names_can_be_in_groups(lerobot_folder, names):
    change_feature(lerobot_folder, "observation.state", names=names)
    assert open_episodes(lerobot_folder).read(0).state_names == ("x", "y", "z")


def test_names_can_be_indices_by_name(lerobot_folder):
    change_feature(lerobot_folder, "observation.state", names={"z": 2, "x": 0, "y": 1})
    assert open_episodes(lerobot_folder).read(0).state_names == ("x", "y", "z")


def test_the_timestamps_are_those_of_the_rows(lerobot_folder):
    change_column(data_file(lerobot_folder, 1), "timestamp", [0.0, 0.02, 0.05, 0.0625])
    one = open_episodes(lerobot_folder).read(2)
    assert one.step_s == 1 / 50
    np.testing.assert_allclose(one.stamps_ns, [0, 20e6, 50e6, 62.5e6], atol=1)


def test_rows_are_sorted_by_their_frame_index(lerobot_folder, demonstrations):
    path = data_file(lerobot_folder)
    table = parquet.read_table(path, partitioning=None)
    parquet.write_table(table.take(list(range(len(table)))[::-1]), path)
    one = open_episodes(lerobot_folder).read(1)
    np.testing.assert_array_equal(one.states, demonstrations[1].state)


def test_success_in_any_row_is_success(lerobot_folder):
    assert open_episodes(lerobot_folder).read(2).outcome == "success"
    change_column(data_file(lerobot_folder, 1), "next.success", [False] * 4)
    one = open_episodes(lerobot_folder).read(2)
    assert (one.outcome, one.termination_reason) == ("failure", "failure")


def test_a_set_without_rewards_success_and_tasks_is_read(lerobot_folder):
    features = json.loads((lerobot_folder / "meta" / "info.json").read_text())["features"]
    del features["next.reward"], features["next.success"]
    change_info(lerobot_folder, features=features)
    for index in (0, 1):
        drop_column(data_file(lerobot_folder, index), "next.reward")
        drop_column(data_file(lerobot_folder, index), "next.success")
    drop_column(records_file(lerobot_folder), "tasks")
    (lerobot_folder / "meta" / "tasks.parquet").unlink()
    one = open_episodes(lerobot_folder).read(0)
    assert not one.rewards.any()
    assert (one.outcome, one.termination_reason) == ("success", "operator")
    assert one.task == "unknown"


def test_a_scalar_per_row_is_one_column(lerobot_folder):
    change_column(data_file(lerobot_folder), "action", np.arange(8, dtype=np.float32))
    one = open_episodes(lerobot_folder).read(1)
    assert one.actions.tolist() == [[3], [4], [5], [6], [7]]


def test_a_depth_map_is_not_a_camera(lerobot_folder):
    change_feature(lerobot_folder, TOP, info={"is_depth_map": True})
    assert not open_episodes(lerobot_folder).read(0).images


def cells(*images):
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        encoded.append({"bytes": buffer.getvalue(), "path": None})
    return encoded


def test_an_image_can_be_a_separate_file(lerobot_folder, demonstrations):
    Image.fromarray(demonstrations[2].image[0]).save(lerobot_folder / "first.png")
    change_column(data_file(lerobot_folder, 1), TOP, [{"bytes": None, "path": "first.png"}] * 4)
    images = open_episodes(lerobot_folder).read(2).images[TOP]
    np.testing.assert_array_equal(images[3], demonstrations[2].image[0])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([{"bytes": b"no image", "path": None}], f"{TOP} at step 3 cannot be read"),
        ([{"bytes": None, "path": "gone.png"}], f"{TOP} at step 3 cannot be read"),
        (cells(np.zeros((6, 8), np.uint16)), f"{TOP} at step 3.*depth map"),
        (cells(np.zeros((5, 8, 3), np.uint8)), "same shape"),
    ],
)
def test_an_unreadable_image_is_an_error_with_its_step(lerobot_folder, bad, message):
    good = cells(*[np.zeros((6, 8, 3), np.uint8)] * 3)
    change_column(data_file(lerobot_folder, 1), TOP, [*good, *bad])
    with pytest.raises(EpisodeError, match=f"episode 2.*{message}"):
        open_episodes(lerobot_folder).read(2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_non_finite_number_is_an_error_with_episode_and_key(lerobot_folder, bad):
    values = [[0.0, 0.0]] * 5 + [[0.0, bad]] + [[0.0, 0.0]] * 2
    change_column(data_file(lerobot_folder), "action", values)
    open_episodes(lerobot_folder).read(0)
    with pytest.raises(EpisodeError, match="episode 1: action"):
        open_episodes(lerobot_folder).read(1)


def test_missing_rows_are_an_error(lerobot_folder):
    path = data_file(lerobot_folder)
    parquet.write_table(parquet.read_table(path, partitioning=None).slice(0, 6), path)
    with pytest.raises(EpisodeError, match=r"episode 1: .* has 3 rows of the episode, expected 5"):
        open_episodes(lerobot_folder).read(1)


def test_a_missing_column_is_an_error(lerobot_folder):
    drop_column(data_file(lerobot_folder), "next.reward")
    with pytest.raises(EpisodeError, match=r"episode 0: .* has no column next\.reward"):
        open_episodes(lerobot_folder).read(0)


def test_a_missing_column_in_the_list_of_episodes_is_an_error(lerobot_folder):
    drop_column(records_file(lerobot_folder), "data/file_index")
    with pytest.raises(EpisodeError, match="has no column data/file_index"):
        open_episodes(lerobot_folder)


def test_a_set_without_episodes_is_rejected(lerobot_folder):
    records = records_file(lerobot_folder)
    parquet.write_table(parquet.read_table(records, partitioning=None).slice(0, 0), records)
    with pytest.raises(EpisodeError, match="lists no episode"):
        open_episodes(lerobot_folder)


def test_an_older_version_is_rejected_with_the_fix(lerobot_folder):
    change_info(lerobot_folder, codebase_version="v1.6")
    with pytest.raises(EpisodeError, match=r"is v1\.6, expected v2\.0, v2\.1 or v3\.0: convert it"):
        open_episodes(lerobot_folder)


def test_measured_stamps_replace_the_nominal_timestamps(lerobot_folder):
    features = json.loads((lerobot_folder / "meta" / "info.json").read_text())["features"]
    change_info(lerobot_folder, features=features | {"stamp_ns": {"dtype": "int64", "shape": [1]}})
    measured = 1_700_000_000_000_000_001 + 20_000_003 * np.arange(4)
    path = data_file(lerobot_folder, 1)
    table = parquet.read_table(path, partitioning=None)
    parquet.write_table(table.append_column("stamp_ns", pyarrow.array(measured)), path)
    np.testing.assert_array_equal(open_episodes(lerobot_folder).read(2).stamps_ns, measured)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_an_error_with_its_episode(lerobot_folder, share):
    path = data_file(lerobot_folder, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EpisodeError, match="episode 2 cannot be read"):
        open_episodes(lerobot_folder).read(2)


def test_a_row_with_other_columns_is_an_error_with_its_step(lerobot_folder):
    table = parquet.read_table(data_file(lerobot_folder), partitioning=None)
    actions = table.column("action").to_pylist()
    for step, wrong in ((1, None), (2, [0.0])):
        changed = [*actions[:step], wrong, *actions[step + 1 :]]
        change_column(data_file(lerobot_folder), "action", changed)
        with pytest.raises(EpisodeError, match=f"action has . values at step {step}, expected 2"):
            open_episodes(lerobot_folder).read(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": "30"}, "fps is '30'"),
        ({"fps": None}, "fps is None"),
        ({"features": None}, "has no"),
    ],
)
def test_wrong_metadata_is_named(lerobot_folder, changes, message):
    change_info(lerobot_folder, **changes)
    with pytest.raises(EpisodeError, match=message):
        open_episodes(lerobot_folder)


def test_a_step_other_than_the_stored_one_is_an_error(lerobot_folder):
    with pytest.raises(EpisodeError, match=r"step_s is 3, and the data set stores a step of"):
        open_episodes(lerobot_folder, Selection(step_s=3.0))


@pytest.mark.parametrize("text", ["", "[]", '{"codebase_version": "v3.0", "fps": 0}'])
def test_invalid_metadata_is_an_error(lerobot_folder, text):
    (lerobot_folder / "meta" / "info.json").write_text(text)
    with pytest.raises(EpisodeError, match="lerobot"):
        open_episodes(lerobot_folder)
