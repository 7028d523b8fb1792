"""`dbp collect`, `evaluate` and `finetune` in an environment of the user's module."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from own_environment_module import line_of, write_module

from dbp_ros.cli.main import main
from dbp_ros.data.episode import episode_path, episode_paths, read_episode
from dbp_ros.learning.checkpoint import read_checkpoint

MODULE = "module_of_command_tests"
ENV = f"{MODULE}:OwnPoint-v0"
NETWORK = "--num-steps 20 --horizon 4 --width 16 --branch-width 16 --depth 1 --batch-size 8"
FINETUNE = "--num-envs 2 --decisions-per-env 4 --eval-episodes 2 --steps 16 --n-action-steps 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory, which holds the module."""
    folder, path = tmp_path_factory.mktemp("own"), sys.path.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_module(folder, MODULE)
        yield folder
    sys.path[:] = path


def dbp(line: str) -> int:
    return main(line.format(env=ENV, module=MODULE).split())


COLLECT = "collect --env {env} --demonstrator {module}:expert --workers 1 --out data"


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Path:
    assert dbp(f"{COLLECT} --episodes 6") == 0
    return folder / "data"


@pytest.fixture(scope="module")
def run(recorded: Path) -> Path:
    run = recorded.parent / "run"
    assert dbp(f"train --data {recorded} --out {run} {NETWORK} --threads 1") == 0
    return run


@pytest.fixture(scope="module")
def bundle(run: Path) -> Path:
    bundle = run.parent / "bundle"
    data = run.parent / "data"
    assert dbp(f"export --run {run} --data {data} --out {bundle} --name point") == 0
    return bundle


def test_episodes_of_a_demonstrator_are_recorded_in_the_own_format(recorded: Path) -> None:
    episodes = [read_episode(path) for path in episode_paths(recorded)]
    assert [episode.seed for episode in episodes] == [0, 1, 2, 3, 4, 5]
    first = episodes[0]
    assert (first.task, first.outcome, first.step_s) == (ENV, "success", 0.1)
    assert first.state_names == ("state.0", "state.1", "state.2", "state.3")
    moved = first.states[:-1, :2] + 0.2 * first.actions[:-1]
    np.testing.assert_allclose(first.states[1:, :2], moved, atol=1e-6)
    assert np.diff(first.stamps_ns).tolist() == [100_000_000] * (len(first) - 1)
    description = yaml.safe_load((recorded / "dataset.yaml").read_text())
    assert description["step_source"] == "1 / metadata['render_fps']"
    (part,) = description["parts"]
    assert (part["episodes"], part["demonstrator"]) == (6, f"{MODULE}:expert")


def test_the_same_command_records_only_what_is_missing(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    present, lost = episode_path(recorded, 0), episode_path(recorded, 1)
    before, written = read_episode(lost), present.stat().st_mtime_ns
    lost.unlink()
    assert dbp(f"{COLLECT} --episodes 6") == 0
    assert present.stat().st_mtime_ns == written
    np.testing.assert_array_equal(read_episode(lost).actions, before.actions)
    printed = capsys.readouterr().out
    assert "control step 0.1 s from 1 / metadata['render_fps']" in printed
    assert "success is read from terminated" in printed
    assert "6 of 6 episodes succeed" in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--seed 1", "has seed 0, this command would record 1: use another --out"),
        ("--demonstrator {module}:Expert", "were recorded with demonstrator"),
        ("--step-s 0.2", "has steps [s] 0.1, this command would record 0.2"),
        ("--columns state.0=x", "has states ('state.0', 'state.1'"),
    ],
)
def test_other_settings_are_refused_for_recorded_episodes(
    recorded: Path, flags: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (recorded / "dataset.yaml").read_text()
    assert dbp(f"{COLLECT} --episodes 6 {flags}") == 2
    assert message in " ".join(capsys.readouterr().out.split())
    assert (recorded / "dataset.yaml").read_text() == before


def test_images_are_recorded_and_failures_are_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "collect --env {module}:Seen --demonstrator {module}:still --out seen --episodes 2"
    (folder / f"{MODULE}_still.py").write_text("def still(observation):\n    return [0.0, 0.0]\n")
    words = words.replace("{module}:still", "{module}_still:still") + " --max-episode-steps 5"
    assert dbp(words) == 1
    assert not list((folder / "seen").glob("episode_*"))
    assert "0 of 2 episodes succeed" in capsys.readouterr().out
    assert dbp(f"{words} --success truncated --first 2".replace("seen", "seen2")) == 0
    episode = read_episode(episode_path(folder / "seen2", 2))
    assert episode.images["top"].shape == (5, 4, 6, 3)
    assert episode.state_names == ("agent.pos.0", "agent.pos.1")


def test_an_object_with_a_method_act_is_reset_with_the_seed(folder: Path) -> None:
    words = "collect --env {env} --demonstrator {module}:Expert --out object --episodes 2"
    assert dbp(f"{words} --seed 40 --workers 1") == 0
    assert [read_episode(path).seed for path in episode_paths(folder / "object")] == [40, 41]


def test_clipped_actions_are_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "collect --env {env} --demonstrator {module}:strong_expert --out clipped --episodes 1"
    assert dbp(words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "actions exceeded their bounds, by up to " in printed
    episode = read_episode(episode_path(folder / "clipped", 0))
    assert np.abs(episode.actions).max() == 1.0


def test_a_policy_is_evaluated_with_intervals_and_the_same_seeds_give_the_same_outcomes(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"evaluate --env {{env}} --model {bundle} --episodes 4 --seed 7"
    capsys.readouterr()
    assert dbp(f"{words} --workers 1 --out one.json") == 0
    printed = capsys.readouterr().out
    assert f"{ENV}: " in printed
    assert printed.count("95 % interval") == 2
    assert dbp(f"{words} --workers 2 --out two.json") == 0
    one, two = (json.loads((bundle.parent / f"{n}.json").read_text()) for n in ("one", "two"))
    assert one == two
    assert [outcome["seed"] for outcome in one] == [7, 8, 9, 10]
    assert all(0 < outcome["steps"] <= 40 for outcome in one)


def test_the_executed_points_of_a_chunk_are_chosen(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"evaluate --env {{env}} --model {bundle} --episodes 1 --workers 1"
    assert dbp(f"{words} --n-action-steps 4") == 0
    assert dbp(f"{words} --n-action-steps 5") == 1
    assert "--n-action-steps 5: a chunk of model point has 4 points" in capsys.readouterr().err


def test_a_policy_is_recorded_in_place_of_a_demonstrator(bundle: Path) -> None:
    words = f"collect --env {{env}} --policy {bundle} --out rolled --episodes 2"
    assert dbp(f"{words} --max-episode-steps 4 --success truncated --workers 1") == 0
    recorded = [read_episode(path) for path in episode_paths(bundle.parent / "rolled")]
    assert [len(episode) for episode in recorded] == [4, 4]
    assert all(episode.by_policy.all() for episode in recorded)


def test_a_policy_is_fine_tuned(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run.parent / "tuned"
    assert dbp(f"finetune --run {run} --env {{env}} --out {out} {FINETUNE}") == 0
    assert "control step 0.1 s" in capsys.readouterr().out
    tuned = read_checkpoint(out).metadata["finetuned"]
    assert (tuned["env"], tuned["steps"]) == (ENV, 16)
    (command,) = tuned["commands"]
    assert command.startswith(f"dbp finetune --env {ENV} --out tuned --run run ")


def test_a_policy_of_other_columns_is_matched_by_a_renaming(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"evaluate --env {{module}}:Named --model {bundle} --episodes 1 --workers 1"
    words += " --max-episode-steps 9"
    assert dbp(words) == 2
    error = capsys.readouterr().err
    assert "the policy has 4 states, state.0, state.1, state.2, state.3" in error
    assert "has 4, x, y, goal_x, goal_y" in error
    names = "x=state.0 y=state.1 goal_x=state.2 goal_y=state.3 vx=action.0 vy=action.1"
    assert dbp(f"{words} --columns {names}") == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("collect --env {module}:FailsInStep --demonstrator {module}:expert", "battery empty ("),
        ("collect --env {env} --demonstrator {module}:three_armed_expert", "expected 2 finite num"),
        ("collect --env {env} --demonstrator {module}:gymnasium", "expected a function of an obs"),
        ("collect --env {env}", "--demonstrator none and --policy none: expected one of them"),
        ("collect --env cell/lift --demonstrator {module}:expert", "for the simulated cell give"),
        ("collect --env {env} --demonstrator {module}:expert --size 16", "--size is for the simul"),
        ("collect --task lift --step-s 0.1", "--step-s needs --env: leave it out"),
        ("collect --task lift --demonstrator {module}:expert", "--demonstrator needs --env"),
        ("collect --env {module}:FailsInReset --demonstrator {module}:expert", "no such room"),
        ("evaluate --env no_such_module:X", "there is no module 'no_such_module'"),
        ("evaluate --env {env} --task lift", "--task is for the simulated cell and not for --env"),
        ("evaluate --n-action-steps 2", "--n-action-steps needs --env"),
        ("evaluate --env cell/lift", "give --task lift, which also runs the guard"),
    ],
)
def test_a_command_that_cannot_work_is_one_sentence(
    folder: Path, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if line.startswith("collect"):
        line += " --episodes 1 --workers 1 --out refused"
    assert dbp(line) in (1, 2)
    printed = capsys.readouterr()
    assert message in " ".join((printed.out + printed.err).split())
    assert "Traceback" not in printed.err
    assert not list((folder / "refused").glob("episode_*"))


def test_an_exception_of_a_demonstrator_has_its_own_file_and_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "collect --env {env} --demonstrator {module}:confused_expert --out failed --episodes 1"
    assert dbp(words) == 2
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{MODULE}:confused_expert raised IndexError: only integers" in printed
    assert f"({folder / MODULE}.py:{line_of('expert')})" in printed
