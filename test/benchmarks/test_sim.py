"""`dbp bench sim` records demonstrations once, trains missing runs and summarises them."""

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
    bench_sim.register(parser)
    arguments = parser.parse_args([*map(str, words)])
    return arguments.run(arguments)


def table_in(folder):
    return ResultTable(folder, "sim", COLUMNS, KEY)


@pytest.fixture(scope="module")
def result_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim")
    assert command(*TINY, "--out", folder) == 0
    return folder


def test_each_run_has_a_row_and_the_table_is_plotted(result_folder):
    rows = table_in(result_folder).rows
    assert [(row["observation"], row["demos"], row["nfe"]) for row in rows] == [
        ("state", "2", "1"),
        ("image", "2", "1"),
    ]
    assert all(float(row["success"]) in (0, 1) and float(row["train_s"]) > 0 for row in rows)
    assert (result_folder / "sim.png").stat().st_size > 10_000


def test_state_and_image_policies_learn_from_the_same_motions(result_folder):
    state, image = (
        result_folder / "demonstrations" / f"lift_{name}" for name in ("state", "image")
    )
    for state_path, image_path in zip(episode_paths(state), episode_paths(image), strict=True):
        states, images = read_episode(state_path), read_episode(image_path)
        assert (states.actions == images.actions).all()
        assert not states.images
        assert {image.shape[1:] for image in images.images.values()} == {(84, 84, 3)}
        assert len(images.images) == 3
        assert set(states.state_names) - set(images.state_names) == {
            name for name in states.state_names if name.startswith("cube")
        }


def test_a_complete_table_is_not_run_again(result_folder, capsys):
    stamps = {
        path: path.stat().st_mtime_ns for path in (result_folder / "demonstrations").rglob("*.npz")
    }
    before = (result_folder / "sim.csv").read_text()
    assert command(*TINY, "--out", result_folder) == 0
    assert (result_folder / "sim.csv").read_text() == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert "state, 2 demonstrations" in capsys.readouterr().out


def test_methods_with_equal_training_share_a_run_and_only_missing_ones_remain(tmp_path):
    methods, table = select_methods("ddim_100,ddim_10,dbp"), table_in(tmp_path)
    jobs = sim_jobs(methods, SMOKE, 2, table)
    assert [len(job.methods) for job in jobs] == [2, 1, 2, 1]
    done = jobs[0].key(jobs[0].methods[1])
    table.add({**dict.fromkeys(COLUMNS, 0), **done})
    names = [[c.name for c in job.methods] for job in sim_jobs(methods, SMOKE, 2, table)]
    assert names == [["ddim_100"], ["dbp"], ["ddim_100", "ddim_10"], ["dbp"]]


def test_a_run_with_another_number_of_updates_is_a_separate_run(tmp_path):
    methods, table = select_methods("dbp"), table_in(tmp_path)
    [job] = sim_jobs(methods, SMOKE, 1, table)
    key = job.key(methods[0])
    table.add({**dict.fromkeys(COLUMNS, 0), **key, "updates": key["updates"] + 1})
    assert sim_jobs(methods, SMOKE, 1, table) == [job]


def test_the_summary_averages_over_seeds_of_equal_runs_only(tmp_path):
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
def test_an_invalid_command_line_is_explained(tmp_path, words, why):
    with pytest.raises(ConfigError, match=why):
        command(*words, "--out", tmp_path)


def test_the_default_is_all_tasks_from_states_and_images():
    standard = SUITES["standard"]
    assert set(standard.tasks) == {"lift", "can", "transport"}
    assert standard.observations == ("state", "image")
    assert len(select_methods(",".join(METHODS))) == 3
