"""`dbp bench sim` records once, trains what is missing, and says what came of it."""

import argparse

import pytest

from benchmarks.methods import select_methods
from benchmarks.sim import run as bench_sim
from benchmarks.sim.run import groups, summary
from benchmarks.sim.training import COLUMNS, KEY, METHODS, SUITES, sim_jobs
from dbp_ros.data.episode import episode_paths, read_episode
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable

SMOKE = SUITES["smoke"]
TINY = (
    *("--tasks", "lift", "--demos", 2, "--episodes", 1, "--updates", 3, "--seeds", 1),
    *("--observations", "state,image", "--methods", "bc_mse"),
)


def command(*words):
    """Run the benchmark as the `dbp` command does."""
    parser = argparse.ArgumentParser()
    bench_sim.register(parser.add_subparsers())
    arguments = parser.parse_args(["sim", *map(str, words)])
    return arguments.run(arguments)


def table_in(folder):
    return ResultTable(folder, "sim", COLUMNS, KEY)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim")
    assert command(*TINY, "--out", folder) == 0
    return folder


def test_there_is_a_row_for_each_run_and_a_picture(ran):
    rows = table_in(ran).rows
    assert [(row["observation"], row["demos"], row["nfe"]) for row in rows] == [
        ("state", "2", "1"),
        ("image", "2", "1"),
    ]
    assert all(float(row["success"]) in (0, 1) and float(row["train_s"]) > 0 for row in rows)
    assert (ran / "sim.png").stat().st_size > 10_000


def test_both_kinds_of_policies_learn_from_the_same_motions(ran):
    state, image = (ran / "demonstrations" / f"lift_{kind}" for kind in ("state", "image"))
    for blind, seeing in zip(episode_paths(state), episode_paths(image), strict=True):
        told, seen = read_episode(blind), read_episode(seeing)
        assert (told.actions == seen.actions).all()
        assert not told.images
        assert {image.shape[1:] for image in seen.images.values()} == {(84, 84, 3)}
        assert len(seen.images) == 3
        assert set(told.state_names) - set(seen.state_names) == {
            name for name in told.state_names if name.startswith("cube")
        }


def test_a_second_run_has_nothing_left_to_do(ran, capsys):
    stamps = {path: path.stat().st_mtime_ns for path in (ran / "demonstrations").rglob("*.npz")}
    before = (ran / "sim.csv").read_text()
    assert command(*TINY, "--out", ran) == 0
    assert (ran / "sim.csv").read_text() == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert "state, 2 demonstrations" in capsys.readouterr().out


def test_methods_that_train_alike_share_a_run_and_lack_only_what_is_missing(tmp_path):
    chosen, table = select_methods("ddim_100,ddim_10,dbp"), table_in(tmp_path)
    jobs = sim_jobs(chosen, SMOKE, 2, table)
    assert [len(job.methods) for job in jobs] == [2, 1, 2, 1]
    done = jobs[0].key(jobs[0].methods[1])
    table.add({**dict.fromkeys(COLUMNS, 0), **done})
    names = [[c.name for c in job.methods] for job in sim_jobs(chosen, SMOKE, 2, table)]
    assert names == [["ddim_100"], ["dbp"], ["ddim_100", "ddim_10"], ["dbp"]]


def test_runs_of_other_length_are_other_runs(tmp_path):
    chosen, table = select_methods("dbp"), table_in(tmp_path)
    [job] = sim_jobs(chosen, SMOKE, 1, table)
    key = job.key(chosen[0])
    table.add({**dict.fromkeys(COLUMNS, 0), **key, "updates": key["updates"] + 1})
    assert sim_jobs(chosen, SMOKE, 1, table) == [job]


def test_the_summary_takes_means_over_seeds_of_like_runs_only(tmp_path):
    table = table_in(tmp_path)
    row = {"method": "dbp", "task": "lift", "observation": "state", "demos": 50, "nfe": 1}
    row |= {"episodes": 25, "train_s": 2.0, "latency_ms": 1.0}
    for updates, seed, success in ((10, 0, 0.2), (10, 1, 0.4), (20, 0, 1.0)):
        table.add({**row, "updates": updates, "seed": seed, "success": success})
    short, long = groups(table)
    assert summary(table, short)[0]["lift"] == "0.30±0.10"
    assert summary(table, short)[0]["seeds"] == 2
    assert summary(table, long)[0]["lift"] == "1.00"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--tasks", "lift,juggle"), "'juggle': use some of reach, lift, can, transport"),
        (("--observations", "touch"), "'touch': use some of state, image"),
        (("--demos", 0), "--demos 0, expected at least 1"),
        (("--methods", "magic"), "no method 'magic'"),
    ],
)
def test_a_wrong_command_line_is_explained(tmp_path, words, why):
    with pytest.raises(ConfigError, match=why):
        command(*words, "--out", tmp_path)


def test_the_default_is_all_tasks_by_states_and_by_pictures():
    standard = SUITES["standard"]
    assert set(standard.tasks) == {"lift", "can", "transport"}
    assert standard.observations == ("state", "image")
    assert len(select_methods(",".join(METHODS))) == 3
