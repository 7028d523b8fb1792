"""Execution modes of chunks, their jerk and their summary."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.chunks import (
    COLUMNS,
    KEY,
    MODES,
    NAME,
    ChunksConfig,
    missing_episodes,
    mode_settings,
    plot,
    summary,
)
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator, rms_jerk
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig


def filled(folder: Path) -> ResultTable:
    table = ResultTable(folder, NAME, COLUMNS, KEY)
    for index, mode in enumerate(MODES):
        for seed in (0, 1):
            row = {"way": mode, "seed": seed, "success": seed, "duration_s": 3.0 + index}
            row |= {"moved": "left", "decisions": 9, "decision_rate_hz": 3.0}
            table.add(row | {"jerk": 10.0 * (index + 1), "limited": 0.5})
    return table


def test_jerk_of_a_cubic() -> None:
    times_s = np.arange(0, 1, 0.01)
    positions = np.stack([times_s**3, 2 * times_s**3], axis=1)
    assert rms_jerk(positions, 0.01) == pytest.approx(6 * np.sqrt((1 + 4) / 2), rel=1e-6)


def test_a_motion_at_constant_acceleration_has_no_jerk() -> None:
    times_s = np.arange(0, 1, 0.01)
    assert rms_jerk((times_s**2)[:, None], 0.01) == pytest.approx(0, abs=1e-6)
    assert rms_jerk(times_s[:3, None], 0.01) == 0.0


def test_a_mode_changes_only_the_decision_rate_and_the_latent() -> None:
    bundle = read_bundle(bundle_directory("lift"))
    assert mode_settings(MODES["every decision"], bundle) == (PolicyConfig(), GuardConfig())
    policy, guard = mode_settings(MODES["whole chunks"], bundle)
    assert policy.decision_rate_hz == pytest.approx(1 / (8 * bundle.manifest.action.step_s))
    assert policy.earliest_decision == 1.0
    assert guard.chunk_timeout_s > 1 / policy.decision_rate_hz
    assert mode_settings(MODES["latent held"], bundle)[0].latent_time_constant_s == 0.0


def test_whole_chunks_lower_the_decision_rate() -> None:
    model = Model(read_bundle(bundle_directory("lift")))
    rates_hz = {}
    for name in ("every decision", "whole chunks"):
        settings = mode_settings(MODES[name], model.bundle)
        outcome = PolicyEvaluator(model, "lift", *settings, "raycast").run_episode(100_000)
        # The first decision is at the start.
        rates_hz[name] = (outcome.decisions - 1) / outcome.duration_s
        assert outcome.jerk > 0
    assert rates_hz["every decision"] >= DECISION_RATE_HZ
    assert 3 < rates_hz["whole chunks"] < 4


def test_only_missing_episodes_are_run_ordered_by_seed(tmp_path: Path) -> None:
    table = filled(tmp_path)
    left = missing_episodes(ChunksConfig(episodes=3, seed=0), table)
    assert left == [(mode, 2) for mode in MODES]
    assert missing_episodes(ChunksConfig(episodes=2, seed=0), table) == []


def test_the_table_is_summarised_and_plotted(tmp_path: Path) -> None:
    table = filled(tmp_path)
    rows = summary(table)
    assert [row["mode"] for row in rows] == list(MODES)
    assert rows[0]["success"].startswith("0.5 (0.0")
    assert plot(table).stat().st_size > 1000
