"""`dbp finetune`, from a training run to a practised one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dbp_ros.cli.main import main
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape
from dbp_ros.settings.robot import DUAL_UR5E_JOINTS

# Pendulum's: three states, one action, a step of 0.05 s, episodes of 200.
SHAPE = PolicyShape(("state_0", "state_1", "state_2"), ("action_0",), {}, {}, 0.05)
SMALL = "--environments 4 --decisions 10 --eval-episodes 2 --eval-every 2 --critic-warm-up 0"


# What a robot of the cell measures and sees, five times a second.
SEEING = PolicyShape(DUAL_UR5E_JOINTS, DUAL_UR5E_JOINTS, {"head_camera": (24, 32)}, {}, 0.2)


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
def seeing(tmp_path: Path) -> Path:
    return untrained(tmp_path / "seeing", SEEING)


def finetune(trained: Path, out: str, *more: str, env: str = "Pendulum-v1") -> int:
    words = ["finetune", "--run", str(trained), "--env", env, "--out", str(trained.parent / out)]
    return main([*words, *SMALL.split(), *more])


def test_practice_leaves_a_checkpoint_a_log_and_a_curve_and_goes_on(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trained.parent / "out"
    assert finetune(trained, "out", "--steps", "500") == 0
    facts = read_checkpoint(out).facts["finetuned"]
    assert facts["env"] == "Pendulum-v1"
    assert facts["steps"] == 640
    assert {"checkpoint.safetensors", "log.csv", "practice.png"} <= {p.name for p in out.iterdir()}
    assert finetune(trained, "out") == 1
    assert "give --resume" in capsys.readouterr().err
    assert finetune(trained, "out", "--resume", "--steps", "900") == 0
    assert read_checkpoint(out).facts["finetuned"]["steps"] == 960


def test_dfp_says_what_the_best_of_several_chunks_brings_and_costs(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(trained, "out", "--algorithm", "dfp", "--steps", "200") == 0
    printed = capsys.readouterr().out
    assert "one chunk: success 0.00" in printed
    assert "the best of 16: success 0.00" in printed
    assert printed.count("ms a decision") == 2


def test_a_policy_for_another_environment_is_refused(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(trained, "out", env="Hopper-v5") == 1
    assert "Hopper-v5 has ('state_0'" in capsys.readouterr().err
    assert finetune(trained, "out", env="Pendul-v1") == 1
    assert "gymnasium cannot make 'Pendul-v1'" in capsys.readouterr().err
    assert not (trained.parent / "out").exists()


def test_a_policy_that_sees_practises_in_the_cell_and_goes_on_to_the_bit(seeing: Path) -> None:
    def practise(out: str, *more: str) -> Checkpoint:
        assert finetune(seeing, out, "--latent-time-constant-s", "0", *more, env="cell/reach") == 0
        return read_checkpoint(seeing.parent / out)

    whole = practise("whole", "--steps", "600")
    first = practise("parts", "--steps", "300")
    parts = practise("parts", "--resume", "--steps", "600")
    updates = [run.facts["finetuned"]["updates"] for run in (first, parts, whole)]
    assert 0 < updates[0] < updates[1] == updates[2]
    assert set(whole.tensors) == set(parts.tensors)
    for name, value in whole.tensors.items():
        torch.testing.assert_close(value, parts.tensors[name], rtol=0, atol=0)
    features = whole.tensors["practice/player/features/head_camera"]
    assert features.std(0).max() > 0


def test_what_a_policy_cannot_see_is_refused(
    seeing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(seeing, "out", env="Hopper-v5") == 1
    said = capsys.readouterr().err
    assert "sees through head_camera, and Hopper-v5 shows states alone" in said
    tail = replace(SEEING, cameras={"tail_camera": (24, 32)})
    assert finetune(untrained(seeing.parent / "tail", tail), "out", env="cell/reach") == 1
    assert "cell/reach has no camera tail_camera: it has " in capsys.readouterr().err
    twice = untrained(seeing.parent / "twice", SEEING, history=2)
    assert finetune(twice, "out", env="cell/reach") == 1
    assert "must take 1, train it with --n-obs-steps 1" in capsys.readouterr().err
