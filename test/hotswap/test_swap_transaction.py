"""A candidate replaces the active model after all tests, or changes nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
from hotswap.stage import MS, PASSED, Stage, swapped
from toy_bundle import write_toy_bundle

from dbp_ros.hotswap.shadow_test import distance
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, ActionChunk


def test_a_good_model_passes_every_phase_and_becomes_active(stage: Stage, write) -> None:
    before = stage.period()
    stage.swap.submit(write(2, ramp=np.full((4, 1), 0.05)))
    assert stage.until("active") == PASSED
    np.testing.assert_allclose(stage.period(), before + 0.05, atol=1e-5)
    state = stage.statuses[-1]
    assert (state.number, state.version, state.candidate) == (2, 2, state.sha256)
    assert "0.05 rad or m from the previous model" in state.reason


def test_a_shadow_test_without_chunks_to_compare_with_is_reported(stage: Stage, write) -> None:
    # The last chunk is over by then.
    for _ in range(10):
        stage.period(step=False)
    stage.swap.submit(write(2))
    while stage.statuses[-1].phase != "active":
        stage.period(step=False)
    assert stage.statuses[-1].reason == (
        "shadow test without a chunk of the previous model to compare with"
    )


def test_the_previous_model_is_active_until_the_swap(stage: Stage, write) -> None:
    before = stage.period()
    stage.swap.submit(write(2, ramp=np.full((4, 1), 0.05)))
    while stage.statuses[-1].phase != "active":
        np.testing.assert_array_equal(stage.period(), before)


def test_a_latent_of_the_same_shape_continues(stage: Stage, write) -> None:
    before = stage.period()
    stage.swap.submit(write(2, metrics={"loss": 1.0}))
    stage.until("active")
    np.testing.assert_array_equal(stage.period(), before)


def test_another_horizon_and_step_are_accepted(stage: Stage, write) -> None:
    stage.swap.submit(write(2, ramp=np.zeros((6, 1)), step_s=0.01))
    assert stage.until("active") == PASSED
    chunk = stage.slot.step(stage.now_ns)
    assert chunk.positions.shape == (6, 3)
    assert stage.slot.active.runner.model.manifest.version == 2


def test_statistics_continue_through_a_swap(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.until("active")
    for _ in range(5):
        stage.period()
    period = stage.slot.active.runner.execution.statistics.period
    assert period.gap_count == 0
    assert period.errors.max_ns == 0
    assert stage.slot.active.runner.execution.statistics.inference.count == period.errors.count + 1


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
        ({"gain": 1.5}, "differ from its golden cases"),
        ({"gain": np.nan}, "differ from its golden cases"),
        ({"head": "encoder.onnx"}, "encoder.onnx takes"),
    ],
)
def test_an_incompatible_or_failing_model_changes_nothing(
    stage: Stage, write, changes: dict[str, object], reason: str
) -> None:
    before = stage.period()
    stage.swap.submit(write(2, **changes))
    assert "active" not in stage.until("refused")
    np.testing.assert_array_equal(stage.period(), before)
    assert re.search(reason, stage.statuses[-1].reason)
    assert stage.slot.state.candidate is None


def test_a_model_with_fewer_cameras_is_accepted(stage: Stage, write) -> None:
    swapped(stage, write(2, graph_cameras=("head_camera",)))
    swapped(stage, write(3))
    assert stage.phases == 2 * PASSED


def test_an_incomplete_copy_is_refused_until_it_is_complete(stage: Stage, write) -> None:
    directory = write(2)
    whole = (directory / "head.onnx").read_bytes()
    (directory / "head.onnx").write_bytes(whole[:-10])
    stage.swap.submit(directory)
    stage.until("refused")
    assert "head.onnx was changed or truncated" in stage.statuses[-1].reason
    (directory / "head.onnx").write_bytes(whole)
    stage.swap.submit(directory)
    assert stage.until("active")[-5:] == PASSED


def test_a_folder_without_a_bundle_is_refused(stage: Stage, tmp_path: Path) -> None:
    stage.swap.submit(tmp_path / "nowhere")
    stage.until("refused")
    assert "manifest.yaml" in stage.statuses[-1].reason


def test_the_active_model_is_not_a_candidate(stage: Stage, tmp_path: Path) -> None:
    stage.swap.submit(tmp_path / "toy1")
    stage.period()
    assert stage.phases == []


def test_a_model_with_a_non_finite_shadow_output_is_blocked(stage: Stage, write) -> None:
    directory = write(2, nan_above=200.0)
    stage.pixel = 255
    stage.swap.submit(directory)
    assert stage.until("refused") == [*PASSED[:-1], "refused"]
    assert "live observation is not finite" in stage.statuses[-1].reason
    stage.pixel = 50
    stage.swap.submit(directory)
    stage.period()
    assert stage.statuses[-1].reason.startswith("not tried again: its output")
    assert not stage.swap.accepts(stage.statuses[-1].candidate)


def test_a_model_with_a_large_first_step_is_refused(stage: Stage, write) -> None:
    stage.swap.submit(write(2, ramp=np.array([[0.0, 0.0, 0.6]] * 4)))
    stage.until("refused")
    assert stage.statuses[-1].reason.startswith("its next command for right_elbow_joint is 0.6")


def test_a_model_that_is_too_slow_is_refused(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=3, inference_budget=0.01))
    slow = write(2)
    stage.slot.active.runner.recent_inference.record(0)
    stage.swap.submit(slow)
    stage.period()
    for _ in range(20):
        stage.slot.state.candidate.runner.recent_inference.record(NS_PER_S)
    stage.until("refused")
    assert "its inference takes" in stage.statuses[-1].reason
    stage.slot.close()


def test_without_observations_a_model_is_deferred_and_tested_later(stage: Stage, write) -> None:
    stage.swap.submit(write(2, history=2))
    stage.period()
    stage.now_ns += 20 * NS_PER_S
    stage.period(step=False, without_images=True)
    assert stage.statuses[-1].phase == "refused"
    assert stage.statuses[-1].reason.startswith(
        "deferred: no observation to test it with: joint_states is"
    )
    stage.period()
    stage.now_ns += 11 * NS_PER_S
    assert stage.until("active")[-5:] == PASSED


def test_the_newest_candidate_replaces_the_others(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.swap.submit(write(3))
    stage.until("active")
    assert stage.statuses[-1].version == 3
    assert stage.statuses[-1].number == 2


def test_a_newer_candidate_ends_a_shadow_test(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.period()
    assert stage.statuses[-1].phase == "shadowing"
    stage.swap.submit(write(3))
    stage.until("active")
    assert [state.version for state in stage.statuses if state.phase == "active"] == [3]


def test_an_older_version_is_refused_only_if_announced(stage: Stage, write) -> None:
    swapped(stage, write(5))
    older = write(4)
    stage.swap.submit(older, announced=True)
    stage.until("refused")
    assert stage.statuses[-1].reason.startswith(
        "model toy version 4 was announced, but version 5 is active"
    )
    assert stage.statuses[-1].version == 5
    swapped(stage, older)
    assert stage.statuses[-1].version == 4


@pytest.mark.parametrize("changes", [{"version": 5}, {"version": 2, "name": "other"}])
def test_an_announced_model_may_have_the_same_version_or_another_name(
    stage: Stage, write, tmp_path: Path, changes: dict[str, object]
) -> None:
    swapped(stage, write(5))
    other = write_toy_bundle(tmp_path / "other", metrics={"loss": 1.0}, **changes)
    stage.swap.submit(other, announced=True)
    stage.period()
    stage.until("active")
    assert stage.statuses[-1].number == 3


def chunk(horizon: int, step_ms: int, height: float, begin_ms: int = 0) -> ActionChunk:
    due_ns = begin_ms * MS + step_ms * MS * np.arange(1, horizon + 1)
    return ActionChunk(np.full((horizon, 3), height), due_ns, stamp_ns=0)


def test_the_distance_of_chunks_is_that_of_their_overlap() -> None:
    assert distance(chunk(4, 20, 0.3), chunk(4, 20, 0.1)) == pytest.approx(0.2)
    assert distance(chunk(8, 10, 0.3), chunk(4, 20, 0.1)) == pytest.approx(0.2)
    assert distance(chunk(4, 20, 0.3), chunk(4, 20, 0.1, begin_ms=1000)) is None
