"""A learner starts from a shipped model, and its episodes follow one another by themselves."""

import shutil
from pathlib import Path

import pytest
import yaml

from dbp_ros.data.bags.bag import read_bag
from dbp_ros.data.recording.recorder import bag_numbers, bag_path
from dbp_ros.evaluation.running_stack import running_stack
from dbp_ros.guard_state import GuardMode, GuardState
from dbp_ros.nodes.learning_episode_runner import LearningEpisodeRunner

LIMIT_S = 240.0
EPISODES = 2
DECISIONS = 16
TASK = "transport"


def write_config(root: Path, folder: Path) -> Path:
    """Copy the parameter files, with small updates."""
    config = Path(shutil.copytree(root / "config", folder / "config"))
    path = config / "learner.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["/**"]["ros__parameters"] |= {
        "out": str(folder / "learner"),
        "decisions_per_update": DECISIONS,
        "finetune": {"critic_warmup_updates": 1},
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return config


@pytest.mark.timeout(400)
def test_a_learner_starts_from_a_shipped_model_without_an_operator(
    root: Path, tmp_path: Path
) -> None:
    config = write_config(root, tmp_path)
    flags = ("--learner", "--enable-control", "--config", str(config))
    stack = (TASK, TASK, tmp_path, LearningEpisodeRunner, lambda _: None, flags, LIMIT_S)
    with running_stack(*stack) as runner:
        runner.activate_policy(True)
        seen: list[str] = []

        def learned() -> bool:
            state = runner.states["learner"]
            if state not in seen[-1:]:
                seen.append(state)
            return runner.version >= 2 and len(bag_numbers(episodes)) >= EPISODES

        episodes = tmp_path / "learner" / "episodes"
        runner.wait_for(learned, "a new version", LIMIT_S)
        learner = runner.statistics("learner")
    print(*seen, sep="\n")
    assert any("for update 1 (the first 1 train the critic only)" in state for state in seen)
    assert any("waiting for the next episode" in state for state in seen)
    assert 0 < learner["learner"]["largest_likelihood_difference"] <= 1e-4
    bags = [read_bag(bag_path(episodes, number)) for number in bag_numbers(episodes)]
    assert all(bag.messages["decision"] for bag in bags), "an episode without decisions"
    # The first reset of the simulation can end an episode before the guard follows its decision.
    long = [bag for bag in bags if len(bag.messages["decision"]) >= DECISIONS]
    assert long, "no episode as long as an update"
    for bag in long:
        states = [GuardState.parse(m.data) for _, m in bag.messages["guard_state"]]
        assert any(state.mode is GuardMode.TRACKING for state in states)
