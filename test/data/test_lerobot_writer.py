"""Exports to LeRobot v3.0, read back by this package and directly with pyarrow and PyAV."""

import io
import json
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from exported_sets import ListedEpisodes, episode, episodes, without
from PIL import Image

from dbp_ros.data.exports import LeRobotExport
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.lerobot.files import DataFiles, VideoFiles
from dbp_ros.data.lerobot.schema import number_rows, to_column
from dbp_ros.data.lerobot.video_encoding import CODECS, Encoding
from dbp_ros.data.lerobot.writer import write_lerobot
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError

HEAD, WRIST = "observation.images.head_camera", "observation.images.wrist_image_raw"
KEYS = {"head_camera": HEAD, "/wrist/image_raw": WRIST}
POINTS = "observation.points.head_depth"
PNG = LeRobotExport(images_as="png")
# Difference of a decoded from an original pixel; consecutive images differ by more.
LOSS = 12


@pytest.fixture(scope="module", params=["av1", "h264", "png"])
def exported(request, tmp_path_factory):
    config = PNG if request.param == "png" else LeRobotExport(codec=request.param)
    folder = tmp_path_factory.mktemp("out") / request.param
    write_lerobot(episodes(), folder, config, "two_arms")
    return folder


def info_of(folder):
    return json.loads((folder / "meta" / "info.json").read_text())


def records_of(folder):
    path = folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    return parquet.read_table(path, partitioning=None).to_pylist()


def rows_of(folder, record):
    """The rows of an episode by the published layout."""
    path = info_of(folder)["data_path"].format(
        chunk_index=record["data/chunk_index"], file_index=record["data/file_index"]
    )
    table = parquet.read_table(folder / path, partitioning=None)
    return table.slice(record["dataset_from_index"], record["length"])


def frames_of(folder, record, key):
    """The images of an episode by the published layout, decoded from the start of the file."""
    if info_of(folder)["features"][key]["dtype"] == "image":
        cells = rows_of(folder, record).column(key).to_pylist()
        return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in cells])
    column = f"videos/{key}"
    path = info_of(folder)["video_path"].format(
        video_key=key,
        chunk_index=record[f"{column}/chunk_index"],
        file_index=record[f"{column}/file_index"],
    )
    with av.open(str(folder / path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode()]
    start, end = record[f"{column}/from_timestamp"], record[f"{column}/to_timestamp"]
    return np.stack([pixels for time, pixels in frames if start - 1e-6 < time < end - 1e-6])


def assert_similar(images, expected, folder):
    assert images.shape == expected.shape
    loss = 0 if info_of(folder)["video_path"] is None else LOSS
    assert np.abs(images.astype(int) - expected).max() <= loss


def test_the_reader_of_this_package_finds_what_was_written(exported):
    found = open_episodes(exported, Selection(points=(POINTS,)))
    for index, expected in enumerate(episodes().episodes):
        one = found.read(index)
        for name in ("states", "actions", "rewards", "stamps_ns"):
            np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))
        for name in ("task", "outcome", "state_names", "action_names", "step_s"):
            assert getattr(one, name) == getattr(expected, name), name
        np.testing.assert_array_equal(one.points[POINTS], expected.points["head_depth"])
        for camera, key in KEYS.items():
            assert_similar(one.images[key], expected.images[camera], exported)


def test_an_independent_reader_finds_what_was_written(exported):
    for record, expected in zip(records_of(exported), episodes().episodes, strict=True):
        rows = rows_of(exported, record)
        assert set(rows.column("episode_index").to_pylist()) == {record["episode_index"]}
        assert rows.column("frame_index").to_pylist() == list(range(len(expected)))
        np.testing.assert_array_equal(
            np.stack(rows.column("observation.state").to_pylist()).astype(np.float32),
            expected.states,
        )
        np.testing.assert_array_equal(
            np.stack(rows.column("action").to_pylist()).astype(np.float32), expected.actions
        )
        for camera, key in KEYS.items():
            assert_similar(frames_of(exported, record, key), expected.images[camera], exported)


def test_the_nominal_timestamps_are_those_of_the_frames(exported):
    for record in records_of(exported):
        seconds = rows_of(exported, record).column("timestamp").to_numpy()
        nominal = np.arange(record["length"]) / info_of(exported)["fps"]
        np.testing.assert_array_equal(seconds, nominal.astype(np.float32))


def test_success_and_the_end_are_in_the_last_row(exported):
    for index, record in enumerate(records_of(exported)):
        rows = rows_of(exported, record)
        last = [False] * (record["length"] - 1) + [True]
        assert rows.column("next.done").to_pylist() == last
        assert any(rows.column("next.success").to_pylist()) == (index != 2)
        assert not any(rows.column("next.success").to_pylist()[:-1])


def test_the_metadata_count_episodes_rows_and_tasks(exported):
    info, records = info_of(exported), records_of(exported)
    assert info["codebase_version"] == "v3.0"
    assert info["robot_type"] == "two_arms"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (4, 170, 2)
    assert info["splits"] == {"train": "0:4"}
    assert info["fps"] == 30
    assert type(info["fps"]) is int
    assert info["features"]["observation.state"]["names"] == ["waist", "elbow", "gripper"]
    assert [record["tasks"] for record in records] == [["lift"], ["stack"]] * 2
    assert [record["dataset_from_index"] for record in records] == [0, 40, 95, 125]


def test_the_tasks_are_a_table_of_pandas_with_the_text_as_its_index(exported):
    table = parquet.read_table(exported / "meta" / "tasks.parquet")
    (index,) = json.loads(table.schema.metadata[b"pandas"])["index_columns"]
    assert table.column(index).to_pylist() == ["lift", "stack"]
    assert table.column("task_index").to_pylist() == [0, 1]
    for record in records_of(exported):
        (task,) = set(rows_of(exported, record).column("task_index").to_pylist())
        assert table.column(index).to_pylist()[task] == record["tasks"][0]


def test_the_features_describe_every_column_and_the_rows_have_their_types(exported):
    features, rows = info_of(exported)["features"], rows_of(exported, records_of(exported)[0])
    stored = {key for key, feature in features.items() if feature["dtype"] != "video"}
    assert set(rows.column_names) == stored
    assert features["stamp_ns"] == {"dtype": "int64", "shape": [1], "names": None}
    assert str(rows.schema.field("stamp_ns").type) == "int64"
    assert str(rows.schema.field("action").type).startswith("fixed_size_list<")
    assert features[WRIST]["shape"] == [32, 64, 3]


def test_the_statistics_are_those_of_all_rows_and_pixels(exported):
    statistics = json.loads((exported / "meta" / "stats.json").read_text())
    states = np.concatenate([one.states for one in episodes().episodes]).astype(np.float64)
    np.testing.assert_allclose(statistics["observation.state"]["mean"], states.mean(0))
    np.testing.assert_allclose(statistics["observation.state"]["std"], states.std(0))
    np.testing.assert_allclose(
        statistics["observation.state"]["q90"], np.quantile(states, 0.9, axis=0)
    )
    pixels = np.concatenate([one.images["head_camera"] for one in episodes().episodes]) / 255
    for name, value in (("mean", pixels.mean()), ("std", pixels.std()), ("max", pixels.max())):
        np.testing.assert_allclose(statistics[HEAD][name], np.full((3, 1, 1), value), atol=1e-6)
    assert statistics[HEAD]["count"] == [170]
    record = records_of(exported)[1]
    assert record["stats/observation.state/count"] == [55]
    assert statistics["stamp_ns"]["min"] == [1_700_000_000_000_000_001]


def test_the_progress_counts_the_episodes(tmp_path):
    written = []
    write_lerobot(episodes(), tmp_path / "out", PNG, report=written.append)
    assert written == [1, 2, 3, 4]


def test_an_interrupted_export_leaves_the_old_folder_and_no_other(tmp_path):
    write_lerobot(episodes(), tmp_path / "out", PNG)
    before = (tmp_path / "out" / "meta" / "info.json").read_bytes()
    broken = ListedEpisodes([*episodes().episodes[:2], None])
    with pytest.raises(KeyboardInterrupt):
        write_lerobot(broken, tmp_path / "out", LeRobotExport())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "meta" / "info.json").read_bytes() == before


def test_full_files_are_followed_by_new_ones(tmp_path):
    one = episode(0, 40)
    rows = {key: to_column(values) for key, values in number_rows(one, 0, 0, 0).items()}
    data = DataFiles(tmp_path, max_bytes=1)
    encoding = Encoding(CODECS["h264"], 23, Fraction(30))
    videos = VideoFiles(tmp_path, HEAD, encoding, max_bytes=0)
    table = pyarrow.table(rows)
    located = [data.add(table) | videos.add(one.images["head_camera"]) for _ in range(3)]
    assert [place["data/file_index"] for place in located] == [0, 1, 2]
    assert [place[f"videos/{HEAD}/file_index"] for place in located] == [0, 1, 2]
    assert [place[f"videos/{HEAD}/from_timestamp"] for place in located] == [0.0, 0.0, 0.0]
    assert len(list(tmp_path.rglob("*.mp4"))) == len(list(tmp_path.rglob("*.parquet"))) == 3


def test_a_set_without_states_and_cameras_is_written(tmp_path):
    bare = ListedEpisodes(
        [
            replace(one, state_names=(), images={}, points={}, states=one.states[:, :0])
            for one in episodes().episodes
        ]
    )
    write_lerobot(bare, tmp_path / "out", LeRobotExport())
    one = open_episodes(tmp_path / "out", Selection(state=())).read(3)
    np.testing.assert_array_equal(one.actions, bare.episodes[3].actions)
    assert info_of(tmp_path / "out")["video_path"] is None


@pytest.mark.parametrize(("step_s", "fps"), [(0.05, 20), (0.03125, 32), (1001 / 30000, 29.97003)])
def test_the_rate_is_whole_or_the_ratio_of_a_camera(tmp_path, step_s, fps):
    write_lerobot(without(episodes(), step_s=step_s, points={}), tmp_path / "out", LeRobotExport())
    assert info_of(tmp_path / "out")["fps"] == pytest.approx(fps)
    one = open_episodes(tmp_path / "out").read(2)
    assert one.step_s == pytest.approx(step_s)
    assert_similar(one.images[HEAD], episodes().episodes[2].images["head_camera"], tmp_path / "out")


def test_images_of_odd_size_need_av1_or_png(tmp_path):
    odd = ListedEpisodes(
        [
            replace(one, images={"head_camera": one.images["head_camera"][:, :45, :63]})
            for one in episodes().episodes
        ]
    )
    with pytest.raises(EpisodeError, match="memory, number 0: images of 63 x 45 pixels, but h264"):
        write_lerobot(odd, tmp_path / "out", LeRobotExport(codec="h264"))
    assert not list(tmp_path.iterdir())
    write_lerobot(odd, tmp_path / "out", LeRobotExport(codec="av1"))
    images = open_episodes(tmp_path / "out").read(1).images[HEAD]
    assert_similar(images, odd.episodes[1].images["head_camera"], tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action_names": ("elbow", "waist")}, "number 1 differs from .*number 0 in action"),
        ({"step_s": 1 / 20}, "number 1 differs from .*number 0 in step_s"),
        ({"images": {}}, "number 1 differs from .*number 0 in cameras"),
    ],
)
def test_an_episode_unlike_the_first_is_an_error(tmp_path, changes, message):
    first, second, *_ = episodes().episodes
    with pytest.raises(EpisodeError, match=f"memory, {message}"):
        write_lerobot(ListedEpisodes([first, replace(second, **changes)]), tmp_path / "out", PNG)
    assert not list(tmp_path.iterdir())


def test_cameras_whose_names_become_one_key_are_an_error(tmp_path):
    images = episode(0, 40).images["head_camera"]
    twice = replace(episode(0, 40), images={"/a/b": images, "a_b": images})
    with pytest.raises(EpisodeError, match=r"two names become the key observation\.images\.a_b"):
        write_lerobot(ListedEpisodes([twice]), tmp_path / "out", PNG)


def test_a_set_without_episodes_is_an_error(tmp_path):
    with pytest.raises(EpisodeError, match="memory has no episode"):
        write_lerobot(ListedEpisodes([]), tmp_path / "out", PNG)


def test_interventions_are_written_and_read_next_to_demonstrations(tmp_path):
    listed = episodes().episodes[:2]
    flags = np.arange(len(listed[1])) % 4 == 0
    listed[1] = replace(listed[1], interventions=flags)
    path = tmp_path / "set"
    write_lerobot(ListedEpisodes(listed), path, PNG)
    found = open_episodes(path)
    assert found.read(0).interventions is None
    np.testing.assert_array_equal(found.read(1).interventions, flags)
    assert "intervention" not in " ".join(found.unused)
    record = records_of(path)[0]
    assert rows_of(path, record).column("intervention").to_pylist() == [True] * record["length"]
    assert info_of(path)["features"]["intervention"]["dtype"] == "bool"
