"""Conditions, process usage, reports and requirements of the rate benchmark."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from benchmarks.rate.conditions import CONDITIONS, background_load, parse_condition, write_config
from benchmarks.rate.process_usage import usage_below
from benchmarks.rate.report import unmet_requirements
from benchmarks.rate.run import COLUMNS, read_reports, write_reports
from dbp_ros.errors import ConfigError

MET = {
    **dict.fromkeys(COLUMNS, ""),
    "condition": "84-idle",
    "decision_rate_hz": "125.0",
    "command_rate_hz": "500.0",
    "missed_decisions": "0",
    "missed_commands": "0",
    "reaction_p50_ms": "9.4",
    "command_error_p999_ms": "0.6",
    "floor_error_p999_ms": "0.2",
}


def test_a_condition_is_a_size_and_a_load() -> None:
    assert len(CONDITIONS) == 8
    found = parse_condition("640-record")
    assert [parse_condition(f"84-{load}").records for load in ("idle", "record", "pages")] == [
        False,
        True,
        True,
    ]
    assert (found.size, found.load) == ((480, 640), "record")
    with pytest.raises(ConfigError, match="'1080-idle' is unknown: use some of 84-idle, 84-swap"):
        parse_condition("1080-idle")


def test_large_images_are_rendered_small(tmp_path: Path) -> None:
    folder = write_config(parse_condition("640-idle"), tmp_path / "config")
    document = yaml.safe_load((folder / "simulation.yaml").read_text())
    settings = document["/**"]["ros__parameters"]
    assert (settings["image_height"], settings["image_width"]) == (480, 640)
    assert (settings["render_height"], settings["render_width"]) == (84, 84)
    assert settings["camera_rate_hz"] == 30.0
    assert (folder / "guard.yaml").exists()


def test_the_cpu_load_runs_as_long_as_the_block(tmp_path: Path) -> None:
    def cpu_loads() -> list[str]:
        words = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True).stdout
        mine = (line.split() for line in words.splitlines())
        return [
            line
            for line in mine
            if line[0] == str(os.getpid()) and "benchmarks.rate.cpu_load" in line
        ]

    with background_load(parse_condition("84-hog"), tmp_path):
        assert len(cpu_loads()) == 1
    assert not cpu_loads()


def test_usage_is_measured_by_node_without_other_processes() -> None:
    burn = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    words = [sys.executable, "-c", burn, "dbp_ros.nodes.policy_node"]
    with subprocess.Popen(words) as process:
        try:
            time.sleep(0.2)
            before = usage_below(os.getpid())
            time.sleep(1.0)
            after = usage_below(os.getpid())
        finally:
            process.kill()
    assert set(after.cpu_s) == {"policy"}
    assert 0.0 < after.cores_since(before)["policy"] < 1.5
    assert after.memory_mb["policy"] > 1


def test_the_first_condition_is_the_top_level_report(tmp_path: Path) -> None:
    reports = {"84-idle": {"decision_rate_hz": 125.0}, "84-hog": {"decision_rate_hz": 124.0}}
    write_reports(tmp_path, reports)
    assert read_reports(tmp_path) == reports
    assert '"decision_rate_hz": 125.0' in (tmp_path / "rate.json").read_text().split("cond")[0]


def test_only_requirements_that_are_not_met_are_listed() -> None:
    assert unmet_requirements(MET) == []
    broken = {
        "decision_rate_hz": "120.0",
        "command_rate_hz": "490.0",
        "missed_commands": "2",
        "command_error_p999_ms": "0.9",
        "reaction_p50_ms": "40",
    }
    assert unmet_requirements({**MET, **broken}) == [
        "84-idle: 120.0 decisions per second, expected 125",
        "84-idle: 490.0 commands per second, expected 500",
        "84-idle: 2 missed commands",
        "84-idle: command period error p99.9 is 0.70 ms above the reference loop, "
        "expected at most 0.5",
        "84-idle: image to command latency p50 is 40 ms, expected at most 9.5",
    ]
