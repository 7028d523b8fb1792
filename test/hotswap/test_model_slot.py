"""The slot passes images to its models and activates one of them."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from hotswap.swap_harness import CONFIG, PASSED, SwapHarness, swap_to
from toy_bundle import CAMERAS

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import HistorySpec
from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.hotswap.model_slot import LoadedPolicy, ModelSlot
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, Frame


def test_models_with_the_same_encoders_share_observations(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2))
    harness.run_until("active")
    assert len(harness.slot.state.image_consumers) == 1


def test_a_model_with_another_history_has_its_own_observations(harness: SwapHarness, write) -> None:
    harness.swap.submit(write(2, history=2))
    harness.run_period()
    assert len(harness.slot.state.image_consumers) == 2
    assert harness.run_until("active") == PASSED
    assert harness.run_period() is not None


def submit_larger_images(harness: SwapHarness) -> None:
    """Submit images of another size to the encoder threads, long after the last ones."""
    harness.now_ns += NS_PER_S
    harness.slot.add_joint_state(harness.positions, harness.now_ns, harness.now_ns)
    larger = Frame(np.full((16, 24, 3), harness.pixel, np.uint8), harness.now_ns)
    for camera in CAMERAS:
        harness.slot.submit_image(camera, larger, harness.now_ns)
    deadline_s = time.monotonic() + 10.0
    while any(is_pending(policy, harness.now_ns) for policy in harness.slot.state.image_consumers):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_pending(policy: LoadedPolicy, now_ns: int) -> bool:
    """Return whether the newest images are neither encoded nor refused."""
    try:
        policy.runner.observations.get_observation(now_ns)
    except ObservationError:
        return len(policy.encoder.problems) < len(CAMERAS)
    return False


def test_a_model_that_cannot_encode_the_images_is_rolled_back(harness: SwapHarness, write) -> None:
    before = harness.run_period()
    swap_to(harness, write(2, size=(8, 12)))
    submit_larger_images(harness)
    np.testing.assert_allclose(harness.run_period(without_images=True), before, atol=1e-5)
    state = harness.statuses[-1]
    assert (state.phase, state.number) == ("rolled_back", 1)
    assert state.reason.startswith(
        "head_camera cannot be encoded: its shape is (16, 24, 3), this model takes only (8, 12, 3)"
    )


def test_images_that_no_model_can_encode_cause_no_rollback(write) -> None:
    harness = SwapHarness(write(1, size=(8, 12)))
    swap_to(harness, write(2, size=(8, 12), history=2))
    submit_larger_images(harness)
    with pytest.raises(ObservationError, match="stale"):
        harness.run_period(without_images=True)
    assert harness.slot.active.number == 2
    assert "cannot be encoded" in harness.slot.active.encoder.problem
    harness.slot.close()


def test_without_a_previous_model_a_non_finite_output_is_an_error(write) -> None:
    harness = SwapHarness(write(1, nan_above=200.0))
    harness.pixel = 255
    with pytest.raises(ModelOutputError):
        harness.run_period()
    harness.slot.close()


def test_a_failing_previous_model_does_not_reactivate_the_failed_one(write) -> None:
    harness = SwapHarness(write(1, nan_above=200.0))
    swap_to(harness, write(2, nan_above=180.0))
    harness.pixel = 255
    with pytest.raises(ModelOutputError):
        harness.run_period()
    assert harness.slot.active.number == 1
    harness.slot.close()


def test_a_stale_observation_causes_no_rollback(harness: SwapHarness, write) -> None:
    swap_to(harness, write(2))
    harness.now_ns += NS_PER_S
    with pytest.raises(ObservationError, match="stale"):
        harness.run_period(without_images=True)
    assert harness.slot.active.number == 2


def test_unloaded_models_are_freed_without_the_garbage_collector(
    harness: SwapHarness, write
) -> None:
    gc.collect()
    gc.disable()
    try:
        first = weakref.ref(harness.slot.active.runner.model)
        for version in (2, 3):
            swap_to(harness, write(version))
            harness.run_period()
        assert first() is None
        failed = weakref.ref(harness.slot.active.runner.model)
        harness.swap.roll_back()
        harness.run_period()
        assert failed() is None
        refused = write(4, gain=1.5)
        harness.swap.submit(refused)
        harness.run_until("refused")
        harness.run_period()
        models = [item for item in gc.get_objects() if type(item) is Model]
        loaded = [model for model in models if model.bundle.directory.parent == refused.parent]
        assert [model.manifest.version for model in loaded] == [2]
    finally:
        gc.enable()


def test_closing_a_slot_ends_its_threads(write) -> None:
    before = threading.active_count()
    harness = SwapHarness(write(1))
    swap_to(harness, write(2, history=2))
    harness.slot.close()
    assert threading.active_count() == before


def test_a_history_is_filled_before_its_model_becomes_active(write) -> None:
    harness = SwapHarness(write(1), PolicyConfig(shadow_decisions=1, inference_budget=100.0))
    swap_to(harness, write(2, graph_cameras=("head_camera",), history=2))
    assert harness.slot.active.runner.model.manifest.history == HistorySpec(2, 0.1)
    assert harness.run_period() is not None
    harness.slot.close()


def test_images_of_the_active_model_trigger_steps(write) -> None:
    woken = threading.Semaphore(0)
    slot = ModelSlot(PolicyRunner(Model(read_bundle(write(1))), CONFIG), trigger=woken.release)
    image = Frame(np.zeros((8, 12, 3), np.uint8), 1)
    slot.submit_image("head_camera", image, 1)
    assert woken.acquire(timeout=10)
    other = slot.load_candidate(Model(read_bundle(write(2, gain=2.0))))
    other.encoder.submit_image("head_camera", image, 2)
    assert not woken.acquire(timeout=0.2)
    slot.promote(other)
    other.encoder.submit_image("head_camera", image, 3)
    assert woken.acquire(timeout=10)
    slot.close()


def test_a_candidate_that_is_loaded_after_the_slot_was_closed_leaves_no_encoder(write) -> None:
    harness = SwapHarness(write(1))
    harness.slot.close()
    candidate = harness.slot.load_candidate(harness.slot.active.runner.model)
    assert harness.slot.state.candidate is None
    assert not candidate.encoder.is_alive()
