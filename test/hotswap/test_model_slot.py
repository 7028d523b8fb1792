"""The slot passes images to its models and activates one of them."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from hotswap.stage import CONFIG, PASSED, Stage, swapped
from toy_bundle import CAMERAS

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import HistorySpec
from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.hotswap.model_slot import LoadedPolicy, ModelSlot
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, Frame


def test_models_with_the_same_encoders_share_observations(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.until("active")
    assert len(stage.slot.state.image_consumers) == 1


def test_a_model_with_another_history_has_its_own_observations(stage: Stage, write) -> None:
    stage.swap.submit(write(2, history=2))
    stage.period()
    assert len(stage.slot.state.image_consumers) == 2
    assert stage.until("active") == PASSED
    assert stage.period() is not None


def submit_larger_images(stage: Stage) -> None:
    """Submit images of another size to the encoder threads, long after the last ones."""
    stage.now_ns += NS_PER_S
    stage.slot.add_joint_state(stage.positions, stage.now_ns, stage.now_ns)
    larger = Frame(np.full((16, 24, 3), stage.pixel, np.uint8), stage.now_ns)
    for camera in CAMERAS:
        stage.slot.submit_image(camera, larger, stage.now_ns)
    deadline_s = time.monotonic() + 10.0
    while any(is_pending(policy, stage.now_ns) for policy in stage.slot.state.image_consumers):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def is_pending(policy: LoadedPolicy, now_ns: int) -> bool:
    """Return whether the newest images are neither encoded nor refused."""
    try:
        policy.runner.observations.get_observation(now_ns)
    except ObservationError:
        return len(policy.encoder.problems) < len(CAMERAS)
    return False


def test_a_model_that_cannot_encode_the_images_is_rolled_back(stage: Stage, write) -> None:
    before = stage.period()
    swapped(stage, write(2, size=(8, 12)))
    submit_larger_images(stage)
    np.testing.assert_allclose(stage.period(without_images=True), before, atol=1e-5)
    state = stage.statuses[-1]
    assert (state.phase, state.number) == ("rolled_back", 1)
    assert state.reason.startswith(
        "head_camera cannot be encoded: its shape is (16, 24, 3), this model takes only (8, 12, 3)"
    )


def test_images_that_no_model_can_encode_cause_no_rollback(write) -> None:
    stage = Stage(write(1, size=(8, 12)))
    swapped(stage, write(2, size=(8, 12), history=2))
    submit_larger_images(stage)
    with pytest.raises(ObservationError, match="stale"):
        stage.period(without_images=True)
    assert stage.slot.active.number == 2
    assert "cannot be encoded" in stage.slot.active.encoder.problem
    stage.slot.close()


def test_without_a_previous_model_a_non_finite_output_is_an_error(write) -> None:
    stage = Stage(write(1, nan_above=200.0))
    stage.pixel = 255
    with pytest.raises(ModelOutputError):
        stage.period()
    stage.slot.close()


def test_a_failing_previous_model_does_not_reactivate_the_failed_one(write) -> None:
    stage = Stage(write(1, nan_above=200.0))
    swapped(stage, write(2, nan_above=180.0))
    stage.pixel = 255
    with pytest.raises(ModelOutputError):
        stage.period()
    assert stage.slot.active.number == 1
    stage.slot.close()


def test_a_stale_observation_causes_no_rollback(stage: Stage, write) -> None:
    swapped(stage, write(2))
    stage.now_ns += NS_PER_S
    with pytest.raises(ObservationError, match="stale"):
        stage.period(without_images=True)
    assert stage.slot.active.number == 2


def test_unloaded_models_are_freed_without_the_garbage_collector(stage: Stage, write) -> None:
    gc.collect()
    gc.disable()
    try:
        first = weakref.ref(stage.slot.active.runner.model)
        for version in (2, 3):
            swapped(stage, write(version))
            stage.period()
        assert first() is None
        failed = weakref.ref(stage.slot.active.runner.model)
        stage.swap.roll_back()
        stage.period()
        assert failed() is None
        refused = write(4, gain=1.5)
        stage.swap.submit(refused)
        stage.until("refused")
        stage.period()
        models = [item for item in gc.get_objects() if type(item) is Model]
        loaded = [model for model in models if model.bundle.directory.parent == refused.parent]
        assert [model.manifest.version for model in loaded] == [2]
    finally:
        gc.enable()


def test_closing_a_slot_ends_its_threads(write) -> None:
    before = threading.active_count()
    stage = Stage(write(1))
    swapped(stage, write(2, history=2))
    stage.slot.close()
    assert threading.active_count() == before


def test_a_history_is_filled_before_its_model_becomes_active(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=1, inference_budget=100.0))
    swapped(stage, write(2, graph_cameras=("head_camera",), history=2))
    assert stage.slot.active.runner.model.manifest.history == HistorySpec(2, 0.1)
    assert stage.period() is not None
    stage.slot.close()


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
