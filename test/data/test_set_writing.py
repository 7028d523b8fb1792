"""New sets from others: linked or converted files, labels, metadata and parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_episodes import episode

from dbp_ros.data.editing.partition import parse_parts, partition
from dbp_ros.data.editing.resumed_conversion import begin_conversion
from dbp_ros.data.editing.set_metadata import combined_metadata
from dbp_ros.data.editing.set_writing import (
    SourceEpisode,
    common_suffix,
    convert_episodes,
    link_episodes,
    require_same_spec,
    source_episodes,
)
from dbp_ros.data.episode import DATASET_FILE, episode_path, read_episode, write_episode
from dbp_ros.data.formats import open_episodes
from dbp_ros.data.labels import EpisodeLabel, read_labels, write_labels
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError


def npz_set(folder: Path, *numbers: int, **changes: object) -> Path:
    for number in numbers:
        write_episode(episode_path(folder, number), episode(number, **changes))
    return folder


def bags(folder: Path, *numbers: int) -> list[SourceEpisode]:
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / f"episode_{number:06d}.mcap").write_bytes(bytes([number]))
    return [SourceEpisode(folder, f"episode_{number:06d}.mcap") for number in numbers]


def test_files_are_linked_and_renumbered_with_their_labels(tmp_path: Path) -> None:
    data, out = npz_set(tmp_path / "a", 3, 5, 8), tmp_path / "out"
    out.mkdir()
    label = EpisodeLabel("failure", end_s=0.1)
    write_labels(
        data, {"episode_000005.npz": EpisodeLabel(discarded=True), "episode_000008.npz": label}
    )
    found = source_episodes(data)
    assert common_suffix(found) == ".npz"
    assert link_episodes(out, found, ".npz") == ["episode_000000.npz", "episode_000001.npz"]
    assert [read_episode(episode_path(out, index)).seed for index in range(2)] == [3, 8]
    assert read_labels(out) == {"episode_000001.npz": label}
    assert episode_path(out, 1).samefile(episode_path(data, 8))


def test_bags_are_linked_and_numbered_from_one(tmp_path: Path) -> None:
    found, out = [*bags(tmp_path / "a", 4, 7), *bags(tmp_path / "b", 1)], tmp_path / "out"
    out.mkdir()
    assert common_suffix(found) == ".mcap"
    names = link_episodes(out, found, ".mcap")
    assert names == [f"episode_{number:06d}.mcap" for number in (1, 2, 3)]
    assert [(out / name).read_bytes()[0] for name in names] == [4, 7, 1]


def test_files_of_two_kinds_or_formats_must_be_converted(
    tmp_path: Path, robomimic_file: Path
) -> None:
    own = source_episodes(npz_set(tmp_path / "a", 0))
    assert common_suffix([*own, *bags(tmp_path / "b", 1)]) == ""
    assert common_suffix(source_episodes(robomimic_file)) == ""


def test_files_of_another_project_with_our_names_are_converted(tmp_path: Path) -> None:
    table = np.sin(np.arange(18, dtype=np.float32)).reshape(6, 3)
    (tmp_path / "a").mkdir()
    path, stamps = episode_path(tmp_path / "a", 0), np.arange(6) / 50
    np.savez(path, state=table, action=table, timestamp=stamps)
    found = source_episodes(tmp_path / "a")
    assert common_suffix(found) == ""
    convert_episodes(tmp_path / "out", found)
    np.testing.assert_array_equal(open_episodes(tmp_path / "out").read(0).states, table)


def test_a_conversion_with_another_description_of_the_robot_starts_again(tmp_path: Path) -> None:
    robot, folder = tmp_path / "robot.yaml", tmp_path / "out.unfinished"
    data = npz_set(tmp_path / "a", 0)
    found = [SourceEpisode(data, "demo_0", selection=Selection(robot=str(robot)))]
    robot.write_text("unit: deg")
    assert begin_conversion(folder, found, "dbp episodes merge") == 0
    write_episode(episode_path(folder, 0), episode(0))
    assert begin_conversion(folder, found, "dbp episodes merge") == 1
    robot.write_text("unit: rad")
    assert begin_conversion(folder, found, "dbp episodes merge") == 0


@pytest.mark.parametrize("fixture", ["robomimic_file", "lerobot_folder", "replay_buffer"])
def test_other_formats_are_converted_with_their_labels_applied(
    fixture: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data, out = request.getfixturevalue(fixture), tmp_path / "out"
    before = open_episodes(data)
    write_labels(data, {before.names[1]: EpisodeLabel("failure", "stack")})
    assert len(convert_episodes(out, source_episodes(data))) == 3
    converted = open_episodes(out)
    for index in range(3):
        one, other = before.read(index), converted.read(index)
        np.testing.assert_array_equal(one.states, other.states)
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.stamps_ns, other.stamps_ns)
        assert one.images.keys() == other.images.keys()
        assert one.state_names == other.state_names
    assert (converted.read(1).outcome, converted.read(1).task) == ("failure", "stack")
    assert read_labels(out) == {}


def test_an_episode_unlike_the_first_is_not_converted(tmp_path: Path) -> None:
    data = npz_set(tmp_path / "a", 0)
    write_episode(episode_path(data, 1), replace(episode(1), images={}))
    with pytest.raises(EpisodeError, match=r"in cameras \(without head, wrist\)"):
        convert_episodes(tmp_path / "out", source_episodes(data))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state_names": ("a", "b", "c")}, "state: without left_elbow_joint.* and with a, b, c"),
        ({"step_s": 0.1}, r"step_s: a step of 0\.1 s, not 0\.03333 s"),
        ({"images": {}}, "cameras: without head, wrist"),
    ],
)
def test_sets_that_differ_are_refused_with_the_difference(
    tmp_path: Path, changes: dict, message: str
) -> None:
    one, other = npz_set(tmp_path / "a", 0), npz_set(tmp_path / "b", 0, **changes)
    require_same_spec([one, one])
    with pytest.raises(EpisodeError, match=f"b does not fit .*a: .*{message}"):
        require_same_spec([one, other])


def test_the_metadata_has_the_parts_with_their_new_numbers(tmp_path: Path) -> None:
    paths = [npz_set(tmp_path / "a", 0, 2, 3), npz_set(tmp_path / "b", 0)]
    for path, seed, size in zip(paths, (0, 50), (84, 96), strict=True):
        count = len(list(path.iterdir()))
        content = {
            "task": "toy",
            "control_hz": 30,
            "size": size,
            "command_lines": [f"dbp collect --seed {seed}"],
            "parts": [{"first": 0, "episodes": count + 1, "seed": seed, "modes": {}}],
        }
        (path / DATASET_FILE).write_text(yaml.safe_dump(content))
    found = [one for path in paths for one in source_episodes(path)]
    made = combined_metadata(found, range(4), "dbp episodes merge data/a data/b --out data/c")
    assert made["parts"] == [
        {"first": 0, "episodes": 3, "seed": 0},
        {"first": 3, "episodes": 1, "seed": 50},
    ]
    assert made["command_lines"][:2] == ["dbp collect --seed 0", "dbp collect --seed 50"]
    assert len(made["command_lines"]) == 3
    assert (made["task"], made["control_hz"]) == ("toy", 30)
    assert "size" not in made
    assert made["sources"][1]["episodes"] == {3: "episode_000000.npz"}
    assert made["sources"][0]["sha256"] == open_episodes(paths[0]).sha256()


NAMES = tuple(f"episode_{index:06d}.npz" for index in range(10))


def test_fractions_choose_every_episode_once_and_depend_on_the_seed() -> None:
    parts = parse_parts(["train=0.7", "validation=0.1", "test=0.2"])
    chosen = partition(parts, NAMES, 0, "data")
    assert [len(indices) for indices in chosen.values()] == [7, 1, 2]
    assert sorted(index for indices in chosen.values() for index in indices) == list(range(10))
    assert chosen == partition(parts, NAMES, 0, "data")
    assert chosen != partition(parts, NAMES, 1, "data")


def test_lists_name_episodes_by_number_range_or_name() -> None:
    parts = parse_parts(["train=0-4,7", "test=episode_000009,episode_000008.npz"])
    assert partition(parts, NAMES, 0, "data") == {"train": [0, 1, 2, 3, 4, 7], "test": [8, 9]}


def test_a_list_may_end_with_a_discarded_episode() -> None:
    assert partition({"a": "7-9"}, NAMES[:9], 0, "data", NAMES[9:]) == {"a": [7, 8]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "'train' is not valid, expected NAME=FRACTION"),
        (["../x=0.5"], "is not valid"),
        (["a=0.5", "a=0.5"], "part a is given twice"),
        (["a=0.9", "b=0.2"], "a=0.9, b=0.2, expected values above 0 with a sum up to 1"),
        (["a=-0.5"], "expected values above 0"),
        (["a=0.99", "b=0.01"], "part b has no episode at 0.01 of 10"),
        (["a=0.5", "b=3"], "part b is a list of episodes and a a fraction"),
        (["a=0-3", "b=3"], r"episode_000003\.npz is in the parts a and b"),
        (["a=12"], "data has no episode '12': .* and 2 more"),
    ],
)
def test_invalid_parts_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        partition(parse_parts(words), NAMES, 0, "data")
