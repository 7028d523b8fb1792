"""Contact sheets of episodes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_episodes import episode

from dbp_ros.data.episode import Episode
from dbp_ros.data.units import BY_NAME
from dbp_ros.evaluation.contact_sheet import SheetTitle, image_rows, write_contact_sheet

TITLE = SheetTitle("episode_000000.npz", "data/toy")


def timed(steps: int = 40) -> Episode:
    return episode(0, steps, step_s=0.1, stamps_ns=100_000_000 * np.arange(steps))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_images_are_the_first_the_last_and_evenly_spaced() -> None:
    assert image_rows(71, 8) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert image_rows(3, 8) == [0, 1, 2]
    assert image_rows(1, 8) == [0]


def test_each_camera_adds_a_row_of_images(tmp_path: Path) -> None:
    one = timed()
    heights = []
    for count in range(3):
        cameras = dict(list(one.images.items())[:count])
        write_contact_sheet(tmp_path / f"{count}.png", TITLE, replace(one, images=cameras), BY_NAME)
        heights.append(len(pixels(tmp_path / f"{count}.png")))
    added = heights[1] - heights[0], heights[2] - heights[1]
    assert added[0] == pytest.approx(added[1], abs=2)
    assert added[0] > 100


def test_an_intervention_changes_the_background_of_the_plots(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "a.png", TITLE, timed(), BY_NAME)
    before = pixels(tmp_path / "a.png")
    one = timed()
    flags = np.arange(len(one)) % 20 < 5
    write_contact_sheet(tmp_path / "b.png", TITLE, replace(one, interventions=flags), BY_NAME)
    after = pixels(tmp_path / "b.png")
    yellow = (after[..., 0] > 200) & (after[..., 1] > 200) & (after[..., 2] < 190)
    assert 0.01 < yellow.mean() < 0.3
    assert len(after) == len(before)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_short_episode_has_a_sheet(tmp_path: Path, steps: int) -> None:
    write_contact_sheet(tmp_path / "short.png", TITLE, timed(steps), BY_NAME)
    assert len(pixels(tmp_path / "short.png")) > 500
