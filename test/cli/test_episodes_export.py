"""`dbp episodes export`, through its parser."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exported_sets import episode
from foreign_bags import JOINTS, write_robot

from dbp_ros.cli.episodes_export import register
from dbp_ros.data.bags.rosbag import COMMANDS, Rosbag
from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import ConfigError, EpisodeError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(3):
        write_episode(episode_path(tmp_path / "data", index), episode(index, 20 + index))
    return tmp_path / "data"


def export(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    register(parser)
    arguments = parser.parse_args(list(map(str, words)))
    return int(arguments.run(arguments))


@pytest.mark.parametrize(("to", "name"), [("lerobot", "out"), ("robomimic", "out.hdf5")])
def test_a_set_is_exported_and_the_result_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, name: str
) -> None:
    assert export(data, "--to", to, "--out", tmp_path / name) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"wrote 3 episodes to {tmp_path / name}\n")
    assert ("videos, which are lossy" in printed) == (to == "lerobot")
    found, source = open_episodes(tmp_path / name), open_episodes(data)
    assert len(found) == 3
    np.testing.assert_array_equal(found.read(2).states, source.read(2).states)


def test_bags_are_replaced_only_with_force(data: Path, tmp_path: Path) -> None:
    words = (data, "--to", "mcap", "--out", tmp_path / "out", "--points")
    assert export(*words) == 0
    names = [f"episode_{index:06d}.mcap" for index in range(3)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    one, expected = open_episodes(tmp_path / "out").read(2), open_episodes(data).read(2)
    np.testing.assert_array_equal(one.actions, expected.actions[:-1])
    with pytest.raises(ConfigError, match=r"out exists: give another, or add --force"):
        export(*words)
    assert export(*words, "--force") == 0


def test_point_clouds_must_be_left_out_of_bags(data: Path, tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"episode_000000\.npz: the point clouds head_depth"):
        export(data, "--to", "mcap", "--out", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_with_a_robot_bags_have_the_commands_of_its_controllers(tmp_path: Path) -> None:
    columns = {"state_names": JOINTS, "action_names": JOINTS, "points": {}}
    one = episode(0, 8)
    recorded = replace(one, **columns, states=one.states / 2, actions=one.states / 4)
    write_episode(episode_path(tmp_path / "data", 0), recorded)
    robot = ("--robot", write_robot(tmp_path))
    export(tmp_path / "data", "--to", "mcap", "--out", tmp_path / "out", *robot)
    with Rosbag(tmp_path / "out/episode_000000.mcap") as bag:
        commands = bag.of_types(COMMANDS)
    assert commands == ("/left_controller/commands", "/right_controller/commands")


def test_only_the_selected_columns_and_rows_are_exported(data: Path, tmp_path: Path) -> None:
    flags = ("--state", "elbow", "--images", "head_camera", "--points", "--stride", "2")
    export(data, "--to", "lerobot", "--out", tmp_path / "out", "--images-as", "png", *flags)
    found = open_episodes(tmp_path / "out")
    assert len(found) == 6
    one = found.read(1)
    assert one.state_names == ("elbow",)
    assert one.step_s == pytest.approx(2 / 30)
    expected = open_episodes(data).read(0)
    np.testing.assert_array_equal(one.states[:, 0], expected.states[1::2, 1][: len(one)])
    assert one.images.keys() == {"observation.images.head_camera"}


def test_images_are_exported_in_the_given_size(data: Path, tmp_path: Path) -> None:
    export(data, "--to", "robomimic", "--out", tmp_path / "out.hdf5", "--image-size", "8", "10")
    images = open_episodes(tmp_path / "out.hdf5").read(0).images
    assert {one.shape[1:] for one in images.values()} == {(8, 10, 3)}


def test_an_exported_set_can_be_exported_again(data: Path, tmp_path: Path) -> None:
    export(data, "--to", "lerobot", "--out", tmp_path / "out", "--images-as", "png")
    export(tmp_path / "out", "--to", "robomimic", "--out", tmp_path / "out.hdf5")
    one = open_episodes(tmp_path / "out.hdf5", Selection(images=())).read(1)
    np.testing.assert_array_equal(one.stamps_ns, open_episodes(data).read(1).stamps_ns)


def test_an_existing_set_is_replaced_only_with_force(data: Path, tmp_path: Path) -> None:
    words = (data, "--to", "lerobot", "--out", tmp_path / "out", "--images")
    export(*words)
    with pytest.raises(ConfigError, match=r"out exists: give another, or add --force"):
        export(*words)
    assert export(*words, "--force") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "robomimic", "--out", "out.hdf5", "--crf", "20"), "--crf applies only with --to"),
        (("--to", "mcap", "--out", "out", "--crf", "20"), "--crf applies only with --to lerobot"),
        (("--to", "mcap", "--out", "data", "--force"), "contains other files"),
        (("--to", "mcap", "--out", "out", "--compression", "gz"), "compression is 'gz', expected"),
        (("--to", "robomimic", "--out", "out"), r"expected a file that ends in \.hdf5"),
        (("--to", "lerobot", "--out", "data", "--force"), "contains other files"),
        (("--to", "lerobot", "--out", "data/new"), "overlap: give another --out"),
        (("--to", "lerobot", "--out", "out", "--crf", "90"), "crf = 90, expected from 0 to 51"),
        (("--to", "lerobot", "--out", "out", "--codec", "vp9"), "codec is 'vp9', expected one of"),
    ],
)
def test_a_wrong_command_line_is_an_error_and_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        export("data", *words)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_set_that_is_read_is_never_replaced(data: Path, tmp_path: Path) -> None:
    export(data, "--to", "lerobot", "--out", tmp_path / "out", "--images")
    with pytest.raises(ConfigError, match="overlap"):
        export(tmp_path / "out", "--to", "lerobot", "--out", tmp_path / "out", "--force")


def test_a_damaged_episode_is_an_error_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    path = episode_path(data, 1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(EpisodeError, match="episode_000001"):
        export(data, "--to", "lerobot", "--out", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
