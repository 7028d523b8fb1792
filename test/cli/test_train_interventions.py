"""`dbp train` from a bundle on recordings in which a human took over from the policy."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from own_bags import write_own_bag
from recorded_bag import START_NS, image_message, joint_state
from toy_episodes import JOINTS
from toy_training import CONFIG, train_toy

from dbp_ros.cli.main import main
from dbp_ros.data.bags.bag import Bag, EpisodeEnd
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import load_demonstrations
from dbp_ros.settings.flags import flags_of

STEP_S, STEPS = 1 / 30, 45
STEP_NS = round(1e9 * STEP_S)


def record(folder: Path, number: int) -> None:
    """Write a bag of a policy without exploration, in which a human takes over after 1/3 s."""
    rng = np.random.default_rng(number)
    times_ns = [START_NS + step * STEP_NS for step in range(STEPS)]
    paths = 0.3 * np.sin(np.linspace(0, 3, STEPS))[:, None] * np.array([1.0, 0.5, 0.05])
    images = rng.integers(0, 255, (STEPS, 24, 32, 3), np.uint8)
    messages = {
        "joint_states": [
            (ns, joint_state(JOINTS, path, ns)) for ns, path in zip(times_ns, paths, strict=True)
        ],
        "command.arm": [
            (ns, SimpleNamespace(data=list(path + 0.01)))
            for ns, path in zip(times_ns, paths, strict=True)
        ],
        "intervention": [
            (START_NS + 10 * STEP_NS, SimpleNamespace(data=True)),
            (START_NS + 22 * STEP_NS, SimpleNamespace(data=False)),
        ],
    }
    for camera in ("head", "wrist"):
        messages[f"image.{camera}"] = [
            (ns, image_message(image, ns)) for ns, image in zip(times_ns, images, strict=True)
        ]
    metadata = {
        "task": "toy",
        "joints": list(JOINTS),
        "cameras": ["head", "wrist"],
        "controllers": {"arm": len(JOINTS)},
        "step_s": STEP_S,
        "model": "toy",
    }
    bag = Bag(metadata, messages, EpisodeEnd("success", "success", times_ns[-1]))
    write_own_bag(bag_path(folder, number), bag)


def test_a_bundle_is_trained_on_the_interventions_of_its_recordings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bundle = train_toy(tmp_path)
    recordings, run = tmp_path / "recordings", tmp_path / "corrected"
    for number in (1, 2, 3):
        record(recordings, number)
    data = load_demonstrations(recordings)
    human = np.flatnonzero(~data.by_policy[data.episode == 0])
    assert human.tolist() == list(range(10, 22))
    words = ["--data", str(recordings), "--out", str(run), *flags_of(CONFIG), "--device", "cpu"]
    words += ["--initial-model", str(bundle.directory), "--policy-row-weight", "0"]
    assert main(["train", *words]) == 0
    checkpoint = read_checkpoint(run)
    assert checkpoint.metadata["initial_model"]["sha256"] == bundle.sha256
    assert checkpoint.config.policy_row_weight == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{len(data.states)} steps, {data.by_policy.sum()} of them by a policy" in printed
    assert main(["episodes", "list", str(recordings)]) == 0
    assert "interventions: 36 of" in capsys.readouterr().out
    assert main(["data", "show", str(recordings)]) == 0
    assert "of the steps in episodes of a policy" in capsys.readouterr().out
