"""`dbp train` from a bundle on recordings in which a human took over from the policy."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from own_bags import write_own_bag
from recorded_bag import START_NS, image_message, joint_state
from toy_episodes import JOINTS, episode
from toy_training import CONFIG, train_toy

from dbp_ros.cli.main import main
from dbp_ros.data.bags.bag import Bag, EpisodeEnd
from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.recording.recorder import bag_path
from dbp_ros.learning.checkpoint import read_checkpoint
from dbp_ros.learning.dataset import load_demonstrations

STEP_S, STEPS = 1 / 30, 45
STEP_NS = round(1e9 * STEP_S)
# Flags of the training itself; those of the network come from the bundle.
TRAINING = (
    *("--num-steps", "6", "--batch-size", "4", "--num-samples", "3", "--warmup-steps", "2"),
    *("--validate-every", "3", "--checkpoint-every", "3", "--threads", "1"),
    "--allow-constant-actions",
)


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
    words = ["--data", str(recordings), "--out", str(run), *TRAINING, "--device", "cpu"]
    words += ["--initial-model", str(bundle.directory), "--policy-row-weight", "0"]
    assert main(["train", *words]) == 0
    checkpoint = read_checkpoint(run)
    assert checkpoint.metadata["initial_model"]["sha256"] == bundle.sha256
    assert checkpoint.config == replace(CONFIG, device="cpu", policy_row_weight=0.0)
    assert checkpoint.selection.images == ("head", "wrist")
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{len(data.states)} steps, {data.by_policy.sum()} of them by a policy" in printed
    assert main(["episodes", "list", str(recordings)]) == 0
    assert "interventions: 36 of" in capsys.readouterr().out
    assert main(["data", "show", str(recordings)]) == 0
    assert "of the steps in episodes of a policy" in capsys.readouterr().out


def write_frames(folder: Path, step_s: float, size: tuple[int, int], *others: str) -> Path:
    """Write episodes with images of a size."""
    rng = np.random.default_rng(0)
    for index in range(3):
        images = {
            name: rng.integers(0, 255, (9, *size, 3), np.uint8)
            for name in ("wrist", "head", *others)
        }
        write_episode(episode_path(folder, index), episode(index, step_s=step_s, images=images))
    return folder


def test_cameras_size_and_step_are_those_of_the_initial_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bundle = train_toy(tmp_path, replace(CONFIG, n_obs_steps=2))
    data = write_frames(tmp_path / "data", 1 / 30, (48, 64), "side")
    words = ["train", "--initial-model", str(bundle.directory), *TRAINING, "--device", "cpu"]
    run = tmp_path / "further"
    assert main([*words, "--data", str(data), "--out", str(run), "--n-obs-steps", "2"]) == 0
    assert "--horizon 5 --n-obs-steps 2 --width 16" in " ".join(capsys.readouterr().out.split())
    checkpoint = read_checkpoint(run)
    assert list(checkpoint.shape.cameras.items()) == [("head", (24, 32)), ("wrist", (24, 32))]
    assert checkpoint.config.n_obs_steps == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--horizon", "8"), "horizon is 8, and the initial model has 5: leave out --horizon"),
        (("--image-size", "12", "16"), "image_size is 12 16, and the initial model has 24 32"),
        (("--images", "head"), "images is head, and the initial model has head wrist"),
        (("--no-relative-actions",), "relative_actions is False, and the initial model has True"),
    ],
)
def test_flags_that_contradict_the_initial_model_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], message: str
) -> None:
    _, bundle = train_toy(tmp_path)
    data = write_frames(tmp_path / "data", 1 / 30, (24, 32))
    words = ["--data", str(data), "--out", str(tmp_path / "other"), *flags]
    assert main(["train", "--initial-model", str(bundle.directory), *TRAINING, *words]) == 1
    assert message in capsys.readouterr().err


def test_data_of_another_rate_is_refused_with_its_stride(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bundle = train_toy(tmp_path)
    fast = write_frames(tmp_path / "fast", 1 / 60, (24, 32))
    words = ["train", "--initial-model", str(bundle.directory), *TRAINING, "--device", "cpu"]
    words += ["--data", str(fast), "--out", str(tmp_path / "other")]
    assert main(words) == 1
    assert "rows of the data set are 0.01667 s apart" in (error := capsys.readouterr().err)
    assert "0.03333 s: give --stride 2" in error
    assert main([*words, "--stride", "2"]) == 0
