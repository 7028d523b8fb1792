"""A learner is killed repeatedly: effects on the robot, the episodes and the learning."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from processes.fake_robot import (
    FakeRobot,
    assert_within_limits,
    process,
    wait_until,
)
from processes.learner_setup import LIMIT_S
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.recording.recorder import bag_numbers, bag_path
from dbp_ros.nodes.learner_process import MODULE
from dbp_ros.nodes.qos import EVENTS, LATCHED, MODEL_CHUNKS
from dbp_ros.settings.fields import to_json
from dbp_ros.settings.finetune import FinetuneConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.telemetry.policy_step import parse_policy_step

KILLS, IN_A_PUSH = 10, 5
RATE_HZ = 100.0
LONGEST_LIFE_S = 6.0
EPISODE_S, ANSWER_S = 1.2, 2.0


@pytest.fixture
def guard(robot: FakeRobot) -> Iterator[subprocess.Popen[str]]:
    """A guard at a low rate, as the learner starts eleven times."""
    with process("guard_node", enable_control="true", command_rate_hz=RATE_HZ) as child:
        robot.wait_for_state("guard", "holding")
        yield child


class Monitor:
    """Records decisions and models of the policy, and its requests to a sender."""

    def __init__(self, robot: FakeRobot) -> None:
        self.numbers: list[int] = []
        self.models: list[dict[str, Any]] = []
        self._countdown, self._victim = 0, 0
        robot.create_subscription(String, "decision", self._on_decision, EVENTS)
        robot.create_subscription(String, "policy/model", self._on_model, LATCHED)
        robot.create_subscription(String, "model_request", self._on_request, MODEL_CHUNKS)

    @property
    def active(self) -> int:
        """Version of the active model."""
        return int(self.models[-1]["version"])

    def kill_at_request(self, victim: int, number: int) -> None:
        """Kill a process group at a later request for a model."""
        self._victim, self._countdown = victim, number

    def _on_decision(self, message: String) -> None:
        self.numbers.append(parse_policy_step(message.data).number)

    def _on_model(self, message: String) -> None:
        self.models.append(json.loads(message.data))

    def _on_request(self, _: String) -> None:
        self._countdown -= 1
        if self._countdown == 0:
            os.killpg(self._victim, signal.SIGKILL)


class Operator(threading.Thread):
    """Ends episodes, and records those that the learner has confirmed."""

    def __init__(self, robot: FakeRobot, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.ended: list[str] = []
        self._rng, self._over = rng, threading.Event()
        self._clients = {
            outcome: robot.create_client(Trigger, f"learner/end_{outcome}")
            for outcome in ("success", "failure")
        }
        self._begin = robot.create_client(Trigger, "policy/begin_episode")

    def run(self) -> None:
        """End episodes until `stop`."""
        while not self._over.wait(EPISODE_S):
            outcome = self._rng.choice(list(self._clients))
            if self._ask(self._clients[outcome]):
                self.ended.append(outcome)
            self._ask(self._begin)

    def stop(self) -> None:
        """Stop after the current episode."""
        self._over.set()
        self.join()

    def _ask(self, client: Any) -> bool:
        if not client.service_is_ready():
            return False
        future, deadline = client.call_async(Trigger.Request()), time.monotonic() + ANSWER_S
        while not future.done() and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(future.done() and future.result().success)


@contextmanager
def working(robot: FakeRobot, rng: random.Random) -> Iterator[Operator]:
    operator = Operator(robot, rng)
    operator.start()
    try:
        yield operator
    finally:
        operator.stop()


@pytest.mark.timeout(900)
def test_a_learner_killed_ten_times_loses_no_decision_episode_or_update(
    pretrained: Path, robot: FakeRobot, guard: subprocess.Popen[str], tmp_path: Path
) -> None:
    out, received = tmp_path / "learner", tmp_path / "received"
    learning: dict[str, Any] = {
        "model": pretrained / "models" / "toy",
        "checkpoint": pretrained / "run",
        "out": out,
        "task": "toy",
        "share_path": "false",
        "learner_niceness": 0,
        "decisions_per_update": 12,
        "max_waiting_episodes": 100,
        "max_versions": 1000,
        "finetune.critic_warmup_updates": 0,
        "finetune.init_noise_std": 0.05,
        "finetune.target_kl": 0.5,
    }
    exploring = {
        "model": pretrained / "models" / "toy",
        "explore": "true",
        "max_limited_increase": 1.0,
        "inference_budget": 10.0,
        "shadow_decisions": 10,
        # The arms may be far from the demonstrations after minutes of exploration.
        "shadow_max_first_step": 10.0,
        "decision_rate_hz": RATE_HZ / 2,
        "received_models": received,
    }
    monitor, rng = Monitor(robot), random.Random(4)
    with process("policy_node", **exploring):
        with process("learner_node", **learning):
            wait_until(lambda: monitor.numbers, "exploration", lambda: str(robot.states), LIMIT_S)
        for node in ("policy", "guard"):
            assert robot.call_service(f"{node}/clear_statistics")[0]
        began = len(monitor.numbers)
        robot.silences_s.clear()
        with working(robot, rng) as operator:
            inside = kill_repeatedly(learning, monitor, received, rng)
            before = monitor.active
            with process("learner_node", **learning):
                wait_until(
                    lambda: monitor.active > before,
                    "a learner to continue",
                    lambda: str(monitor.models[-1]),
                    LIMIT_S,
                )
        policy, guarded = (
            json.loads(robot.call_service(f"{node}/statistics")[1]) for node in ("policy", "guard")
        )
        silences_s = list(robot.silences_s)
    numbers = monitor.numbers[began:]
    print(f"{len(numbers)} decisions, {len(operator.ended)} episodes, version {monitor.active}")
    print(f"the robot itself was silent for {silences_s} s")
    assert inside >= IN_A_PUSH
    assert policy["decision_period"]["gap_count"] == 0
    assert policy["refused_decisions"] <= sum(silences_s) * RATE_HZ / 2
    # An exploring policy waits between the end of an episode and the next one.
    assert guarded["holds"] <= len(silences_s) + len(operator.ended)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert_within_limits(robot, 1 / RATE_HZ)
    assert_whole_models(monitor, out / "versions")
    assert_on_disk(operator.ended, out / "episodes")
    assert_learned_as_if_never_killed(learning, out, tmp_path / "again")


def kill_repeatedly(
    learning: dict[str, Any], monitor: Monitor, received: Path, rng: random.Random
) -> int:
    """Kill a learner at random times; return the number of kills during a transfer.

    Every other kill ends the node only, and not its worker process.
    """
    kinds = [True] * IN_A_PUSH + [False] * (KILLS - IN_A_PUSH)
    rng.shuffle(kinds)
    inside = 0
    for number, in_a_push in enumerate(kinds):
        with process("learner_node", **learning) as learner:
            if in_a_push:
                monitor.kill_at_request(learner.pid, rng.randint(1, 2))
                assert learner.wait(LIMIT_S) == -signal.SIGKILL
                inside += any(path.name.startswith(".") for path in received.iterdir())
            else:
                time.sleep(rng.uniform(0.5, LONGEST_LIFE_S))
                kill = os.kill if number % 2 else os.killpg
                kill(learner.pid, signal.SIGKILL)
        print(f"{number}: {'push' if in_a_push else 'random'}, version {monitor.active}")
    return inside


def assert_whole_models(monitor: Monitor, versions: Path) -> None:
    """Check that every active model is a complete version of the learner."""
    known = {read_bundle(path).sha256 for path in versions.glob("[!.]*")}
    decided = {model["sha256"] for model in monitor.models if model["version"] > 1}
    assert decided
    assert decided <= known
    assert all(model["phase"] != "rolled_back" for model in monitor.models)


def assert_on_disk(ended: list[str], episodes: Path) -> None:
    """Check that all confirmed episodes are on disk, in order."""
    ends = [read_bag(bag_path(episodes, number)).end for number in bag_numbers(episodes)]
    assert all(ends)
    found = iter([end.outcome for end in ends if end and end.termination_reason == end.outcome])
    assert len(ended) >= 3
    assert all(outcome in found for outcome in ended), (ended, ends)


def assert_learned_as_if_never_killed(learning: dict[str, Any], out: Path, again: Path) -> None:
    """Check that one learner with all episodes makes bit-identical versions."""
    shutil.copytree(out / "episodes", again / "episodes")
    config = replace(
        LearnerConfig(),
        model=str(learning["model"]),
        checkpoint=str(learning["checkpoint"]),
        out=str(again),
        decisions_per_update=learning["decisions_per_update"],
        max_waiting_episodes=learning["max_waiting_episodes"],
        max_versions=learning["max_versions"],
        finetune=FinetuneConfig(critic_warmup_updates=0, init_noise_std=0.05, target_kl=0.5),
    )
    command = [sys.executable, "-m", MODULE, to_json(config)]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    made, expected = (
        {path.name: read_bundle(path).sha256 for path in (folder / "versions").glob("[!.]*")}
        for folder in (out, again)
    )
    assert len(made) >= 3
    assert made.items() <= expected.items()
