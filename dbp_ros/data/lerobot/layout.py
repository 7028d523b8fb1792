"""Published layout of LeRobot data sets: names of features, paths of files.

Source: src/lerobot/datasets of github.com/huggingface/lerobot.
"""

STATE = "observation.state"
ACTION = "action"
IMAGES = "observation.images."
REWARD = "next.reward"
SUCCESS = "next.success"
DONE = "next.done"
SECONDS = "timestamp"
FRAME = "frame_index"
EPISODE = "episode_index"
ROW = "index"
TASK = "task_index"
# Features that locate a row in the data set.
INDICES = (FRAME, EPISODE, ROW, TASK)
# Written by this package: measured time in [ns], next to the nominal `timestamp`.
STAMP_NS = "stamp_ns"
# Written by this package: whether a human, not a policy, drove; true in all of a demonstration.
INTERVENTION = "intervention"

INFO_PATH = "meta/info.json"
STATISTICS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
_CHUNK_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"meta/episodes/{_CHUNK_FILE}.parquet"
DATA_PATH = f"data/{_CHUNK_FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{_CHUNK_FILE}.mp4"
FILES_PER_CHUNK = 1000
# Sizes after which a new file begins.
DATA_BYTES = 100 << 20
VIDEO_BYTES = 200 << 20

# Version 2.
V2_EPISODES_PATH = "meta/episodes.jsonl"
V2_TASKS_PATH = "meta/tasks.jsonl"
V2_DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
