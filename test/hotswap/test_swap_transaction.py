"""A candidate replaces the active model after all tests, or changes nothing."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hotswap.swap_harness import CONFIG, MS, PASSED, SwapHarness, swap_to
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.manifest import AS_RECORDED, ActionSpec
from dbp_ros.hotswap.shadow_test import distance
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, ActionChunk


def test_a_good_model_passes_every_phase_and_becomes_active(harness: SwapHarness, write) -> None:
    before = harness.run_period()
    harness.swap.submit(write(2, ramp=np.full((4, 1), 0.05)))
    assert harness.run_until("active") == PASSED
    np.testing.assert_allclose(harness.run_period(), before + 0.05, atol=1e-5)
    state = harness.statuses[-1]
    assert (state.number, state.version, state.candidate) == (2, 2, state.sha256)
    assert "0.05 rad or m from the previous model" in state.reason


def test_a_shadow_test_without_chunks_to_compare_with_is_reported(
    harness: SwapHarness, write
) -> None:
    # The last chunk is over by then.
    for _ in range(10):
        harness.run_period(step=False)
    harness.swap.submit(write(2))
    while harness.statuses[-1].phase != "active":
        harness.run_period(step=False)
    assert harness.statuses[-1].reason == (
        "shadow test without a chunk of the previous model to compare with"
    )


def test_the_previous_model_is_active_until_the_swap(harness: SwapHarness, write) -> None:
    before = harness.run_period()
    harness.swap.submit(write(2, ramp=np.full((4, 1), 0.05)))
    while harness.statuses[-1].phase != "active":
        np.testing.assert_array_equal(harness.run_period(), before)


def test_a_latent_of_the_same_shape_continues(harness: SwapHarness, write) -> None:
    before = harness.run_period()
    harness.swap.submit(write(2, metrics={"loss": 1.0}))
    harness.run_until("active")
    np.testing.assert_array_equal(harness.run_period(), before)


def test_another_horizon_and_step_are_accepted(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2, ramp=np.zeros((6, 1)), step_s=0.01))
    assert harness.run_until("active") == PASSED
    chunk = harness.slot.step(harness.now_ns)
    assert chunk.positions.shape == (6, 3)
    assert harness.slot.active.runner.model.manifest.version == 2


def test_statistics_continue_through_a_swap(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2))
    harness.run_until("active")
    for _ in range(5):
        harness.run_period()
    period = harness.slot.active.runner.execution.statistics.period
    assert period.gap_count == 0
    assert period.errors.max_ns == 0
    assert (
        harness.slot.active.runner.execution.statistics.inference.count == period.errors.count + 1
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"graph_joints": ("left_elbow_joint", "left_gripper_joint", "right_wrist_1_joint")},
            "toy version 2 is for the joints .*expected left_elbow_joint",
        ),
        (
            {"graph_joints": ("left_gripper_joint", "left_elbow_joint", "right_elbow_joint")},
            "in this order",
        ),
        ({"graph_cameras": ("head_camera", "tail_camera")}, "takes images of tail_camera"),
        ({"action": ActionSpec(AS_RECORDED, 4, 0.02)}, "returns actions as_recorded, the robot"),
        ({"states": ("a", "b", "c")}, "takes the states a, b, c, the robot measures"),
        ({"gain": 1.5}, "differ from its golden cases"),
        ({"gain": np.nan}, "differ from its golden cases"),
        ({"head": "encoder.onnx"}, "encoder.onnx takes"),
    ],
)
def test_an_incompatible_or_failing_model_changes_nothing(
    harness: SwapHarness, write, changes: dict[str, object], reason: str
) -> None:
    before = harness.run_period()
    harness.swap.submit(write(2, **changes))
    assert "active" not in harness.run_until("refused")
    np.testing.assert_array_equal(harness.run_period(), before)
    assert re.search(reason, harness.statuses[-1].reason)
    assert harness.slot.state.candidate is None


def test_a_model_with_fewer_cameras_is_accepted(harness: SwapHarness, write) -> None:
    swap_to(harness, write(2, graph_cameras=("head_camera",)))
    swap_to(harness, write(3))
    assert harness.phases == 2 * PASSED


def test_an_incomplete_copy_is_refused_until_it_is_complete(harness: SwapHarness, write) -> None:
    directory = write(2)
    whole = (directory / "head.onnx").read_bytes()
    (directory / "head.onnx").write_bytes(whole[:-10])
    harness.swap.submit(directory)
    harness.run_until("refused")
    assert "head.onnx was changed or truncated" in harness.statuses[-1].reason
    (directory / "head.onnx").write_bytes(whole)
    harness.swap.submit(directory)
    assert harness.run_until("active")[-5:] == PASSED


def test_a_folder_without_a_bundle_is_refused(harness: SwapHarness, tmp_path: Path) -> None:
    harness.swap.submit(tmp_path / "nowhere")
    harness.run_until("refused")
    assert "manifest.yaml" in harness.statuses[-1].reason


def test_the_active_model_is_not_a_candidate(harness: SwapHarness, tmp_path: Path) -> None:
    harness.swap.submit(tmp_path / "toy1")
    harness.run_period()
    assert harness.phases == []


def test_a_model_with_a_non_finite_shadow_output_is_blocked(harness: SwapHarness, write) -> None:
    directory = write(2, nan_above=200.0)
    harness.pixel = 255
    harness.swap.submit(directory)
    assert harness.run_until("refused") == [*PASSED[:-1], "refused"]
    assert "live observation is not finite" in harness.statuses[-1].reason
    harness.pixel = 50
    harness.swap.submit(directory)
    harness.run_period()
    assert harness.statuses[-1].reason.startswith("not tried again: its output")
    assert not harness.swap.accepts(harness.statuses[-1].candidate)


def test_a_model_with_a_large_first_step_is_refused(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2, ramp=np.array([[0.0, 0.0, 0.6]] * 4)))
    harness.run_until("refused")
    assert harness.statuses[-1].reason.startswith("its next command for right_elbow_joint is 0.6")


def test_a_model_that_is_too_slow_is_refused(write) -> None:
    harness = SwapHarness(write(1), PolicyConfig(shadow_decisions=3, inference_budget=0.01))
    slow = write(2)
    harness.slot.active.runner.recent_inference.record(0)
    harness.swap.submit(slow)
    harness.run_period()
    for _ in range(20):
        harness.slot.state.candidate.runner.recent_inference.record(NS_PER_S)
    harness.run_until("refused")
    assert "its inference takes" in harness.statuses[-1].reason
    harness.slot.close()


def test_without_observations_a_model_is_deferred_and_tested_later(
    harness: SwapHarness, write
) -> None:
    harness.swap.submit(write(2, history=2))
    harness.run_period()
    harness.now_ns += 20 * NS_PER_S
    harness.run_period(step=False, without_images=True)
    assert harness.statuses[-1].phase == "refused"
    assert harness.statuses[-1].reason.startswith(
        "deferred: no observation to test it with: joint_states is"
    )
    harness.run_period()
    harness.now_ns += 11 * NS_PER_S
    assert harness.run_until("active")[-5:] == PASSED


def test_the_newest_candidate_replaces_the_others(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2))
    harness.swap.submit(write(3))
    harness.run_until("active")
    assert harness.statuses[-1].version == 3
    assert harness.statuses[-1].number == 2


def test_a_newer_candidate_ends_a_shadow_test(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2))
    harness.run_period()
    assert harness.statuses[-1].phase == "shadowing"
    harness.swap.submit(write(3))
    harness.run_until("active")
    assert [state.version for state in harness.statuses if state.phase == "active"] == [3]


def test_an_older_version_is_refused_only_if_announced(harness: SwapHarness, write) -> None:
    swap_to(harness, write(5))
    older = write(4)
    harness.swap.submit(older, announced=True)
    harness.run_until("refused")
    assert harness.statuses[-1].reason.startswith(
        "model toy version 4 was announced, but version 5 is active"
    )
    assert harness.statuses[-1].version == 5
    swap_to(harness, older)
    assert harness.statuses[-1].version == 4


def test_a_deterministic_model_does_not_replace_a_stochastic_one_that_explores(write) -> None:
    harness = SwapHarness(write(1), replace(CONFIG, explore=True))
    deterministic = write(2)
    # The first stochastic model may come later.
    swap_to(harness, deterministic)
    swap_to(harness, write(3, log_std=-3.0))
    harness.swap.submit(deterministic)
    harness.run_until("refused")
    assert harness.statuses[-1].version == 3
    assert harness.statuses[-1].reason.startswith("model toy version 2 is deterministic, expected")
    swap_to(harness, write(4, log_std=-3.0))
    harness.slot.close()


@pytest.mark.parametrize("changes", [{"version": 5}, {"version": 2, "name": "other"}])
def test_an_announced_model_may_have_the_same_version_or_another_name(
    harness: SwapHarness, write, tmp_path: Path, changes: dict[str, object]
) -> None:
    swap_to(harness, write(5))
    other = write_toy_bundle(tmp_path / "other", metrics={"loss": 1.0}, **changes)
    harness.swap.submit(other, announced=True)
    harness.run_period()
    harness.run_until("active")
    assert harness.statuses[-1].number == 3


def chunk(horizon: int, step_ms: int, height: float, begin_ms: int = 0) -> ActionChunk:
    due_ns = begin_ms * MS + step_ms * MS * np.arange(1, horizon + 1)
    return ActionChunk(np.full((horizon, 3), height), due_ns, stamp_ns=0)


def test_the_distance_of_chunks_is_that_of_their_overlap() -> None:
    assert distance(chunk(4, 20, 0.3), chunk(4, 20, 0.1)) == pytest.approx(0.2)
    assert distance(chunk(8, 10, 0.3), chunk(4, 20, 0.1)) == pytest.approx(0.2)
    assert distance(chunk(4, 20, 0.3), chunk(4, 20, 0.1, begin_ms=1000)) is None
