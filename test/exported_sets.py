"""Sets of episodes in memory, to export."""

from dataclasses import dataclass, replace

import numpy as np

from dbp_ros.data.episode import Episode


@dataclass
class ListedEpisodes:
    """A set of given episodes; one of None raises KeyboardInterrupt."""

    episodes: list[Episode | None]
    origin: str = "memory"

    @property
    def names(self):
        return tuple(f"number {index}" for index in range(len(self.episodes)))

    def __len__(self):
        return len(self.episodes)

    def read(self, index):
        if self.episodes[index] is None:
            raise KeyboardInterrupt
        return self.episodes[index]

    unused = property(lambda self: {})

    def sha256(self):
        return ""


def episode(index: int, steps: int) -> Episode:
    """Return an episode with measured stamps, two cameras and a point cloud."""
    frames = np.arange(steps)
    levels = (20 + 40 * ((2 * frames + frames // 3 + index) % 6)).astype(np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (steps, 48, 64, 3))
    phases = 0.1 * frames[:, None] + index
    return Episode(
        task=("lift", "stack")[index % 2],
        seed=index,
        mode="left",
        outcome=("success", "failure")[index == 2],
        termination_reason=("success", "failure")[index == 2],
        state_names=("waist", "elbow", "gripper"),
        action_names=("waist", "elbow"),
        step_s=1 / 30,
        states=np.sin(phases + np.arange(3)).astype(np.float32),
        actions=np.cos(phases + np.arange(2)).astype(np.float32),
        rewards=((frames == steps - 1) & (index != 2)).astype(np.float32),
        stamps_ns=1_700_000_000_000_000_001 + 33_333_334 * frames + frames % 3,
        images={"head_camera": images.copy(), "/wrist/image_raw": 255 - images[:, :32]},
        points={"head_depth": np.cos(np.arange(steps * 15)).reshape(steps, 5, 3).astype("f4")},
    )


def episodes() -> ListedEpisodes:
    """Return a set of four episodes with two tasks, of which the third failed."""
    return ListedEpisodes([episode(index, steps) for index, steps in enumerate((40, 55, 30, 45))])


def without(listed: ListedEpisodes, **fields) -> ListedEpisodes:
    """Return a set whose episodes have other values in some fields."""
    return ListedEpisodes([replace(one, **fields) for one in listed.episodes if one is not None])
