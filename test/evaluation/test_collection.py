"""`dbp collect` records a data set and resumes an interrupted collection."""

import argparse
from dataclasses import replace

import numpy as np
import pytest
import yaml

from dbp_ros.cli import collect
from dbp_ros.data.episode import episode_path, episode_paths, read_episode
from dbp_ros.evaluation.collection import CollectionPlan, EpisodeCollector, find_recorded
from dbp_ros.sim.control_loop import demonstrate


def command(*words):
    """Run the verb as the `dbp` command does."""
    parser = argparse.ArgumentParser()
    collect.register(parser)
    arguments = parser.parse_args([*map(str, words)])
    return arguments.run(arguments)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lift")
    code = command("--task", "lift", "--episodes", 3, "--out", folder, "--size", 16, "--workers", 1)
    assert code == 0
    return folder


def test_modes_alternate_and_seeds_follow_the_index(recorded):
    episodes = [read_episode(path) for path in episode_paths(recorded)]
    assert [episode.mode for episode in episodes] == ["left", "right", "left"]
    assert [episode.seed for episode in episodes] == [0, 1, 2]
    assert {episode.outcome for episode in episodes} == {"success"}


def test_dataset_yaml_describes_the_data_set(recorded):
    facts = yaml.safe_load((recorded / "dataset.yaml").read_text())
    assert facts["task"] == "lift"
    assert facts["versions"]["mujoco"] == "3.7.0"
    (part,) = facts["parts"]
    assert (part["first"], part["episodes"]) == (0, 3)
    assert part["modes"]["left"]["success_rate"] == 1.0
    assert len(facts["cameras"]) == 3


def test_a_second_run_records_only_what_is_missing(recorded):
    present, lost = episode_path(recorded, 0), episode_path(recorded, 1)
    before = present.stat().st_mtime_ns
    lost.unlink()
    command("--task", "lift", "--episodes", 3, "--out", recorded, "--size", 16, "--workers", 1)
    assert present.stat().st_mtime_ns == before
    assert read_episode(lost).mode == "right"


def test_the_expert_takes_over_from_a_policy_in_added_episodes(tmp_path):
    words = ("--task", "lift", "--out", tmp_path, "--camera-backend", "raycast", "--workers", 1)
    assert command(*words, "--episodes", 1) == 0
    added = ("--episodes", 1, "--first", 1, "--policy", "lift")
    assert command(*words, *added) == command(*words, *added) == 0
    expert, recovery = (read_episode(path) for path in episode_paths(tmp_path))
    assert (expert.seed, recovery.seed) == (0, 1)
    assert expert.stamps_ns[0] == 0 < recovery.stamps_ns[0]
    facts = yaml.safe_load((tmp_path / "dataset.yaml").read_text())
    assert [("--policy" in line) for line in facts["command_lines"]] == [False, True]
    assert [part["policy"] for part in facts["parts"]] == ["", "lift"]


def test_episodes_of_a_data_set_are_not_mixed_with_other_settings(recorded, capsys):
    before = (recorded / "dataset.yaml").read_text()
    words = ("--task", "lift", "--episodes", 3, "--out", recorded, "--size", 16, "--workers", 1)
    for changes in (("--noise", 0.01), ("--randomisation", 1.0)):
        assert command(*words, *changes) == 2
        shown = " ".join(capsys.readouterr().out.split())
        assert "episodes 0 to 2 were recorded with" in shown
        assert "--first 3 to add episodes" in shown
    assert command(*words[:-4], "--size", 24, "--workers", 1) == 2
    assert (recorded / "dataset.yaml").read_text() == before


def test_randomised_episodes_have_other_images(recorded, tmp_path):
    words = ("--task", "lift", "--episodes", 1, "--size", 16, "--workers", 1)
    assert command(*words, "--out", tmp_path, "--randomisation", 1.0) == 0
    nominal, varied = (read_episode(episode_path(path, 0)) for path in (recorded, tmp_path))
    first = [episode.images["head_camera"][0].astype(int) for episode in (nominal, varied)]
    assert np.abs(first[0] - first[1]).mean() > 2.0


class SolvesEvenSeeds:
    """Policy that repeats demonstrations of even seeds, and otherwise rests."""

    def __init__(self, simulation, demonstrations):
        self.simulation, self.demonstrations = simulation, demonstrations

    def reset(self, seed):
        self.actions = iter(self.demonstrations.get(seed, ()))

    def command(self, positions, images):
        return next(self.actions, self.simulation.home)


def test_scenes_that_a_policy_solves_are_skipped(tmp_path):
    plan = CollectionPlan("lift", ("left",), 0, 0.0, 0, "none", tmp_path)
    collector = EpisodeCollector(plan)
    demonstrations = {
        seed: demonstrate(collector.simulation, None, "left", seed, 0.0).actions for seed in (0, 2)
    }
    collector.plan = plan = replace(plan, policy="of this test", hard=True)
    collector.policy = SolvesEvenSeeds(collector.simulation, demonstrations)
    outcomes = [collector.record(index) for index in range(4)]
    assert [outcome.skipped for outcome in outcomes] == [True, False, True, False]
    assert [outcome.success for outcome in outcomes] == [False, True, False, True]
    assert [path.name for path in episode_paths(tmp_path)] == [
        "episode_000001.npz",
        "episode_000003.npz",
    ]
    again = [find_recorded(plan, index) for index in range(4)]
    assert [outcome.skipped for outcome in again] == [True, False, True, False]


def test_hard_scenes_need_a_policy(tmp_path, capsys):
    assert command("--task", "lift", "--hard", "--out", tmp_path) == 2
    assert "name it with --policy" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--size", 16), "takes images of 84x84 from head_camera, this command records 16x16"),
        (("--no-images",), "this command records 0x0"),
        (("--policy", "nothing"), "nothing"),
    ],
)
def test_a_policy_that_cannot_drive_is_refused(tmp_path, capsys, words, reason):
    words = ("--task", "lift", "--policy", "lift", "--out", tmp_path, *words)
    assert command(*words) == 2
    assert reason in " ".join(capsys.readouterr().out.split())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_episodes_is_refused(recorded, capsys):
    code = command("--task", "lift", "--episodes", 3, "--out", recorded, "--seed", 9)
    assert code == 2
    assert "another --out" in " ".join(capsys.readouterr().out.split())


def test_failed_episodes_are_not_saved(tmp_path):
    code = command(
        *("--task", "lift", "--episodes", 2, "--out", tmp_path, "--noise", 0.2),
        *("--no-images", "--workers", 1),
    )
    assert code == 1
    assert not list(tmp_path.glob("episode_*.npz"))
    facts = yaml.safe_load((tmp_path / "dataset.yaml").read_text())
    assert facts["parts"][0]["modes"]["left"]["successes"] == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--task", "juggle"), "known tasks"),
        (("--task", "lift", "--modes", "both"), "left, right"),
        (("--task", "lift", "--episodes", 0), "at least 1"),
    ],
)
def test_an_invalid_command_line_is_explained(tmp_path, capsys, words, why):
    assert command(*words, "--out", tmp_path) == 2
    assert why in " ".join(capsys.readouterr().out.split())
