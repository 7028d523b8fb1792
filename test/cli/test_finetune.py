"""`dbp finetune`, from a training run to a practised one."""

from pathlib import Path

import pytest
import torch

from dbp_ros.cli.main import main
from dbp_ros.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.policy import Policy, PolicyShape

# Pendulum's: three states, one action, a step of 0.05 s, episodes of 200.
SHAPE = PolicyShape(("state_0", "state_1", "state_2"), ("action_0",), {}, {}, 0.05)
SMALL = "--environments 4 --decisions 10 --judge-episodes 2 --judge-every 2 --critic-warm-up 0"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = TrainConfig(horizon=4, width=16, branch_width=16, depth=1)
    weights = Policy(SHAPE, config).state_dict()
    tensors = {f"average/{name}": value for name, value in weights.items()}
    write_checkpoint(tmp_path / "trained", Checkpoint(config, SHAPE, {}, tensors))
    return tmp_path / "trained"


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
