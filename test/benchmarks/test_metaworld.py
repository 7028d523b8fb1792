"""The Meta-World benchmark runs what is missing, plays what it trained, and counts fairly."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("metaworld", reason="metaworld is not installed")

from benchmarks.metaworld.chunk_player import EXECUTED, ChunkPlayer
from benchmarks.metaworld.demonstrations import record
from benchmarks.metaworld.run import draw, summary
from benchmarks.metaworld.training import (
    COLUMNS,
    EXPERT,
    KEY,
    METHODS,
    SUITES,
    ExpertJob,
    MetaworldJob,
    Suite,
    metaworld_jobs,
    run_metaworld,
)
from benchmarks.methods import select_methods
from dbp_ros.envs.hand_frame import HAND_FRAME_NAMES, to_hand_frame
from dbp_ros.envs.metaworld import ACTION_NAMES, MetaworldTask
from dbp_ros.evaluation.result_table import ResultTable

TWO_TASKS = Suite(("reach", "push"), (5, 10))


def table(folder: Path) -> ResultTable:
    return ResultTable(folder, "metaworld", COLUMNS, KEY)


def row(method: str, task: str, demos: int, seed: int, success: float) -> dict:
    known = {"method": method, "task": task, "demos": demos, "seed": seed, "success": success}
    return {**known, "episodes": 25, "nfe": 1, "train_s": 2.0, "latency_ms": 0.5}


def trainings(results: ResultTable, names: str, seeds: int = 1) -> list[MetaworldJob]:
    jobs = metaworld_jobs(select_methods(names), TWO_TASKS, seeds, results)
    return [job for job in jobs if isinstance(job, MetaworldJob)]


class Counter:
    """A policy whose chunks say when they were decided, at which step, and what was seen."""

    history = 2
    chunk_shape = (EXECUTED, len(ACTION_NAMES))

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def act(self, states, features, latent):
        self.seen.append(states.numpy())
        steps = torch.arange(EXECUTED)[:, None] + 100.0 * len(self.seen)
        return steps.expand(len(states), 1, *self.chunk_shape)


def test_every_method_task_count_and_seed_is_run_and_the_expert_once_a_task_and_seed(tmp_path):
    results = table(tmp_path)
    jobs = metaworld_jobs(select_methods(",".join(METHODS)), TWO_TASKS, 2, results)
    keys = [job.key(c) for job in jobs if isinstance(job, MetaworldJob) for c in job.methods]
    wanted = {
        (m, t, d, s) for m in METHODS for t in ("reach", "push") for d in (5, 10) for s in (0, 1)
    }
    assert {tuple(key.values()) for key in keys} == wanted
    assert len(keys) == len(wanted)
    experts = [job for job in jobs if isinstance(job, ExpertJob)]
    assert len(experts) == len(set(experts)) == 4


def test_the_passes_of_a_sampler_share_one_training(tmp_path):
    jobs = trainings(table(tmp_path), "ddim_100,ddim_10")
    assert {tuple(c.name for c in job.methods) for job in jobs} == {("ddim_100", "ddim_10")}


def test_a_seed_is_complete_before_the_next_begins(tmp_path):
    seeds = [
        job.seed for job in metaworld_jobs(select_methods("dbp"), TWO_TASKS, 3, table(tmp_path))
    ]
    assert seeds == sorted(seeds)


def test_what_the_table_has_is_not_run_again(tmp_path):
    results = table(tmp_path)
    results.add(row("ddim_10", "reach", 5, 0, 0.5))
    results.add(row("bc_mse", "push", 10, 0, 0.5))
    results.add(row(EXPERT, "push", 0, 0, 1.0))
    jobs = trainings(results, "ddim_100,ddim_10,bc_mse")
    left = [(c.name, job.task, job.demos) for job in jobs for c in job.methods]
    assert len(left) == 3 * 4 - 2
    assert ("ddim_10", "reach", 5) not in left
    assert ("ddim_100", "reach", 5) in left
    assert ("bc_mse", "push", 10) not in left
    assert ExpertJob("push", 0) not in metaworld_jobs(select_methods("dbp"), TWO_TASKS, 1, results)


def test_the_expert_is_judged_at_the_goals_of_the_evaluation():
    [judged] = run_metaworld(ExpertJob("button-press", 0))
    assert set(judged) == set(COLUMNS)
    assert (judged["success"], judged["episodes"], judged["method"]) == (1.0, 25, EXPERT)


def test_what_is_trained_on_is_what_is_seen_when_it_is_played(tmp_path):
    task = MetaworldTask("button-press", 0)
    known = record(task, 0, 3, tmp_path)
    assert known.state_names == HAND_FRAME_NAMES
    assert known.episodes == 3
    policy = Counter()
    task.rollout(ChunkPlayer(policy, 3, 0).act, [0, 1, 2], max_steps=1)
    starts = known.states[np.unique(known.first)]
    np.testing.assert_array_equal(policy.seen[0], np.repeat(starts[:, None], 2, axis=1))


def test_recorded_demonstrations_are_read_and_not_made_again(tmp_path):
    task = MetaworldTask("button-press", 0)
    first = record(task, 0, 2, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    again = record(task, 0, 5, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == files
    np.testing.assert_array_equal(again.states[: len(first.states)], first.states)


def test_a_chunk_is_executed_to_its_end_before_the_next_decision():
    policy = Counter()
    player = ChunkPlayer(policy, 2, 0)
    live = np.arange(2)
    states = [np.full((2, 39), step, np.float32) for step in range(2 * EXECUTED)]
    said = [player.act(state, live)[0, 0] for state in states]
    assert said == [100 + s for s in range(EXECUTED)] + [200 + s for s in range(EXECUTED)]


def test_the_policy_is_given_the_last_states_of_the_episodes_that_go_on():
    policy = Counter()
    player = ChunkPlayer(policy, 3, 0)
    states = np.random.default_rng(0).normal(size=(EXECUTED + 1, 3, 39)).astype(np.float32)
    for step in range(EXECUTED):
        player.act(states[step], np.arange(3))
    left = np.array([0, 2])
    player.act(states[EXECUTED, left], left)
    expected = to_hand_frame(states[EXECUTED - 1 :, left]).swapaxes(0, 1)
    np.testing.assert_array_equal(policy.seen[1], expected)


def test_the_standard_error_is_over_seeds_and_each_task_counts_the_same(tmp_path):
    results = table(tmp_path)
    for seed, (reach, push) in enumerate([(0.2, 0.6), (0.4, 0.8)]):
        results.add(row("dbp", "reach", 5, seed, reach))
        results.add(row("dbp", "push", 5, seed, push))
    results.add(row(EXPERT, "push", 0, 0, 0.92))
    shown, expert = summary(results)
    assert shown["5 demos"] == pytest.approx(0.5)
    assert shown["+- 5"] == pytest.approx(np.std([0.4, 0.6], ddof=1) / np.sqrt(2))
    assert expert["method"] == "expert, 0.92"
    assert set(expert) == set(shown)


def test_a_seed_that_lacks_a_task_is_not_counted(tmp_path):
    results = table(tmp_path)
    results.add(row("dbp", "reach", 5, 0, 0.2))
    results.add(row("dbp", "push", 5, 0, 0.6))
    results.add(row("dbp", "push", 5, 1, 1.0))
    [shown] = summary(results)
    assert shown["5 demos"] == pytest.approx(0.4)
    assert np.isnan(shown["+- 5"])


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_table_is_drawn_however_far_it_is(tmp_path, rows):
    results = table(tmp_path)
    for made in [
        row(EXPERT, "reach", 0, 0, 1.0),
        row("dbp", "reach", 5, 0, 0.2),
        row("bc_mse", "push", 10, 1, 0.2),
    ][:rows]:
        results.add(made)
    assert draw(results).read_bytes().startswith(b"\x89PNG")
    assert len(summary(results)) == rows


def test_the_suites_grow():
    assert set(SUITES["smoke"].tasks) < set(SUITES["standard"].tasks)
    assert len(SUITES["paper"].tasks) == 34
