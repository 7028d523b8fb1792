"""The Meta-World benchmark runs missing jobs, executes chunks and averages over tasks and seeds."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("metaworld", reason="metaworld is not installed")

from benchmarks.metaworld.demonstrations import record
from benchmarks.metaworld.run import plot, summary
from benchmarks.metaworld.training import (
    COLUMNS,
    EXPERT,
    KEY,
    METHODS,
    SUITES,
    ExpertJob,
    GoalsSpec,
    MetaworldJob,
    Suite,
    metaworld_jobs,
    run_metaworld,
)
from benchmarks.methods import select_methods
from dbp_ros.envs.hand_frame import HAND_FRAME_NAMES, to_hand_frame
from dbp_ros.envs.metaworld_env import MetaworldEnv, sample_goals
from dbp_ros.envs.metaworld_tasks import EVALUATION_GOALS, MetaworldTask
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


def test_every_combination_is_run_and_the_expert_once_per_task_and_seed(tmp_path):
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


def test_the_inference_steps_of_a_sampler_share_one_training(tmp_path):
    jobs = trainings(table(tmp_path), "ddim_100,ddim_10")
    assert {tuple(c.name for c in job.methods) for job in jobs} == {("ddim_100", "ddim_10")}


def test_a_seed_is_complete_before_the_next_begins(tmp_path):
    seeds = [
        job.seed for job in metaworld_jobs(select_methods("dbp"), TWO_TASKS, 3, table(tmp_path))
    ]
    assert seeds == sorted(seeds)


def test_runs_in_the_table_are_not_repeated(tmp_path):
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


def test_the_expert_is_evaluated_at_the_evaluation_goals():
    [scores] = run_metaworld(ExpertJob("button-press", 0))
    assert set(scores) == set(COLUMNS)
    assert (scores["success"], scores["episodes"], scores["method"]) == (1.0, 25, EXPERT)


def test_training_and_evaluation_use_the_same_observation(tmp_path):
    demonstrations = record(MetaworldTask("button-press", 0), 0, 3, tmp_path)
    assert demonstrations.state_names == HAND_FRAME_NAMES == MetaworldEnv.state_names
    assert demonstrations.episodes == 3
    env = MetaworldEnv("button-press", True, sample_goals("button-press", 0)[:3])
    starts = demonstrations.states[np.unique(demonstrations.first)]
    np.testing.assert_array_equal(starts, [env.reset(goal) for goal in range(3)])


def test_the_evaluation_goals_are_those_of_the_seed():
    task, env = MetaworldTask("button-press", 5), GoalsSpec("button-press", goals_seed=5).make()
    shown = [task.demonstrate(goal).states[0] for goal in EVALUATION_GOALS[:2]]
    np.testing.assert_array_equal([env.reset(0), env.reset(1)], to_hand_frame(np.array(shown)))


def test_recorded_demonstrations_are_reused(tmp_path):
    task = MetaworldTask("button-press", 0)
    first = record(task, 0, 2, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    again = record(task, 0, 5, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")} == files
    np.testing.assert_array_equal(again.states[: len(first.states)], first.states)


def test_the_standard_error_is_over_seeds_and_tasks_have_equal_weight(tmp_path):
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


def test_a_seed_without_all_tasks_is_excluded(tmp_path):
    results = table(tmp_path)
    results.add(row("dbp", "reach", 5, 0, 0.2))
    results.add(row("dbp", "push", 5, 0, 0.6))
    results.add(row("dbp", "push", 5, 1, 1.0))
    [shown] = summary(results)
    assert shown["5 demos"] == pytest.approx(0.4)
    assert np.isnan(shown["+- 5"])


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_an_incomplete_table_is_plotted(tmp_path, rows):
    results = table(tmp_path)
    for result in [
        row(EXPERT, "reach", 0, 0, 1.0),
        row("dbp", "reach", 5, 0, 0.2),
        row("bc_mse", "push", 10, 1, 0.2),
    ][:rows]:
        results.add(result)
    assert plot(results).read_bytes().startswith(b"\x89PNG")
    assert len(summary(results)) == rows


def test_each_suite_contains_the_smaller_ones():
    assert set(SUITES["smoke"].tasks) < set(SUITES["standard"].tasks)
    assert len(SUITES["paper"].tasks) == 34
