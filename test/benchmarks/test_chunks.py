"""Ways to join chunks are settings of the same policy and guard, and smoothness is a number."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.chunks import (
    COLUMNS,
    KEY,
    NAME,
    WAYS,
    ChunksConfig,
    draw,
    missing,
    settings_of,
    summary,
    wilson,
)
from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator, rms_jerk
from dbp_ros.evaluation.result_table import ResultTable
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import DECISION_RATE_HZ, PolicyConfig


def filled(folder: Path) -> ResultTable:
    table = ResultTable(folder, NAME, COLUMNS, KEY)
    for place, way in enumerate(WAYS):
        for seed in (0, 1):
            row = {"way": way, "seed": seed, "success": seed, "duration_s": 3.0 + place}
            row |= {"moved": "left", "decisions": 9, "decision_rate_hz": 3.0}
            table.add(row | {"jerk": 10.0 * (place + 1), "limited": 0.5})
    return table


def test_jerk_is_that_of_a_cubic() -> None:
    times_s = np.arange(0, 1, 0.01)
    way = np.stack([times_s**3, 2 * times_s**3], axis=1)
    assert rms_jerk(way, 0.01) == pytest.approx(6 * np.sqrt((1 + 4) / 2), rel=1e-6)


def test_a_motion_at_constant_acceleration_has_no_jerk() -> None:
    times_s = np.arange(0, 1, 0.01)
    assert rms_jerk((times_s**2)[:, None], 0.01) == pytest.approx(0, abs=1e-6)
    assert rms_jerk(times_s[:3, None], 0.01) == 0.0


def test_a_way_changes_nothing_but_when_and_with_which_latent_is_decided() -> None:
    bundle = read_bundle(bundle_directory("lift"))
    assert settings_of(WAYS["every decision"], bundle) == (PolicyConfig(), GuardConfig())
    policy, guard = settings_of(WAYS["whole chunks"], bundle)
    assert policy.decision_rate_hz == pytest.approx(1 / (8 * bundle.manifest.action.step_s))
    assert policy.earliest_decision == 1.0
    assert guard.chunk_timeout_s > 1 / policy.decision_rate_hz
    assert settings_of(WAYS["latent held"], bundle)[0].latent_time_constant_s == 0.0


def test_the_stack_in_lockstep_decides_at_its_rate_and_whole_chunks_seldom() -> None:
    model = Model(read_bundle(bundle_directory("lift")))
    rates_hz = {}
    for name in ("every decision", "whole chunks"):
        settings = settings_of(WAYS[name], model.bundle)
        outcome = PolicyEvaluator(model, "lift", *settings, "raycast").run_episode(100_000)
        rates_hz[name] = outcome.decisions / outcome.duration_s
        assert outcome.jerk > 0
    assert rates_hz["every decision"] >= DECISION_RATE_HZ
    assert 3 < rates_hz["whole chunks"] < 4


def test_a_share_of_few_episodes_is_uncertain_even_where_all_were_solved() -> None:
    low, high = wilson(18, 18)
    assert low == pytest.approx(0.824, abs=1e-3)
    assert high == pytest.approx(1.0)
    assert wilson(9, 18)[0] == pytest.approx(1 - wilson(9, 18)[1])


def test_only_what_is_missing_is_run_all_ways_of_a_seed_first(tmp_path: Path) -> None:
    table = filled(tmp_path)
    left = missing(ChunksConfig(episodes=3, seed=0), table)
    assert left == [(way, 2) for way in WAYS]
    assert missing(ChunksConfig(episodes=2, seed=0), table) == []


def test_what_was_measured_is_summed_up_and_drawn(tmp_path: Path) -> None:
    table = filled(tmp_path)
    rows = summary(table)
    assert [row["way"] for row in rows] == list(WAYS)
    assert rows[0]["success"].startswith("0.5 (0.0")
    assert draw(table).stat().st_size > 1000
