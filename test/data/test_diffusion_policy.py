"""Reading and rejecting replay buffers of Diffusion Policy."""

import json
import sys
import zipfile
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
import zarr
from imagecodecs.numcodecs import Jpegxl

from dbp_ros.data.formats import describe_choices, open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError


@pytest.fixture(params=("replay_buffer", "zipped_replay_buffer"))
def path(request):
    return request.getfixturevalue(request.param)


def test_each_episode_has_the_rows_up_to_its_end(path, demonstrations):
    episodes = open_episodes(path)
    for index, expected in enumerate(demonstrations):
        one = episodes.read(index)
        np.testing.assert_array_equal(one.states, expected.state)
        np.testing.assert_array_equal(one.actions, expected.action)
        np.testing.assert_array_equal(one.images["img"], expected.image + 10)
    assert one.state_names == ("state.0", "state.1", "state.2")
    assert one.task == "pusht"


def test_values_missing_in_the_format_have_defaults(path):
    one = open_episodes(path).read(1)
    assert one.step_s == 0.1
    assert one.stamps_ns.tolist() == [step * 100_000_000 for step in range(5)]
    assert not one.rewards.any()
    assert (one.outcome, one.termination_reason) == ("success", "operator")
    assert open_episodes(path, Selection(step_s=0.05)).read(1).step_s == 0.05


def test_the_assumed_rate_is_a_choice_of_the_reader(path):
    (choice,) = describe_choices(path)
    assert choice.startswith("rate: 10 Hz is assumed")
    assert describe_choices(path, Selection(step_s=0.05)) == ()


def test_zarr_version_3_is_read(replay_buffer):
    # A version 2 store is hidden files only; the other has zarr.json.
    assert not list(replay_buffer.rglob("zarr.json"))
    root = zarr.open_group(str(replay_buffer.with_name("new.zarr")), mode="w", zarr_format=3)
    root.create_array("data/state", data=np.ones((4, 2)))
    root.create_array("data/action", data=np.ones((4, 1)))
    root.create_array("meta/episode_ends", data=np.array([4]))
    assert len(open_episodes(replay_buffer.with_name("new.zarr")).read(0)) == 4


def test_keypoints_become_columns(path):
    one = open_episodes(path, Selection(state=("keypoint", "state"))).read(1)
    assert one.state_names[:5] == (*(f"keypoint.{column}" for column in range(4)), "state.0")
    assert one.states[0, :4].tolist() == [12, 13, 14, 15]


def test_colours_of_a_cloud_are_scaled_to_1(path):
    cloud = open_episodes(path).read(0).points["point_cloud"]
    assert cloud.shape == (3, 5, 6)
    assert cloud[0, 0, :3].tolist() == [0, 1, 2]
    np.testing.assert_allclose(cloud[0, 0, 3:], np.array([3, 4, 5]) / 255, rtol=1e-6)


def add(path, key, values):
    group = zarr.open_group(str(path), mode="r+")
    if key in group:
        del group[key]
    group.create_array(key, data=values)


def test_timestamps_are_read(replay_buffer):
    seconds = 1.7e9 + np.linspace(0, 2, 12) ** 2
    add(replay_buffer, "data/timestamp", seconds)
    episodes = open_episodes(replay_buffer)
    one = episodes.read(1)
    # Each episode has the step of its own rows, so that unequal rates are found.
    for index, rows in enumerate((seconds[:3], seconds[3:8])):
        assert episodes.read(index).step_s == pytest.approx(np.median(np.diff(rows)), rel=1e-4)
    np.testing.assert_allclose(one.stamps_ns / 1e9, seconds[3:8], rtol=0, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_timestamps_that_do_not_increase_are_an_error(replay_buffer, bad):
    seconds = np.arange(12.0)
    seconds[5] = bad
    add(replay_buffer, "data/timestamp", seconds)
    open_episodes(replay_buffer).read(0)
    with pytest.raises(EpisodeError, match="episode 1: timestamp"):
        open_episodes(replay_buffer).read(1)


def test_a_non_finite_number_is_an_error_with_episode_key_and_step(replay_buffer):
    state = np.zeros((12, 3))
    state[4, 2] = np.nan
    add(replay_buffer, "data/state", state)
    with pytest.raises(EpisodeError, match="episode 1: state is not finite at step 1"):
        open_episodes(replay_buffer).read(1)


@pytest.mark.parametrize("scale", [1 / 200, 2.0, -1.0, np.nan])
def test_images_of_another_range_are_an_error(replay_buffer, scale):
    add(replay_buffer, "data/img", np.full((12, 6, 8, 3), 200.0 * scale, np.float32))
    with pytest.raises(EpisodeError, match=r"episode 0: img runs from .* from 0 to 255"):
        open_episodes(replay_buffer).read(0)


def test_fractions_of_white_are_scaled(replay_buffer):
    add(replay_buffer, "data/img", np.full((12, 6, 8, 3), 51 / 255, np.float32))
    assert (open_episodes(replay_buffer).read(0).images["img"] == 51).all()


def test_channel_first_images_are_read(replay_buffer):
    colours = np.arange(3, dtype=np.uint8)[:, None, None]
    add(replay_buffer, "data/img", np.broadcast_to(colours, (12, 3, 8, 10)).copy())
    images = open_episodes(replay_buffer).read(0).images["img"]
    assert images.shape[1:] == (8, 10, 3)
    assert images[0, 0, 0].tolist() == [0, 1, 2]


def test_plural_keys_are_the_default_and_no_store_of_umi(replay_buffer):
    group = zarr.open_group(str(replay_buffer), mode="r+")
    for key in ("state", "action"):
        add(replay_buffer, f"data/{key}s", group[f"data/{key}"][:])
        del group[f"data/{key}"]
    one = open_episodes(replay_buffer).read(0)
    assert (one.state_names[0], one.action_names[0]) == ("states.0", "actions.0")
    del group["data/actions"]
    with pytest.raises(EpisodeError, match="no key 'action' for action") as raised:
        open_episodes(replay_buffer)
    assert "UMI" not in str(raised.value)


def test_a_short_array_is_an_error(replay_buffer):
    add(replay_buffer, "data/action", np.zeros((10, 2)))
    open_episodes(replay_buffer).read(1)
    with pytest.raises(EpisodeError, match="episode 2: action has 10 rows, expected at least 12"):
        open_episodes(replay_buffer).read(2)


@pytest.mark.parametrize("ends", [[], [3, 3, 12], [0, 12], [8, 3]])
def test_episode_ends_that_do_not_increase_are_rejected(replay_buffer, ends):
    add(replay_buffer, "meta/episode_ends", np.array(ends, np.int64))
    with pytest.raises(EpisodeError, match=r"pusht\.zarr: meta/episode_ends"):
        open_episodes(replay_buffer)


def test_a_missing_state_is_an_error_that_lists_the_available_keys(replay_buffer):
    group = zarr.open_group(str(replay_buffer), mode="r+")
    del group["data/state"]
    with pytest.raises(EpisodeError, match="no key 'state' for state: use one of action, img"):
        open_episodes(replay_buffer)
    assert len(open_episodes(replay_buffer, Selection(state=("keypoint",)))) == 3


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_zip_is_an_error(zipped_replay_buffer, share):
    whole = zipped_replay_buffer.read_bytes()
    zipped_replay_buffer.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EpisodeError, match="cannot be read"):
        open_episodes(zipped_replay_buffer)


def test_a_truncated_chunk_is_an_error_with_its_episode(replay_buffer):
    chunk = replay_buffer / "data" / "state" / "0.0"
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(EpisodeError, match="episode 0 cannot be read"):
        open_episodes(replay_buffer).read(0)


def test_invalid_metadata_is_an_error(replay_buffer):
    (replay_buffer / "data" / "state" / ".zarray").write_text(json.dumps({"shape": "?"})[:5])
    with pytest.raises(EpisodeError, match=r"pusht\.zarr"):
        open_episodes(replay_buffer).read(0)


def zipped(folder: Path, path: Path, above: str) -> Path:
    """Return a zip file with the files of a folder below another folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{above}{file.relative_to(folder)}")
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_may_be_in_a_folder_of_a_folder_or_of_a_zip(tmp_path, zarr_format):
    store = tmp_path / "outer" / "pusht.zarr"
    root = zarr.open_group(str(store), mode="w", zarr_format=zarr_format)
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    for key in ("state", "action"):
        root.create_array(f"data/{key}", data=rows)
    root.create_array("meta/episode_ends", data=np.array([1, 4]))
    archive = zipped(store, tmp_path / "download.zip", "pusht/replay.zarr/")
    for path in (store.parent, archive):
        np.testing.assert_array_equal(open_episodes(path).read(1).states, rows[1:])


def test_a_zip_without_a_store_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("one.txt", "one")
    with pytest.raises(EpisodeError, match=r"photos\.zip: has no meta/episode_ends"):
        open_episodes(tmp_path / "photos.zip")


@pytest.fixture
def umi_store(tmp_path):
    """Return a store with the arrays of UMI: poses, widths, JPEG XL images, and no action."""
    path = tmp_path / "dataset.zarr.zip"
    store = zarr.storage.ZipStore(str(path), mode="w")
    root = zarr.open_group(store, mode="w", zarr_format=2)
    wave = np.sin(np.linspace(0, 6, 12, dtype=np.float32))[:, None]
    for key, width in (
        *(("robot0_eef_pos", 3), ("robot0_eef_rot_axis_angle", 3), ("robot0_gripper_width", 1)),
        *(("robot0_demo_start_pose", 6), ("robot0_demo_end_pose", 6)),
    ):
        root.create_array(f"data/{key}", data=np.tile(wave, width))
    images = np.arange(12 * 8 * 8 * 3).reshape(12, 8, 8, 3).astype(np.uint8)
    root.create_array(
        "data/camera0_rgb",
        data=images,
        chunks=(1, 8, 8, 3),
        compressors=Jpegxl(level=99, numthreads=1),
    )
    root.create_array("meta/episode_ends", data=np.array([5, 12]))
    store.close()
    return path


def test_a_store_of_umi_needs_an_action_and_a_rate(umi_store):
    with pytest.raises(EpisodeError) as error:
        open_episodes(umi_store)
    keys = ("robot0_eef_pos", "robot0_eef_rot_axis_angle", "robot0_gripper_width")
    advice = f"--action {'+'.join(keys)} --state {' '.join(keys)}"
    assert str(error.value).endswith(advice)
    chosen = Selection(action="+".join(keys), state=keys)
    with pytest.raises(EpisodeError, match=r"neither a rate nor timestamps: give .* --step-s"):
        open_episodes(umi_store, chosen)


def test_poses_and_jpeg_xl_images_of_umi_are_read(umi_store):
    keys = ("robot0_eef_pos", "robot0_gripper_width")
    chosen = Selection(action="+".join(keys), state=keys, step_s=1 / 60)
    episodes = open_episodes(umi_store, chosen)
    one = episodes.read(1)
    assert one.action_names == (*(f"robot0_eef_pos.{i}" for i in range(3)), f"{keys[1]}.0")
    np.testing.assert_array_equal(one.actions, one.states)
    pixels = np.arange(12 * 8 * 8 * 3).reshape(12, 8, 8, 3).astype(np.uint8)
    np.testing.assert_array_equal(one.images["camera0_rgb"], pixels[5:])
    assert episodes.unused == {
        "robot0_demo_end_pose": (6,),
        "robot0_demo_start_pose": (6,),
        "robot0_eef_rot_axis_angle": (3,),
    }


def test_a_missing_codec_is_an_error_that_names_its_package(umi_store):
    # A new process, in which the library cannot be imported.
    script = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from pathlib import Path\n"
        "from dbp_ros.data.formats import describe_choices, open_episodes\n"
        "from dbp_ros.errors import EpisodeError\n"
        "try:\n    open_episodes(Path(sys.argv[1]))\n"
        "except EpisodeError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(umi_store)]
    done = run(command, capture_output=True, text=True, check=True)
    assert "its arrays need the codec imagecodecs_jpegxl of imagecodecs; " in done.stdout
    assert "pip install" in done.stdout
    assert done.stdout.count("\n") == 1


def test_an_unknown_key_among_those_of_an_action_is_an_error(replay_buffer):
    with pytest.raises(EpisodeError, match="no key 'torque' for action"):
        open_episodes(replay_buffer, Selection(action="action+torque"))
