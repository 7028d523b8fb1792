"""From exploring to a better version, with every process and topic real."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from demonstrations import CONFIG, episode
from processes.robot import CAMERA, Robot, process, wait_until

from dbp_ros.bundle import read_bundle
from dbp_ros.config import DUAL_UR5E_JOINTS
from dbp_ros.episodes.bag import read_bag
from dbp_ros.episodes.recorded import Recorded, episode_of
from dbp_ros.episodes.recorder import bag_path
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import join_episodes
from dbp_ros.learning.export import Label, export_bundle
from dbp_ros.learning.trainer import Trainer

LIKELIHOOD = 1e-4
# Everything here shares the machine with whatever else runs on it.
LIMIT_S = 200.0


def demonstration(seed: int):
    """Return an episode in which both arms turn a little, round where the robot stands."""
    one = episode(seed)
    nu, chance = len(DUAL_UR5E_JOINTS), np.random.default_rng(seed)
    path = np.full((len(one) + 1, nu), 0.04, np.float32)
    path += np.linspace(0, chance.uniform(0.005, 0.02), len(path), dtype=np.float32)[:, None]
    return replace(
        one,
        state_names=DUAL_UR5E_JOINTS,
        action_names=DUAL_UR5E_JOINTS,
        states=path[:-1],
        actions=path[1:],
        images={CAMERA: one.images["head"]},
    )


@pytest.fixture(scope="module")
def imitated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and the bundle that was exported from it."""
    folder = tmp_path_factory.mktemp("imitated")
    data = join_episodes((demonstration(index), str(index)) for index in range(4))
    Trainer(CONFIG, data, folder / "run").train()
    export_bundle(read_checkpoint(folder / "run"), data, folder / "models" / "toy", Label("toy"))
    return folder


def statistics(robot: Robot, name: str) -> dict:
    return json.loads(robot.ask(f"{name}/statistics")[1])


@pytest.mark.timeout(900)
def test_a_robot_explores_and_what_it_did_makes_version_two(
    robot: Robot, guard, imitated: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "learner", imitated / "models" / "toy"
    learning = {
        "model": model,
        "checkpoint": imitated / "run",
        "out": out,
        "task": "toy",
        "decisions_per_update": 12,
        "finetune": "[critic_warm_up=0, sigma=0.05, kl_target=0.5]",
    }
    exploring = {"model": model, "explore": "true", "received_models": tmp_path / "received"}
    with process("learner_node", **learning), process("policy_node", **exploring):
        robot.wait_for_state("policy", "cannot explore")
        wait_until(
            lambda: (
                statistics(robot, "policy")["model"]["version"] == 1
                and robot.states["policy"] == "deciding"
            ),
            "the policy to take up the version that explores",
            lambda: str(robot.states),
            LIMIT_S,
        )
        for ending in ("end_success", "end_failure"):
            explore_for(robot, seconds=3.0)
            assert robot.ask(f"learner/{ending}")[0]
            assert robot.ask("policy/begin_episode")[0]
        wait_until(
            lambda: statistics(robot, "learner")["learner"].get("version", 0) == 2,
            "an update",
            lambda: str(statistics(robot, "learner")),
            LIMIT_S,
        )
        told = statistics(robot, "learner")
        learner = told["learner"]
        print(json.dumps(told, indent=1))
        wait_until(
            lambda: statistics(robot, "policy")["model"]["version"] == 2,
            "the policy to take up version 2",
            lambda: str(robot.states),
            LIMIT_S,
        )
        assert robot.ask("policy/begin_episode")[0]
        explore_for(robot, seconds=1.0)
    assert 0 < learner["largest_likelihood_difference"] <= LIKELIHOOD
    assert learner["masked"]["unlikely"] == 0
    assert learner["decisions"]["unknown_version"] == 0
    assert learner["decisions"]["kept"] >= 12
    assert learner["updates"] >= 1
    assert told["dropped_messages"] == 0
    first, second = (read_bundle(out / "versions" / str(n)) for n in (1, 2))
    assert first.manifest.files["head.onnx"] != second.manifest.files["head.onnx"]
    encoder = first.manifest.cameras[0].encoder
    assert first.manifest.files[encoder] == second.manifest.files[encoder]
    assert_recorded(out / "episodes")


def explore_for(robot: Robot, seconds: float) -> None:
    wait_until(
        lambda: statistics(robot, "learner")["recording"],
        "an episode to begin",
        lambda: str(robot.states),
        LIMIT_S,
    )
    time.sleep(seconds)


def assert_recorded(episodes: Path) -> None:
    """Check the bags of a success, a failure, and one that nobody ended."""
    ends = []
    for number in (1, 2):
        recorded = Recorded(read_bag(bag_path(episodes, number)))
        whole = episode_of(recorded)
        assert len(whole) > 4
        assert whole.state_names == DUAL_UR5E_JOINTS
        ends.append((whole.outcome, whole.termination_reason))
    assert ends == [("success", "success"), ("failure", "failure")]
    (cut_off,) = episodes.glob("recording_*.mcap")
    assert read_bag(cut_off).messages["decision"]
