"""A model takes the place of another as a whole or not at all, and gives it back."""

import gc
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_bundle import CAMERAS, write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.bundle.manifest import HistorySpec
from dbp_ros.errors import BundleError, ModelOutputError, ObservationError
from dbp_ros.hotswap.blocklist import Blocklist
from dbp_ros.hotswap.model_history import ModelHistory
from dbp_ros.hotswap.model_slot import LoadedPolicy, ModelSlot
from dbp_ros.hotswap.shadow_test import distance
from dbp_ros.hotswap.swap import LATENCY_WINDOW, Swap
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, ActionChunk, Frame

MS = 1_000_000
PERIOD_NS = 8 * MS
CONFIG = PolicyConfig(
    latent_seed=3,
    shadow_decisions=3,
    success_window=2,
    rollback_p_value=0.2,
    inference_budget=100.0,
    latent_time_constant_s=0.0,
)
PASSED = ["verifying", "loading", "proving", "shadowing", "active"]


class Stage:
    """A robot with a slot and a swap, on a clock of its own."""

    def __init__(
        self,
        directory: Path,
        config: PolicyConfig = CONFIG,
        blocklist: Blocklist | None = None,
        history: ModelHistory | None = None,
    ) -> None:
        self.now_ns = 1000 * NS_PER_S
        self.told: list[SwapStatus] = []
        self.slot = ModelSlot(PolicyRunner(Model(read_bundle(directory)), config))
        self.swap = Swap(self.slot, config, self.told.append, blocklist, history)
        self.positions = np.array((0.1, 0.2, 0.3), np.float32)
        self.pixel = 50
        self.period()

    def see(self) -> None:
        """Feel, and see through both cameras, at once."""
        image = np.full((8, 12, 3), self.pixel, np.uint8)
        self.slot.add_joint_state(self.positions, self.now_ns, self.now_ns)
        for policy in self.slot.state.image_consumers:
            for camera in policy.runner.model.manifest.camera_names:
                policy.runner.add_image(camera, Frame(image, self.now_ns), self.now_ns)

    def period(self, decide: bool = True, blind: bool = False) -> np.ndarray | None:
        """Let one period pass; return the first point of what was decided."""
        self.now_ns += PERIOD_NS
        if not blind:
            self.see()
        chunk = self.slot.step(self.now_ns) if decide else None
        if hasattr(self, "swap"):
            self.swap.tick(self.now_ns)
        return None if chunk is None else chunk.positions[0]

    def until(self, phase: str, periods: int = 20) -> list[str]:
        """Let periods pass until a phase is told; return the phases since the beginning."""
        for _ in range(periods):
            if self.told[-1].phase == phase:
                return self.phases
            self.period()
        raise AssertionError(f"{phase} was not told but {self.told[-1]}")

    @property
    def phases(self) -> list[str]:
        return [state.phase for state in self.told[1:]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle of a version into a folder of its own."""
    return lambda version, **changes: write_toy_bundle(
        tmp_path / f"toy{version}", version=version, **changes
    )


@pytest.fixture
def stage(write: Callable[..., Path]) -> Iterator[Stage]:
    made = Stage(write(1))
    yield made
    made.slot.close()


def test_a_good_model_passes_every_step_and_decides(stage: Stage, write) -> None:
    before = stage.period()
    stage.swap.submit(write(2, ramp=np.full((4, 1), 0.05)))
    assert stage.until("active") == PASSED
    np.testing.assert_allclose(stage.period(), before + 0.05, atol=1e-5)
    state = stage.told[-1]
    assert (state.number, state.version, state.candidate) == (2, 2, state.sha256)
    assert "0.05 rad or m from the previous model" in state.reason


def test_a_model_that_is_tried_while_nothing_is_decided_says_so(stage: Stage, write) -> None:
    # The last chunk is over by then.
    for _ in range(10):
        stage.period(decide=False)
    stage.swap.submit(write(2))
    while stage.told[-1].phase != "active":
        stage.period(decide=False)
    assert stage.told[-1].reason == (
        "shadow test without a chunk of the previous model to compare with"
    )


def test_until_the_swap_the_model_before_decides_every_time(stage: Stage, write) -> None:
    before = stage.period()
    stage.swap.submit(write(2, ramp=np.full((4, 1), 0.05)))
    while stage.told[-1].phase != "active":
        np.testing.assert_array_equal(stage.period(), before)


def test_a_latent_of_the_same_shape_goes_on(stage: Stage, write) -> None:
    before = stage.period()
    stage.swap.submit(write(2, metrics={"loss": 1.0}))
    stage.until("active")
    np.testing.assert_array_equal(stage.period(), before)


def test_another_horizon_and_step_are_fine(stage: Stage, write) -> None:
    stage.swap.submit(write(2, ramp=np.zeros((6, 1)), step_s=0.01))
    assert stage.until("active") == PASSED
    chunk = stage.slot.step(stage.now_ns)
    assert chunk.positions.shape == (6, 3)
    assert stage.slot.active.runner.model.manifest.version == 2


def test_models_with_the_same_encoders_share_observations(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.until("active")
    assert len(stage.slot.state.image_consumers) == 1


def test_a_model_with_another_history_observes_for_itself_before_it_decides(
    stage: Stage, write
) -> None:
    stage.swap.submit(write(2, history=2))
    stage.period()
    assert len(stage.slot.state.image_consumers) == 2
    assert stage.until("active") == PASSED
    assert stage.period() is not None


def test_numbers_go_on_through_a_swap(stage: Stage, write) -> None:
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
def test_a_model_that_does_not_fit_or_prove_itself_changes_nothing(
    stage: Stage, write, changes: dict[str, object], reason: str
) -> None:
    before = stage.period()
    stage.swap.submit(write(2, **changes))
    assert "active" not in stage.until("refused")
    np.testing.assert_array_equal(stage.period(), before)
    assert re.search(reason, stage.told[-1].reason)
    assert stage.slot.state.candidate is None


def test_a_model_that_sees_with_fewer_cameras_fits(stage: Stage, write) -> None:
    swapped(stage, write(2, graph_cameras=("head_camera",)))
    swapped(stage, write(3))
    assert stage.phases == 2 * PASSED


def test_a_copy_in_the_making_is_refused_and_taken_when_it_is_whole(stage: Stage, write) -> None:
    directory = write(2)
    whole = (directory / "head.onnx").read_bytes()
    (directory / "head.onnx").write_bytes(whole[:-10])
    stage.swap.submit(directory)
    stage.until("refused")
    assert "head.onnx was changed or truncated" in stage.told[-1].reason
    (directory / "head.onnx").write_bytes(whole)
    stage.swap.submit(directory)
    assert stage.until("active")[-5:] == PASSED


def test_a_folder_without_a_bundle_is_refused(stage: Stage, tmp_path: Path) -> None:
    stage.swap.submit(tmp_path / "nowhere")
    stage.until("refused")
    assert "manifest.yaml" in stage.told[-1].reason


def test_the_model_that_decides_is_no_candidate(stage: Stage, tmp_path: Path) -> None:
    stage.swap.submit(tmp_path / "toy1")
    stage.period()
    assert stage.phases == []


def test_a_model_whose_shadow_is_not_finite_is_refused_for_good(stage: Stage, write) -> None:
    directory = write(2, nan_above=200.0)
    stage.pixel = 255
    stage.swap.submit(directory)
    assert stage.until("refused") == [*PASSED[:-1], "refused"]
    assert "live observation is not finite" in stage.told[-1].reason
    stage.pixel = 50
    stage.swap.submit(directory)
    stage.period()
    assert stage.told[-1].reason.startswith("not tried again: its output")
    assert not stage.swap.accepts(stage.told[-1].candidate)


def test_a_model_that_would_jump_is_refused(stage: Stage, write) -> None:
    stage.swap.submit(write(2, ramp=np.array([[0.0, 0.0, 0.6]] * 4)))
    stage.until("refused")
    assert stage.told[-1].reason.startswith("its next command for right_elbow_joint is 0.6")


def test_a_model_that_is_too_slow_is_refused(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=3, inference_budget=0.01))
    slow = write(2)
    stage.slot.active.runner.recent_inference.record(0)
    stage.swap.submit(slow)
    stage.period()
    for _ in range(20):
        stage.slot.state.candidate.runner.recent_inference.record(NS_PER_S)
    stage.until("refused")
    assert "its inference takes" in stage.told[-1].reason
    stage.slot.close()


def test_without_observations_a_model_is_put_off_and_tried_again(stage: Stage, write) -> None:
    stage.swap.submit(write(2, history=2))
    stage.period()
    stage.now_ns += 20 * NS_PER_S
    stage.period(decide=False, blind=True)
    assert stage.told[-1].phase == "refused"
    assert stage.told[-1].reason.startswith(
        "deferred: no observation to test it with: joint_states is"
    )
    stage.period()
    stage.now_ns += 11 * NS_PER_S
    assert stage.until("active")[-5:] == PASSED


def test_the_newest_proposal_counts(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.swap.submit(write(3))
    stage.until("active")
    assert stage.told[-1].version == 3
    assert stage.told[-1].number == 2


def test_a_newer_proposal_ends_a_trial(stage: Stage, write) -> None:
    stage.swap.submit(write(2))
    stage.period()
    assert stage.told[-1].phase == "shadowing"
    stage.swap.submit(write(3))
    stage.until("active")
    assert [state.version for state in stage.told if state.phase == "active"] == [3]


def swapped(stage: Stage, directory: Path) -> None:
    stage.swap.submit(directory)
    stage.period()
    stage.until("active")


def test_an_answer_that_is_no_number_brings_the_model_before_back_in_the_same_decision(
    stage: Stage, write
) -> None:
    before = stage.period()
    swapped(stage, write(2, nan_above=200.0, ramp=np.full((4, 1), 0.05)))
    np.testing.assert_allclose(stage.period(), before + 0.05, atol=1e-5)
    stage.pixel = 255
    after = stage.period()
    np.testing.assert_allclose(after, before + 0.001 * (255 - 50), atol=1e-5)
    state = stage.told[-1]
    assert (state.phase, state.number, state.version) == ("rolled_back", 1, 1)
    assert state.reason == "the model's output is not finite"
    assert state.candidate != state.sha256


def show_larger(stage: Stage) -> None:
    """Show pictures of another size to the encoders' threads, long after the last ones."""
    stage.now_ns += NS_PER_S
    stage.slot.add_joint_state(stage.positions, stage.now_ns, stage.now_ns)
    larger = Frame(np.full((16, 24, 3), stage.pixel, np.uint8), stage.now_ns)
    for camera in CAMERAS:
        stage.slot.submit_image(camera, larger, stage.now_ns)
    deadline_s = time.monotonic() + 10.0
    while any(waits(policy, stage.now_ns) for policy in stage.slot.state.image_consumers):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def waits(policy: LoadedPolicy, now_ns: int) -> bool:
    """Return whether the newest pictures are neither encoded nor given up."""
    try:
        policy.runner.observations.get_observation(now_ns)
    except ObservationError:
        return len(policy.encoder.problems) < len(CAMERAS)
    return False


def test_a_model_that_cannot_encode_what_the_one_before_can_gives_way(stage: Stage, write) -> None:
    before = stage.period()
    swapped(stage, write(2, size=(8, 12)))
    show_larger(stage)
    np.testing.assert_allclose(stage.period(blind=True), before, atol=1e-5)
    state = stage.told[-1]
    assert (state.phase, state.number) == ("rolled_back", 1)
    assert state.reason.startswith(
        "head_camera cannot be encoded: its shape is (16, 24, 3), this model takes only (8, 12, 3)"
    )


def test_pictures_that_nobody_can_encode_are_not_the_models_fault(write) -> None:
    stage = Stage(write(1, size=(8, 12)))
    swapped(stage, write(2, size=(8, 12), history=2))
    show_larger(stage)
    with pytest.raises(ObservationError, match="stale"):
        stage.period(blind=True)
    assert stage.slot.active.number == 2
    assert "cannot be encoded" in stage.slot.active.encoder.problem
    stage.slot.close()


def test_a_model_that_was_rolled_back_is_not_tried_again_but_its_next_version_is(
    stage: Stage, write
) -> None:
    swapped(stage, directory := write(2, nan_above=200.0))
    stage.pixel = 255
    stage.until("rolled_back")
    stage.swap.submit(directory)
    stage.period()
    assert "not tried again: rolled back: the model's output" in stage.told[-1].reason
    swapped(stage, write(3))
    assert stage.told[-1].number == 3


def test_a_model_that_failed_is_not_tried_again_after_a_restart(write, tmp_path: Path) -> None:
    kept = tmp_path / "failed.json"
    stage = Stage(write(1), blocklist=Blocklist(kept))
    swapped(stage, bad := write(2, nan_above=200.0))
    stage.pixel = 255
    stage.until("rolled_back")
    stage.slot.close()
    with pytest.raises(BundleError, match=r"not tried again: rolled back: .*delete .*failed\.json"):
        Blocklist(kept).require_absent(read_bundle(bad).sha256)
    again = Stage(write(1), blocklist=Blocklist(kept))
    again.swap.submit(bad)
    again.until("refused")
    assert "the model's output is not finite; delete" in again.told[-1].reason
    swapped(again, write(3))
    again.slot.close()


def test_a_list_of_blocklist_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path,
) -> None:
    for text in ("{", "[]", "3"):
        (tmp_path / "failed.json").write_text(text)
        with pytest.raises(BundleError, match=r"failed\.json cannot be read"):
            Blocklist(tmp_path / "failed.json")


def test_an_older_version_is_refused_where_a_sender_announces_it_and_taken_from_a_hand(
    stage: Stage, write
) -> None:
    swapped(stage, write(5))
    older = write(4)
    stage.swap.submit(older, announced=True)
    stage.until("refused")
    assert stage.told[-1].reason.startswith(
        "model toy version 4 was announced, but version 5 is active"
    )
    assert stage.told[-1].version == 5
    swapped(stage, older)
    assert stage.told[-1].version == 4


@pytest.mark.parametrize("changes", [{"version": 5}, {"version": 2, "name": "other"}])
def test_what_is_announced_may_have_the_same_version_or_another_name(
    stage: Stage, write, tmp_path: Path, changes: dict[str, object]
) -> None:
    swapped(stage, write(5))
    other = write_toy_bundle(tmp_path / "other", metrics={"loss": 1.0}, **changes)
    stage.swap.submit(other, announced=True)
    stage.period()
    stage.until("active")
    assert stage.told[-1].number == 3


def test_without_a_model_before_an_answer_that_is_no_number_is_refused(write) -> None:
    stage = Stage(write(1, nan_above=200.0))
    stage.pixel = 255
    with pytest.raises(ModelOutputError):
        stage.period()
    stage.slot.close()


def test_a_model_before_that_also_fails_does_not_bring_the_failed_one_back(write) -> None:
    stage = Stage(write(1, nan_above=200.0))
    swapped(stage, write(2, nan_above=180.0))
    stage.pixel = 255
    with pytest.raises(ModelOutputError):
        stage.period()
    assert stage.slot.active.number == 1
    stage.slot.close()


def test_a_bad_observation_is_not_the_models_fault(stage: Stage, write) -> None:
    swapped(stage, write(2))
    stage.now_ns += NS_PER_S
    with pytest.raises(ObservationError, match="stale"):
        stage.period(blind=True)
    assert stage.slot.active.number == 2


def test_somebody_may_roll_back_once(stage: Stage, write) -> None:
    with pytest.raises(BundleError, match="no previous model"):
        stage.swap.roll_back()
    swapped(stage, write(2))
    stage.swap.roll_back()
    assert stage.slot.active.number == 1
    stage.period()
    assert (stage.told[-1].phase, stage.told[-1].reason) == ("rolled_back", "requested")
    with pytest.raises(BundleError, match="no previous model"):
        stage.swap.roll_back()


def report(stage: Stage, share: float) -> None:
    """Let the guard report for half a probation."""
    for k in range(31):
        stage.swap.add_command_counts(1000 * k, round(1000 * share * k))


def test_the_guard_limiting_more_commands_brings_the_model_before_back(stage: Stage, write) -> None:
    report(stage, 0.05)
    swapped(stage, write(2))
    report(stage, 0.4)
    stage.until("rolled_back")
    assert stage.told[-1].reason == "the guard limits 40 % of the commands, before 5 %"


def test_slow_decisions_bring_the_model_before_back(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=1, inference_budget=10.0))
    swapped(stage, write(2))
    for _ in range(LATENCY_WINDOW):
        stage.slot.active.runner.recent_inference.record(NS_PER_S)
    stage.until("rolled_back")
    assert "(p99), expected at most 80.0" in stage.told[-1].reason
    stage.slot.close()


def episode(stage: Stage, solved: bool) -> None:
    stage.swap.begin_episode()
    stage.swap.record_success(False)
    stage.period()
    stage.swap.record_success(solved)


def test_a_fall_of_success_brings_the_model_before_back(stage: Stage, write) -> None:
    for _ in range(2):
        episode(stage, solved=True)
    stage.swap.begin_episode()
    swapped(stage, write(2))
    for _ in range(2):
        episode(stage, solved=False)
    stage.swap.begin_episode()
    stage.until("rolled_back")
    assert stage.told[-1].reason == "0 % of 2 episodes were solved, before 100 %"


def test_an_episode_of_two_models_counts_for_neither(stage: Stage, write) -> None:
    for _ in range(2):
        episode(stage, solved=True)
    stage.swap.begin_episode()
    swapped(stage, write(2))
    stage.swap.begin_episode()
    episode(stage, solved=False)
    stage.swap.begin_episode()
    for _ in range(5):
        stage.period()
    assert stage.told[-1].phase == "active"


def test_a_success_that_lasts_into_the_next_episode_is_not_of_that(stage: Stage, write) -> None:
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


def test_after_probation_the_model_before_rests_and_still_can_take_over(write) -> None:
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


def test_models_that_are_no_longer_needed_are_freed_without_the_garbage_collector(
    stage: Stage, write
) -> None:
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
        ours = [model for model in models if model.bundle.directory.parent == refused.parent]
        assert [model.manifest.version for model in ours] == [2]
    finally:
        gc.enable()


def chunk(horizon: int, step_ms: int, height: float, begin_ms: int = 0) -> ActionChunk:
    due_ns = begin_ms * MS + step_ms * MS * np.arange(1, horizon + 1)
    return ActionChunk(np.full((horizon, 3), height), due_ns, stamp_ns=0)


def test_the_distance_of_chunks_is_told_where_both_last() -> None:
    assert distance(chunk(4, 20, 0.3), chunk(4, 20, 0.1)) == pytest.approx(0.2)
    assert distance(chunk(8, 10, 0.3), chunk(4, 20, 0.1)) == pytest.approx(0.2)
    assert distance(chunk(4, 20, 0.3), chunk(4, 20, 0.1, begin_ms=1000)) is None


def test_nothing_is_left_behind_by_a_slot_that_is_closed(write) -> None:
    before = threading.active_count()
    stage = Stage(write(1))
    swapped(stage, write(2, history=2))
    stage.slot.close()
    assert threading.active_count() == before


def test_a_history_is_filled_before_a_model_that_needs_it_decides(write) -> None:
    stage = Stage(write(1), PolicyConfig(shadow_decisions=1, inference_budget=100.0))
    swapped(stage, write(2, graph_cameras=("head_camera",), history=2))
    assert stage.slot.active.runner.model.manifest.history == HistorySpec(2, 0.1)
    assert stage.period() is not None
    stage.slot.close()


def test_pictures_of_the_model_that_decides_start_decisions(write) -> None:
    woken = threading.Semaphore(0)
    slot = ModelSlot(PolicyRunner(Model(read_bundle(write(1))), CONFIG), trigger=woken.release)
    picture = Frame(np.zeros((8, 12, 3), np.uint8), 1)
    slot.submit_image("head_camera", picture, 1)
    assert woken.acquire(timeout=10)
    other = slot.load_candidate(Model(read_bundle(write(2, gain=2.0))))
    other.encoder.submit_image("head_camera", picture, 2)
    assert not woken.acquire(timeout=0.2)
    slot.promote(other)
    other.encoder.submit_image("head_camera", picture, 3)
    assert woken.acquire(timeout=10)
    slot.close()


@pytest.fixture
def history(tmp_path: Path) -> ModelHistory:
    return ModelHistory(tmp_path / "history", 3, 10.0)


def kept(history: ModelHistory) -> int | None:
    """Return the version that a restart falls back to."""
    bundle = history.last_good(Blocklist())
    return bundle.manifest.version if bundle else None


def test_the_first_model_is_good_once_it_decided(write, history: ModelHistory) -> None:
    slot = ModelSlot(PolicyRunner(Model(read_bundle(write(1))), CONFIG))
    swap = Swap(slot, CONFIG, lambda _: None, history=history)
    swap.tick(NS_PER_S)
    assert kept(history) is None
    slot.close()
    stage = Stage(write(1), history=history)
    stage.period()
    assert kept(history) == 1
    stage.slot.close()


def test_a_model_on_probation_is_not_good_yet_and_one_that_gave_way_never(
    write, history: ModelHistory
) -> None:
    stage = Stage(write(1), history=history)
    stage.swap.submit(write(2))
    stage.until("active")
    stage.period()
    assert kept(history) == 1
    stage.swap.roll_back()
    stage.until("rolled_back")
    assert kept(history) == 1
    assert not history.path(stage.told[-1].candidate).exists()
    stage.slot.close()


def test_a_model_is_good_after_its_probation_or_where_its_successor_gave_way(
    write, history: ModelHistory
) -> None:
    stage = Stage(write(1), replace(CONFIG, canary_s=1.0), history=history)
    stage.swap.submit(write(2))
    stage.until("active")
    for _ in range(NS_PER_S // PERIOD_NS + 2):
        stage.period()
    assert kept(history) == 2
    for version in (3, 4):
        stage.swap.submit(write(version))
        while stage.told[-1].version != version:
            stage.period()
    stage.swap.roll_back()
    stage.until("rolled_back")
    assert kept(history) == 3
    stage.slot.close()
