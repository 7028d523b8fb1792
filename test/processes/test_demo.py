"""`dbp demo` with the shipped model writes a complete report."""

import json
from pathlib import Path

import pytest
from processes.dbp_command import REPORT_KEYS, output_with_logs, run_dbp

from dbp_ros.errors import DbpError
from dbp_ros.evaluation.running_stack import running_stack
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.sim.tasks.can import Can


def test_the_demo_runs_an_episode_and_reports_it(tmp_path: Path) -> None:
    result = run_dbp("demo", "--episodes", 1, "--film", 1, "--out", tmp_path)
    assert (tmp_path / "report.json").exists(), output_with_logs(result, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report) >= REPORT_KEYS
    assert report["episodes"] == 1
    assert report["decisions"] > 50
    assert report["commands"] > 100
    assert set(report["command_period_error_ms"]) == {"p50", "p99", "p999", "max"}
    assert (tmp_path / "latency.png").stat().st_size > 1000
    assert (tmp_path / "head_camera.gif").stat().st_size > 1000
    assert "1/1" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_a_running_cell_changes_its_task_at_the_next_reset(tmp_path: Path) -> None:
    stack = "lift", PolicyConfig.model, tmp_path, ModelPusher, lambda _: None
    with running_stack(*stack) as runner:
        runner.set_task("can")
        assert runner.statistics("simulation")["task"] == "lift"
        runner.reset()
        statistics = runner.statistics("simulation")
        assert (statistics["task"], statistics["time_limit_s"]) == ("can", Can.time_limit_s)
        assert runner.states["simulation"].startswith("can, seed")
        runner.record_frames("head_camera")
        runner.wait_for(lambda: len(runner.frames) > 10, "images of the new task")
        with pytest.raises(DbpError, match="no task 'nowhere'"):
            runner.set_task("nowhere")


def test_a_demo_of_all_tasks_needs_all_models(tmp_path: Path) -> None:
    result = run_dbp("demo", "--task", "all", "--model", "lift", "--out", tmp_path)
    assert result.returncode == 1
    assert "each task has its own: leave it empty" in result.stderr


def test_a_demo_with_an_unknown_model_is_an_error(tmp_path: Path) -> None:
    result = run_dbp("demo", "--model", "nowhere", "--out", tmp_path)
    assert result.returncode == 1
    assert "nowhere is not a model bundle" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1
