"""A small data set of each format, written with the format's own library."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import zarr
from foreign_bags import Robot, write_bag
from own_bags import write_own_bag
from PIL import Image
from recorded_bag import record_bag
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.episode import Episode, episode_path, write_episode
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.policy.model import Model

LENGTHS = (3, 5, 4)


@dataclass(frozen=True)
class Demonstration:
    """Rows of one episode, equal in every format; each value encodes its episode and step."""

    state: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    image: np.ndarray


def demonstration(index: int, steps: int) -> Demonstration:
    rows = 100 * index + np.arange(steps, dtype=np.float32)
    image = np.zeros((steps, 6, 8, 3), np.uint8)
    image[..., 0], image[..., 1] = index, np.arange(steps)[:, None, None]
    return Demonstration(
        state=np.stack([rows, -rows, 2 * rows], axis=1),
        action=np.stack([rows + 0.25, rows + 0.5], axis=1),
        reward=(np.arange(steps) == steps - 1).astype(np.float32),
        image=image,
    )


@pytest.fixture
def demonstrations():
    return [demonstration(index, steps) for index, steps in enumerate(LENGTHS)]


@pytest.fixture
def episode():
    rng = np.random.default_rng(0)
    return Episode(
        task="lift",
        seed=3,
        mode="left",
        outcome="success",
        termination_reason="success",
        state_names=("a", "b", "c"),
        action_names=("a", "b"),
        step_s=1 / 30,
        states=rng.random((5, 3), np.float32),
        actions=rng.random((5, 2), np.float32),
        rewards=np.zeros(5, np.float32),
        stamps_ns=np.arange(5),
        images={"head_camera": rng.integers(0, 255, (5, 4, 6, 3), np.uint8)},
        points={"head_depth": rng.random((5, 7, 6), np.float32)},
    )


@pytest.fixture
def recordings(tmp_path, episode):
    folder = tmp_path / "recordings"
    for index in range(3):
        write_episode(episode_path(folder, index), episode)
    return folder


@pytest.fixture
def robomimic_file(tmp_path, demonstrations):
    """Return a file with demonstrations written in the order 2, 10, 9."""
    path = tmp_path / "demo.hdf5"
    arguments = {"control_freq": 25, "reward_shaping": False}
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(
            {"env_name": "Lift", "type": 1, "env_kwargs": arguments}
        )
        for number, one in zip((2, 10, 9), demonstrations, strict=True):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = len(one.state)
            demo["obs/robot0_gripper_qpos"] = one.state[:, 2:]
            demo["obs/robot0_eef_pos"] = one.state[:, :2]
            demo["obs/robot0_joint_vel"] = 7 * one.state
            demo["obs/agentview_image"] = one.image
            demo["obs/agentview_depth"] = one.image[..., :1]
            demo["actions"] = one.action
            demo["rewards"] = one.reward
            demo["dones"] = one.reward.astype(np.int64)
        file["mask/train"] = np.array([b"demo_2"])
    return path


def write_replay_buffer(store, demonstrations, zarr_format=2):
    root = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    data, meta = root.create_group("data"), root.create_group("meta")
    cloud = np.tile(np.arange(6, dtype=np.float32), (sum(LENGTHS), 5, 1))
    arrays = {
        "state": np.concatenate([one.state for one in demonstrations]),
        "action": np.concatenate([one.action for one in demonstrations]),
        "img": np.concatenate([one.image for one in demonstrations]).astype(np.float32) + 10,
        "keypoint": np.arange(sum(LENGTHS) * 4, dtype=np.float32).reshape(-1, 2, 2),
        "point_cloud": cloud,
    }
    for key, values in arrays.items():
        data.create_array(key, data=values, chunks=(4, *values.shape[1:]))
    meta.create_array("episode_ends", data=np.cumsum(LENGTHS))


@pytest.fixture
def replay_buffer(tmp_path, demonstrations):
    path = tmp_path / "pusht.zarr"
    write_replay_buffer(str(path), demonstrations)
    return path


@pytest.fixture
def zipped_replay_buffer(tmp_path, demonstrations):
    path = tmp_path / "pusht.zarr.zip"
    store = zarr.storage.ZipStore(str(path), mode="w")
    write_replay_buffer(store, demonstrations)
    store.close()
    return path


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def lerobot_rows(index: int, one: Demonstration) -> pyarrow.Table:
    steps = len(one.state)
    seconds = (np.arange(steps) / 50).astype(np.float32)
    return pyarrow.table(
        {
            "observation.state": pyarrow.array(
                one.state.tolist(), pyarrow.list_(pyarrow.float32(), 3)
            ),
            "action": pyarrow.array(one.action.tolist(), pyarrow.list_(pyarrow.float32(), 2)),
            "observation.speed": pyarrow.array(
                (7 * one.state).tolist(), pyarrow.list_(pyarrow.float32())
            ),
            "observation.images.top": [
                {"bytes": png(pixels), "path": f"frame-{step:06d}.png"}
                for step, pixels in enumerate(one.image)
            ],
            "timestamp": seconds,
            "frame_index": np.arange(steps),
            "episode_index": np.full(steps, index),
            "index": np.arange(steps),
            "task_index": np.zeros(steps, np.int64),
            "next.reward": one.reward,
            "next.success": one.reward > 0,
        }
    )


def lerobot_info() -> dict:
    joints = ["waist", "elbow", "wrist"]
    number = {"dtype": "float32", "shape": [1], "names": None}
    return {
        "codebase_version": "v3.0",
        "fps": 50,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "features": {
            "observation.state": {"dtype": "float32", "shape": [3], "names": {"motors": joints}},
            "observation.speed": {"dtype": "float32", "shape": [3], "names": joints},
            "action": {"dtype": "float32", "shape": [2], "names": joints[:2]},
            "observation.images.top": {
                "dtype": "image",
                "shape": [6, 8, 3],
                "names": ["height", "width", "channel"],
            },
            **dict.fromkeys(("timestamp", "frame_index", "episode_index", "index"), number),
            "task_index": number,
            "next.reward": number,
            "next.success": {"dtype": "bool", "shape": [1], "names": None},
        },
    }


def write_info(folder: Path, info: dict) -> None:
    path = folder / "meta" / "info.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(info))


@pytest.fixture
def lerobot_folder(tmp_path, demonstrations):
    """Return a folder with episodes 0 and 1 in the first file, 2 in the second."""
    folder = tmp_path / "lerobot"
    write_info(folder, lerobot_info())
    tables = [lerobot_rows(index, one) for index, one in enumerate(demonstrations)]
    chunk = folder / "data" / "chunk-000"
    chunk.mkdir(parents=True)
    parquet.write_table(pyarrow.concat_tables(tables[:2]), chunk / "file-000.parquet")
    parquet.write_table(tables[2], chunk / "file-001.parquet")
    episodes = folder / "meta" / "episodes" / "chunk-000"
    episodes.mkdir(parents=True)
    starts = np.cumsum((0, *LENGTHS[:-1]))
    records = pyarrow.table(
        {
            "episode_index": [0, 1, 2],
            "length": LENGTHS,
            "tasks": [["lift"], ["lift"], ["lift", "stack"]],
            "data/chunk_index": [0, 0, 0],
            "data/file_index": [0, 0, 1],
            "dataset_from_index": starts,
            "dataset_to_index": starts + LENGTHS,
            "stats/action/mean": [[0.0, 0.0]] * 3,
        }
    )
    parquet.write_table(records, episodes / "file-000.parquet")
    tasks = pyarrow.table({"task_index": [0, 1], "task": ["lift", "stack"]})
    parquet.write_table(tasks, folder / "meta" / "tasks.parquet")
    return folder


@pytest.fixture
def bag_folder(tmp_path):
    """Return a folder with three recordings of rosbag2."""
    for name in "abc":
        write_bag(tmp_path / "bags" / name, Robot(steps=20).messages())
    return tmp_path / "bags"


@pytest.fixture
def policy_bag_folder(tmp_path):
    """Return a folder with three episodes of an exploring policy."""
    model = Model(read_bundle(write_toy_bundle(tmp_path / "toy", log_std=-3.0)))
    bag = record_bag(model, 40, (8, 12), n_action_steps=3)
    for number in (1, 2, 3):
        write_own_bag(bag_path(tmp_path / "episodes", number), bag)
    return tmp_path / "episodes"
