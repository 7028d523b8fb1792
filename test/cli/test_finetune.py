"""`dbp finetune`, from a training run to a practised one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.cli.main import main
from dbp_ros.learning.bundle_checkpoint import checkpoint_of
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

# Three states, one action, a step of 0.05 s, episodes of 200.
PENDULUM = "Pendulum-v1 --step-s 0.05"
SHAPE = PolicyShape(("state.0", "state.1", "state.2"), ("action.0",), {}, {}, 0.05)
SMALL = (
    "--num-envs 4 --decisions-per-env 10 --eval-episodes 2 --eval-every 2 --critic-warmup-updates 0"
)


# State and camera of the cell at 5 Hz.
WITH_CAMERA = PolicyShape(DUAL_UR5E_JOINTS, DUAL_UR5E_JOINTS, {"head_camera": (24, 32)}, {}, 0.2)


def untrained(folder: Path, shape: PolicyShape, history: int = 1) -> Path:
    torch.manual_seed(0)
    config = TrainConfig(horizon=4, width=16, branch_width=16, depth=1, n_obs_steps=history)
    weights = PolicyNetwork(shape, config).state_dict()
    tensors = {f"average/{name}": value for name, value in weights.items()}
    write_checkpoint(folder, Checkpoint(config, shape, {}, tensors))
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return untrained(tmp_path / "trained", SHAPE)


@pytest.fixture
def with_camera(tmp_path: Path) -> Path:
    return untrained(tmp_path / "with_camera", WITH_CAMERA)


def finetune(trained: Path, out: str, *more: str, env: str = PENDULUM) -> int:
    words = ["finetune", "--run", str(trained), "--out", str(trained.parent / out), "--env"]
    return main([*words, *env.split(), *SMALL.split(), *more])


def test_fine_tuning_writes_a_checkpoint_a_log_and_a_curve_and_resumes(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trained.parent / "out"
    assert finetune(trained, "out", "--steps", "500") == 0
    facts = read_checkpoint(out).metadata["finetuned"]
    assert facts["env"] == "Pendulum-v1"
    assert facts["steps"] == 640
    assert {"checkpoint.safetensors", "log.csv", "online_training.png"} <= {
        p.name for p in out.iterdir()
    }
    assert finetune(trained, "out") == 1
    assert "give --resume" in capsys.readouterr().err
    for given, message in (
        (("--clip-ratio", "0.05"), "clip_ratio is 0.05, and the run in --out has"),
        (("--max-episode-steps", "90"), f"in {PENDULUM}, not in {PENDULUM} --max-episode-steps"),
    ):
        assert finetune(trained, "out", "--resume", *given) == 1
        assert message in capsys.readouterr().err
    assert finetune(trained, "out", "--resume", "--steps", "900") == 0
    resumed = read_checkpoint(out).metadata["finetuned"]
    assert resumed["steps"] == 960
    assert ["--resume" in command for command in resumed["commands"]] == [False, True]


def test_a_resumed_run_has_its_length_and_its_evaluations(trained: Path) -> None:
    assert finetune(trained, "out", "--steps", "500", "--eval-every", "7") == 0
    words = ["finetune", "--out", str(trained.parent / "out"), "--resume", "--env"]
    assert main([*words, *PENDULUM.split()]) == 0
    facts = read_checkpoint(trained.parent / "out").metadata["finetuned"]
    assert (facts["steps"], facts["training"]["eval_every"]) == (640, 7)


def test_workers_without_their_engine_are_refused(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(trained, "out", "--workers", "8") == 1
    assert "--workers 8 has no effect on --engine local" in capsys.readouterr().err


def test_a_setting_without_effect_on_the_algorithm_is_refused(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--algorithm", "dbpo_published", "--clip-ratio", "0.1")
    assert finetune(trained, "out", *given) == 1
    assert "clip_ratio = 0.1 has no effect on dbpo_published" in capsys.readouterr().err


def test_fine_tuning_starts_from_the_weights_of_a_shipped_bundle(tmp_path: Path) -> None:
    words = ["finetune", "--initial-model", "transport", "--env", "cell/transport"]
    words += ["--out", str(tmp_path / "out"), "--num-envs", "1", "--decisions-per-env", "2"]
    words += ["--eval-episodes", "1", "--actor-learning-rate", "0", "--steps", "8"]
    assert main(words) == 0
    before = checkpoint_of(read_bundle(bundle_directory("transport"))).part("average")
    after = read_checkpoint(tmp_path / "out").part("average")
    assert before.keys() == after.keys()
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, rtol=0, atol=0)


def test_dfp_prints_success_and_latency_of_best_of_n(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(trained, "out", "--algorithm", "dfp", "--steps", "200") == 0
    printed = capsys.readouterr().out
    assert "best of 1: success 0.00" in printed
    assert "best of 16: success 0.00" in printed
    assert printed.count("ms per decision") == 2


def test_a_policy_for_another_environment_is_refused(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(trained, "out", env="Hopper-v5") == 2
    assert "has 3 states, state.0, state.1, state.2; Hopper-v5 has 11" in capsys.readouterr().err
    assert finetune(trained, "out", env="Pendul-v1") == 2
    assert "gymnasium cannot make 'Pendul-v1'" in capsys.readouterr().err
    assert not (trained.parent / "out").exists()


def test_a_policy_with_cameras_resumes_fine_tuning_bit_identically(with_camera: Path) -> None:
    def run(out: str, *more: str) -> Checkpoint:
        assert (
            finetune(with_camera, out, "--latent-time-constant-s", "0", *more, env="cell/reach")
            == 0
        )
        return read_checkpoint(with_camera.parent / out)

    whole = run("whole", "--steps", "600")
    first = run("parts", "--steps", "300")
    parts = run("parts", "--resume", "--steps", "600")
    updates = [checkpoint.metadata["finetuned"]["updates"] for checkpoint in (first, parts, whole)]
    assert 0 < updates[0] < updates[1] == updates[2]
    assert set(whole.tensors) == set(parts.tensors)
    for name, value in whole.tensors.items():
        torch.testing.assert_close(value, parts.tensors[name], rtol=0, atol=0)
    features = whole.tensors["online/rollout/features/head_camera"]
    assert features.std(0).max() > 0


def test_an_environment_without_the_cameras_is_refused(
    with_camera: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(with_camera, "out", env="Hopper-v5") == 2
    printed = capsys.readouterr().err
    assert "uses the cameras head_camera, but Hopper-v5 has states only" in printed
    tail = replace(WITH_CAMERA, cameras={"tail_camera": (24, 32)})
    assert finetune(untrained(with_camera.parent / "tail", tail), "out", env="cell/reach") == 1
    assert "cell/reach has no camera tail_camera: it has " in capsys.readouterr().err
    twice = untrained(with_camera.parent / "twice", WITH_CAMERA, history=2)
    assert finetune(twice, "out", env="cell/reach") == 1
    assert "requires 1: train it with --n-obs-steps 1" in capsys.readouterr().err
