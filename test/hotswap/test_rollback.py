"""A failing model is rolled back to the previous one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hotswap.stage import CONFIG, PERIOD_NS, Stage, swapped

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.hotswap.blocklist import Blocklist
from dbp_ros.hotswap.model_history import ModelHistory
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.hotswap.swap_transaction import LATENCY_WINDOW, SwapTransaction
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S


def test_a_non_finite_output_rolls_back_in_the_same_step(stage: Stage, write) -> None:
    before = stage.period()
    swapped(stage, write(2, nan_above=200.0, ramp=np.full((4, 1), 0.05)))
    np.testing.assert_allclose(stage.period(), before + 0.05, atol=1e-5)
    stage.pixel = 255
    after = stage.period()
    np.testing.assert_allclose(after, before + 0.001 * (255 - 50), atol=1e-5)
    state = stage.statuses[-1]
    assert (state.phase, state.number, state.version) == ("rolled_back", 1, 1)
    assert state.reason == "the model's output is not finite"
    assert state.candidate != state.sha256


def test_a_rolled_back_model_is_blocked_but_not_its_next_version(stage: Stage, write) -> None:
    swapped(stage, directory := write(2, nan_above=200.0))
    stage.pixel = 255
    stage.until("rolled_back")
    stage.swap.submit(directory)
    stage.period()
    assert "not tried again: rolled back: the model's output" in stage.statuses[-1].reason
    swapped(stage, write(3))
    assert stage.statuses[-1].number == 3


def test_a_failed_model_is_blocked_after_a_restart(write, tmp_path: Path) -> None:
    path = tmp_path / "failed.json"
    stage = Stage(write(1), blocklist=Blocklist(path))
    swapped(stage, bad := write(2, nan_above=200.0))
    stage.pixel = 255
    stage.until("rolled_back")
    stage.slot.close()
    with pytest.raises(BundleError, match=r"not tried again: rolled back: .*delete .*failed\.json"):
        Blocklist(path).require_absent(read_bundle(bad).sha256)
    again = Stage(write(1), blocklist=Blocklist(path))
    again.swap.submit(bad)
    again.until("refused")
    assert "the model's output is not finite; delete" in again.statuses[-1].reason
    swapped(again, write(3))
    again.slot.close()


def test_a_damaged_block_list_is_an_error(
    tmp_path: Path,
) -> None:
    for text in ("{", "[]", "3"):
        (tmp_path / "failed.json").write_text(text)
        with pytest.raises(BundleError, match=r"failed\.json cannot be read"):
            Blocklist(tmp_path / "failed.json")


def test_a_rollback_on_request_is_possible_once(stage: Stage, write) -> None:
    with pytest.raises(BundleError, match="no previous model"):
        stage.swap.roll_back()
    swapped(stage, write(2))
    stage.swap.roll_back()
    assert stage.slot.active.number == 1
    stage.period()
    assert (stage.statuses[-1].phase, stage.statuses[-1].reason) == ("rolled_back", "requested")
    with pytest.raises(BundleError, match="no previous model"):
        stage.swap.roll_back()


def report(stage: Stage, share: float) -> None:
    """Report guard counters for half a canary period."""
    for k in range(31):
        stage.swap.add_command_counts(1000 * k, round(1000 * share * k))


def test_more_limited_commands_cause_a_rollback(stage: Stage, write) -> None:
    report(stage, 0.05)
    swapped(stage, write(2))
    report(stage, 0.4)
    stage.until("rolled_back")
    assert stage.statuses[-1].reason == "the guard limits 40 % of the commands, before 5 %"


def test_slow_inference_causes_a_rollback(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=1, inference_budget=10.0))
    swapped(stage, write(2))
    for _ in range(LATENCY_WINDOW):
        stage.slot.active.runner.recent_inference.record(NS_PER_S)
    stage.until("rolled_back")
    assert "(p99), expected at most 80.0" in stage.statuses[-1].reason
    stage.slot.close()


def episode(stage: Stage, solved: bool) -> None:
    stage.swap.begin_episode()
    stage.swap.record_success(False)
    stage.period()
    stage.swap.record_success(solved)


def test_a_lower_success_rate_causes_a_rollback(stage: Stage, write) -> None:
    for _ in range(2):
        episode(stage, solved=True)
    stage.swap.begin_episode()
    swapped(stage, write(2))
    for _ in range(2):
        episode(stage, solved=False)
    stage.swap.begin_episode()
    stage.until("rolled_back")
    assert stage.statuses[-1].reason == "0 % of 2 episodes were solved, before 100 %"


def test_an_episode_of_two_models_is_not_counted(stage: Stage, write) -> None:
    for _ in range(2):
        episode(stage, solved=True)
    stage.swap.begin_episode()
    swapped(stage, write(2))
    stage.swap.begin_episode()
    episode(stage, solved=False)
    stage.swap.begin_episode()
    for _ in range(5):
        stage.period()
    assert stage.statuses[-1].phase == "active"


def test_a_success_that_persists_is_not_counted_again(stage: Stage, write) -> None:
    episode(stage, solved=True)
    episode(stage, solved=True)
    stage.swap.begin_episode()
    swapped(stage, write(2))
    stage.swap.begin_episode()
    for _ in range(2):
        stage.swap.record_success(True)
        stage.period()
        stage.swap.begin_episode()
        stage.swap.record_success(True)
    stage.until("rolled_back")


def test_after_the_canary_period_the_previous_model_can_still_take_over(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=1, inference_budget=100.0))
    swapped(stage, write(2, history=2))
    assert len(stage.slot.state.image_consumers) == 2
    stage.now_ns += 61 * NS_PER_S
    stage.period()
    assert len(stage.slot.state.image_consumers) == 1
    stage.now_ns += NS_PER_S
    stage.period()
    stage.swap.roll_back()
    with pytest.raises(ObservationError, match="stale"):
        stage.slot.step(stage.now_ns)
    assert stage.period() is not None
    stage.slot.close()


def fallback_version(history: ModelHistory) -> int | None:
    """Return the version that a restart falls back to."""
    bundle = history.last_good(Blocklist())
    return bundle.manifest.version if bundle else None


def test_the_first_model_is_good_after_its_first_chunk(write, history: ModelHistory) -> None:
    slot = ModelSlot(PolicyRunner(Model(read_bundle(write(1))), CONFIG))
    swap = SwapTransaction(slot, CONFIG, lambda _: None, history=history)
    swap.tick(NS_PER_S)
    assert fallback_version(history) is None
    slot.close()
    stage = Stage(write(1), history=history)
    stage.period()
    assert fallback_version(history) == 1
    stage.slot.close()


def test_a_canary_is_not_good_yet_and_a_failed_model_never(write, history: ModelHistory) -> None:
    stage = Stage(write(1), history=history)
    stage.swap.submit(write(2))
    stage.until("active")
    stage.period()
    assert fallback_version(history) == 1
    stage.swap.roll_back()
    stage.until("rolled_back")
    assert fallback_version(history) == 1
    assert not history.path(stage.statuses[-1].candidate).exists()
    stage.slot.close()


def test_a_model_is_good_after_the_canary_period_or_a_rollback(
    write, history: ModelHistory
) -> None:
    stage = Stage(write(1), replace(CONFIG, canary_s=1.0), history=history)
    stage.swap.submit(write(2))
    stage.until("active")
    for _ in range(NS_PER_S // PERIOD_NS + 2):
        stage.period()
    assert fallback_version(history) == 2
    for version in (3, 4):
        stage.swap.submit(write(version))
        while stage.statuses[-1].version != version:
            stage.period()
    stage.swap.roll_back()
    stage.until("rolled_back")
    assert fallback_version(history) == 3
    stage.slot.close()
