"""From exploring to a better version, with every process and topic real."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from demonstrations import CONFIG, episode
from diagnostic_msgs.msg import DiagnosticArray
from processes.robot import CAMERA, Robot, process, wait_until
from std_srvs.srv import Trigger

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
KEYS = (
    *("updates", "largest_likelihood_difference", "decisions.kept", "decisions.unseen"),
    *("decisions.unknown_version", "masked.unlikely", "masked.interrupted"),
    *("update.used", "update.log_prob_gap"),
)


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


class Listener:
    """Hears what the processes tell once a second, and asks again where an answer was lost."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self.told: dict[str, dict[str, str]] = {"learner": {}, "policy": {}}
        robot.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 10)

    def _hear(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.told[status.name] = {item.key: item.value for item in status.values}

    def wait_for(self, name: str, key: str, *values: str) -> None:
        wait_until(
            lambda: self.told[name].get(key) in values,
            f"{name} to tell {key} = {' or '.join(values)}",
            lambda: f"{self._robot.states} {self.told}",
            LIMIT_S,
        )

    def trigger(self, service: str) -> None:
        client = self._robot.create_client(Trigger, service)
        assert client.wait_for_service(timeout_sec=20.0), f"nobody offers {service}"
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            future, patience = client.call_async(Trigger.Request()), time.monotonic() + 5.0
            while not future.done() and time.monotonic() < patience:
                time.sleep(0.01)
            if future.done():
                return
        raise AssertionError(f"{service} does not answer")

    def explore_for(self, seconds: float) -> None:
        self.wait_for("learner", "recording", "True")
        time.sleep(seconds)


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
        "learner_niceness": 0,
        "decisions_per_update": 12,
        "finetune": "[critic_warm_up=0, sigma=0.2, kl_target=0.5]",
    }
    exploring = {
        "model": model,
        "explore": "true",
        # The guard holds back what is random, which says nothing of the model.
        "limited_rise": 1.0,
        "received_models": tmp_path / "received",
    }
    listener = Listener(robot)
    with process("learner_node", **learning), process("policy_node", **exploring):
        listener.wait_for("policy", "model.version", "1")
        listener.wait_for("learner", "learner.version", "1")
        for ending in ("end_success", "end_failure"):
            listener.explore_for(3.0)
            listener.trigger(f"learner/{ending}")
            listener.wait_for("learner", "recording", "False")
            listener.trigger("policy/begin_episode")
        later = [str(version) for version in range(2, 9)]
        listener.wait_for("learner", "learner.version", *later)
        listener.wait_for("policy", "model.version", *later)
        listener.explore_for(1.0)
        told = listener.told["learner"]
    learner = {key: float(told[f"learner.{key}"]) for key in KEYS}
    print(learner)
    assert 0 < learner["largest_likelihood_difference"] <= LIKELIHOOD
    assert learner["masked.unlikely"] == learner["decisions.unknown_version"] == 0
    assert learner["decisions.kept"] >= learner["update.used"] > 0
    assert learner["updates"] >= 1
    assert told["dropped_messages"] == "0"
    first, second = (read_bundle(out / "versions" / str(n)) for n in (1, 2))
    assert first.manifest.files["head.onnx"] != second.manifest.files["head.onnx"]
    encoder = first.manifest.cameras[0].encoder
    assert first.manifest.files[encoder] == second.manifest.files[encoder]
    assert_recorded(out / "episodes")


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
