"""LeRobot data sets with cameras as video, written by PyAV and pyarrow to the published layout."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pyarrow
import pyarrow.parquet as parquet

FPS = 30
LENGTHS = (40, 60, 50, 45)
# Episodes in each file of version 3.
FILES = ((0, 1, 2), (3,))
TOP, WRIST = "observation.images.top", "observation.images.left_wrist"
CAMERAS = {TOP: (48, 64), WRIST: (36, 50)}
JOINTS = ("waist_joint", "elbow_joint", "wrist_joint")
# Difference of a decoded from an encoded pixel; consecutive frames differ by more.
LOSS = 15
CODECS = {"av1": "libsvtav1", "h264": "libx264"}


@dataclass(frozen=True)
class VideoEpisode:
    """Numbers of one episode, a column for each joint, and its images."""

    states: np.ndarray
    actions: np.ndarray
    images: dict[str, np.ndarray]


def video_episode(index: int, joints: Sequence[str] = JOINTS) -> VideoEpisode:
    """Return sinusoidal states, and images whose grey level encodes episode and step."""
    steps = np.arange(LENGTHS[index])
    phases = 0.1 * steps[:, None] + index + np.arange(len(joints))
    images = {}
    for number, (camera, (height, width)) in enumerate(CAMERAS.items()):
        # A step changes the level by 40 or 80, so that no other frame is within the loss.
        levels = (20 + 40 * ((2 * steps + steps // 3 + index + number) % 6)).astype(np.uint8)
        images[camera] = np.broadcast_to(
            levels[:, None, None, None], (len(steps), height, width, 3)
        ).copy()
        images[camera][:, : height // 2, :, 2] = 128
    states = np.sin(phases).astype(np.float32)
    return VideoEpisode(states, np.cos(phases).astype(np.float32), images)


def write_video(path: Path, images: np.ndarray, codec: str, keyframe_every: int = 20) -> None:
    """Write images of shape (frames, height, width, 3) as mp4."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"g": str(keyframe_every), "crf": "20"}
    if codec == "av1":
        options |= {"preset": "12", "svtav1-params": "lp=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[codec], rate=FPS, options=options)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for pixels in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def rows_of(index: int, one: VideoEpisode) -> pyarrow.Table:
    steps = len(one.states)
    vector = pyarrow.list_(pyarrow.float32(), one.states.shape[1])
    return pyarrow.table(
        {
            "observation.state": pyarrow.array(one.states.tolist(), vector),
            "action": pyarrow.array(one.actions.tolist(), vector),
            "timestamp": (np.arange(steps) / FPS).astype(np.float32),
            "frame_index": np.arange(steps),
            "episode_index": np.full(steps, index),
            "index": np.arange(steps) + sum(LENGTHS[:index]),
            "task_index": np.full(steps, index % 2),
        }
    )


def info_of(version: str, codec: str, joints: Sequence[str] = JOINTS) -> dict:
    vector = {"dtype": "float32", "shape": [len(joints)], "names": list(joints)}
    indices = ("frame_index", "episode_index", "index", "task_index")
    video = {"video.fps": FPS, "video.codec": codec, "video.is_depth_map": False}
    return {
        "codebase_version": version,
        "fps": FPS,
        "chunks_size": 1000,
        "features": {
            "observation.state": vector,
            "action": vector,
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
            **{key: {"dtype": "int64", "shape": [1], "names": None} for key in indices},
            **{
                key: {
                    "dtype": "video",
                    "shape": [*shape, 3],
                    "names": ["height", "width", "channels"],
                    "info": video,
                }
                for key, shape in CAMERAS.items()
            },
        },
    }


def write_info(folder: Path, info: dict) -> None:
    path = folder / "meta" / "info.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(info))


def write_v3(
    folder: Path,
    codec: str = "h264",
    keyframe_every: int = 20,
    joints: Sequence[str] = JOINTS,
) -> list[VideoEpisode]:
    """Write a set of version 3 with several episodes in a file, and return its episodes."""
    episodes = [video_episode(index, joints) for index in range(len(LENGTHS))]
    paths = {
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    write_info(folder, info_of("v3.0", codec, joints) | paths)
    records = []
    for number, members in enumerate(FILES):
        # The second file begins the second chunk.
        place = f"chunk-{number:03d}/file-000"
        data = folder / "data" / f"{place}.parquet"
        data.parent.mkdir(parents=True)
        rows = [rows_of(index, episodes[index]) for index in members]
        parquet.write_table(pyarrow.concat_tables(rows), data)
        for camera in CAMERAS:
            images = np.concatenate([episodes[index].images[camera] for index in members])
            write_video(folder / "videos" / camera / f"{place}.mp4", images, codec, keyframe_every)
        for index in members:
            first = sum(LENGTHS[other] for other in members if other < index)
            video = (number, 0, first / FPS, (first + LENGTHS[index]) / FPS)
            columns = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
            records.append(
                {
                    "episode_index": index,
                    "length": LENGTHS[index],
                    "tasks": [("lift", "stack")[index % 2]],
                    "data/chunk_index": number,
                    "data/file_index": 0,
                }
                | {
                    f"videos/{camera}/{column}": value
                    for camera in CAMERAS
                    for column, value in zip(columns, video, strict=True)
                }
            )
    path = folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(records), path)
    tasks = pyarrow.table({"task_index": [0, 1], "__index_level_0__": ["lift", "stack"]})
    parquet.write_table(tasks, folder / "meta" / "tasks.parquet")
    return episodes


def write_v2(folder: Path, version: str = "v2.1", codec: str = "h264") -> list[VideoEpisode]:
    """Write a set of version 2 with two episodes in a chunk, and return its episodes."""
    episodes = [video_episode(index) for index in range(len(LENGTHS))]
    paths = {
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": (
            "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
        ),
    }
    write_info(folder, info_of(version, codec) | paths | {"chunks_size": 2})
    for index, one in enumerate(episodes):
        chunk, name = f"chunk-{index // 2:03d}", f"episode_{index:06d}"
        data = folder / "data" / chunk / f"{name}.parquet"
        data.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(rows_of(index, one), data)
        for camera, images in one.images.items():
            write_video(folder / "videos" / chunk / camera / f"{name}.mp4", images, codec)
    records = [
        {"episode_index": index, "length": LENGTHS[index], "tasks": [("lift", "stack")[index % 2]]}
        for index in range(len(LENGTHS))
    ]
    tasks = [{"task_index": 0, "task": "lift"}, {"task_index": 1, "task": "stack"}]
    for name, lines in (("episodes", records), ("tasks", tasks)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "meta" / f"{name}.jsonl").write_text(text)
    return episodes
