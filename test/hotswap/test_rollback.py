"""A failing model is rolled back to the previous one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hotswap.swap_harness import CONFIG, PERIOD_NS, SwapHarness, swap_to

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.hotswap.blocklist import Blocklist
from dbp_ros.hotswap.model_history import ModelHistory
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.hotswap.shadow_test import ShadowTest
from dbp_ros.hotswap.swap_transaction import LATENCY_WINDOW, SwapTransaction
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S


def test_a_non_finite_output_rolls_back_in_the_same_step(harness: SwapHarness, write) -> None:
    before = harness.run_period()
    swap_to(harness, write(2, nan_above=200.0, ramp=np.full((4, 1), 0.05)))
    np.testing.assert_allclose(harness.run_period(), before + 0.05, atol=1e-5)
    harness.pixel = 255
    after = harness.run_period()
    np.testing.assert_allclose(after, before + 0.001 * (255 - 50), atol=1e-5)
    state = harness.statuses[-1]
    assert (state.phase, state.number, state.version) == ("rolled_back", 1, 1)
    assert state.reason == "the model's output is not finite"
    assert state.candidate != state.sha256


def test_a_rolled_back_model_is_blocked_but_not_its_next_version(
    harness: SwapHarness, write
) -> None:
    swap_to(harness, directory := write(2, nan_above=200.0))
    harness.pixel = 255
    harness.run_until("rolled_back")
    harness.swap.submit(directory)
    harness.run_period()
    assert "not tried again: rolled back: the model's output" in harness.statuses[-1].reason
    swap_to(harness, write(3))
    assert harness.statuses[-1].number == 3


def test_a_rollback_during_a_shadow_test_ends_before_the_candidate_is_promoted(
    harness: SwapHarness, write, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap_to(harness, write(2))
    failing, whole = harness.slot.active, ShadowTest.run_once

    def run_once(test: ShadowTest, *arguments) -> bool:
        passed = whole(test, *arguments)
        if passed:
            harness.slot.roll_back("failed in this moment", failing)
        return passed

    monkeypatch.setattr(ShadowTest, "run_once", run_once)
    harness.swap.submit(write(3))
    for _ in range(10):
        harness.run_period()
    assert harness.phases[-2:] == ["rolled_back", "active"]
    assert harness.statuses[-1].version == 3
    previous = harness.slot.state.previous
    assert previous is not None
    assert previous.runner.model.manifest.version == 1


def test_a_failed_model_is_blocked_after_a_restart(write, tmp_path: Path) -> None:
    path = tmp_path / "failed.json"
    harness = SwapHarness(write(1), blocklist=Blocklist(path))
    swap_to(harness, bad := write(2, nan_above=200.0))
    harness.pixel = 255
    harness.run_until("rolled_back")
    harness.slot.close()
    with pytest.raises(BundleError, match=r"not tried again: rolled back: .*delete .*failed\.json"):
        Blocklist(path).require_absent(read_bundle(bad).sha256)
    again = SwapHarness(write(1), blocklist=Blocklist(path))
    again.swap.submit(bad)
    again.run_until("refused")
    assert "the model's output is not finite; delete" in again.statuses[-1].reason
    swap_to(again, write(3))
    again.slot.close()


def test_a_damaged_block_list_is_an_error(
    tmp_path: Path,
) -> None:
    for text in ("{", "[]", "3"):
        (tmp_path / "failed.json").write_text(text)
        with pytest.raises(BundleError, match=r"failed\.json cannot be read"):
            Blocklist(tmp_path / "failed.json")


def test_a_rollback_on_request_is_possible_once(harness: SwapHarness, write) -> None:
    with pytest.raises(BundleError, match="no previous model"):
        harness.swap.roll_back()
    swap_to(harness, write(2))
    harness.swap.roll_back()
    assert harness.slot.active.number == 1
    harness.run_period()
    assert (harness.statuses[-1].phase, harness.statuses[-1].reason) == ("rolled_back", "requested")
    with pytest.raises(BundleError, match="no previous model"):
        harness.swap.roll_back()


def report(harness: SwapHarness, share: float) -> None:
    """Report guard counters for half a canary period."""
    for k in range(31):
        harness.swap.add_command_counts(1000 * k, round(1000 * share * k))


def test_more_limited_commands_cause_a_rollback(harness: SwapHarness, write) -> None:
    report(harness, 0.05)
    swap_to(harness, write(2))
    report(harness, 0.4)
    harness.run_until("rolled_back")
    assert harness.statuses[-1].reason == "the guard limits 40 % of the commands, before 5 %"


def test_the_commands_of_a_failed_model_do_not_count_for_the_previous_one(
    harness: SwapHarness, write
) -> None:
    report(harness, 0.05)
    swap_to(harness, write(2))
    report(harness, 0.4)
    harness.run_until("rolled_back")
    for commands in (31_000, 32_000):
        harness.swap.add_command_counts(commands, 12_000 + commands // 20)
    swap_to(harness, write(3))
    report(harness, 0.4)
    harness.run_until("rolled_back")
    assert harness.statuses[-1].reason == "the guard limits 40 % of the commands, before 5 %"


def test_slow_inference_causes_a_rollback(write) -> None:
    harness = SwapHarness(write(1), PolicyConfig(shadow_decisions=1, inference_budget=10.0))
    swap_to(harness, write(2))
    for _ in range(LATENCY_WINDOW):
        harness.slot.active.runner.recent_inference.record(NS_PER_S)
    harness.run_until("rolled_back")
    assert "(p99), expected at most 80.0" in harness.statuses[-1].reason
    harness.slot.close()


def episode(harness: SwapHarness, solved: bool) -> None:
    harness.swap.begin_episode()
    harness.swap.record_success(False)
    harness.run_period()
    harness.swap.record_success(solved)


def test_a_lower_success_rate_causes_a_rollback(harness: SwapHarness, write) -> None:
    for _ in range(2):
        episode(harness, solved=True)
    harness.swap.begin_episode()
    swap_to(harness, write(2))
    for _ in range(2):
        episode(harness, solved=False)
    harness.swap.begin_episode()
    harness.run_until("rolled_back")
    assert harness.statuses[-1].reason == "0 % of 2 episodes were solved, before 100 %"


def test_an_episode_of_two_models_is_not_counted(harness: SwapHarness, write) -> None:
    for _ in range(2):
        episode(harness, solved=True)
    harness.swap.begin_episode()
    swap_to(harness, write(2))
    harness.swap.begin_episode()
    episode(harness, solved=False)
    harness.swap.begin_episode()
    for _ in range(5):
        harness.run_period()
    assert harness.statuses[-1].phase == "active"


def test_an_episode_without_a_publisher_of_success_is_not_counted(
    harness: SwapHarness, write
) -> None:
    for _ in range(2):
        episode(harness, solved=True)
    harness.swap.begin_episode()
    swap_to(harness, write(2))
    for _ in range(3):
        harness.swap.begin_episode(success_known=False)
        harness.run_period()
    for _ in range(5):
        harness.run_period()
    assert harness.statuses[-1].phase == "active"


def test_a_success_that_persists_is_not_counted_again(harness: SwapHarness, write) -> None:
    episode(harness, solved=True)
    episode(harness, solved=True)
    harness.swap.begin_episode()
    swap_to(harness, write(2))
    harness.swap.begin_episode()
    for _ in range(2):
        harness.swap.record_success(True)
        harness.run_period()
        harness.swap.begin_episode()
        harness.swap.record_success(True)
    harness.run_until("rolled_back")


def test_after_the_canary_period_a_rollback_is_still_possible(write) -> None:
    harness = SwapHarness(write(1), PolicyConfig(shadow_decisions=1, inference_budget=100.0))
    swap_to(harness, write(2, history=2))
    assert len(harness.slot.state.image_consumers) == 2
    harness.now_ns += 61 * NS_PER_S
    harness.run_period()
    assert len(harness.slot.state.image_consumers) == 1
    harness.now_ns += NS_PER_S
    harness.run_period()
    harness.swap.roll_back()
    with pytest.raises(ObservationError, match="stale"):
        harness.slot.step(harness.now_ns)
    assert harness.run_period() is not None
    harness.slot.close()


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
    harness = SwapHarness(write(1), history=history)
    harness.run_period()
    assert fallback_version(history) == 1
    harness.slot.close()


def test_a_canary_is_not_good_yet_and_a_failed_model_never(write, history: ModelHistory) -> None:
    harness = SwapHarness(write(1), history=history)
    harness.swap.submit(write(2))
    harness.run_until("active")
    harness.run_period()
    assert fallback_version(history) == 1
    harness.swap.roll_back()
    harness.run_until("rolled_back")
    assert fallback_version(history) == 1
    assert not history.path(harness.statuses[-1].candidate).exists()
    harness.slot.close()


def test_a_model_is_good_after_the_canary_period_or_a_rollback(
    write, history: ModelHistory
) -> None:
    harness = SwapHarness(write(1), replace(CONFIG, canary_s=1.0), history=history)
    harness.swap.submit(write(2))
    harness.run_until("active")
    for _ in range(NS_PER_S // PERIOD_NS + 2):
        harness.run_period()
    assert fallback_version(history) == 2
    for version in (3, 4):
        harness.swap.submit(write(version))
        while harness.statuses[-1].version != version:
            harness.run_period()
    harness.swap.roll_back()
    harness.run_until("rolled_back")
    assert fallback_version(history) == 3
    harness.slot.close()
