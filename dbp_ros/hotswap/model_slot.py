"""The models of one robot: the active one, the previous one and a candidate."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.policy.encoder_thread import EncoderThread
from dbp_ros.policy.execution_state import ExecutionState
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.types import ActionChunk, Floats, Frame


class LoadedPolicy:
    """A policy runner with the thread that encodes its images.

    Attributes:
        runner: Runs the model.
        encoder: Encodes the images.
        number: Count of the models activated by this process; 0 before activation.
    """

    def __init__(self, runner: PolicyRunner, on_encoded: Callable[[EncoderThread], None]) -> None:
        """Start the encoder.

        Args:
            runner: Runs the model.
            on_encoded: Called by the encoder after each image.
        """
        self.runner = runner
        self.number = 0
        self.encoder = EncoderThread(runner.add_image, on_encoded)
        self.encoder.start()

    @property
    def sha256(self) -> str:
        """Sha256 of the manifest of the model's bundle."""
        return self.runner.model.bundle.sha256


@dataclass(frozen=True)
class SlotState:
    """Roles of the loaded models; replaced atomically as a whole.

    Attributes:
        active: Model whose chunks are executed.
        previous: Model that was active before; a rollback activates it again.
        candidate: Model in the shadow test.
        previous_is_warm: Whether `previous` still receives joint states and images. Otherwise it
            needs an image of each camera before its first step.
    """

    active: LoadedPolicy
    previous: LoadedPolicy | None = None
    candidate: LoadedPolicy | None = None
    previous_is_warm: bool = False

    @property
    def image_consumers(self) -> list[LoadedPolicy]:
        """One model per observation buffer, as models with the same inputs share a buffer."""
        consumers: list[LoadedPolicy] = []
        previous = self.previous if self.previous_is_warm else None
        for policy in (self.active, self.candidate, previous):
            if policy and all(
                policy.runner.observations is not c.runner.observations for c in consumers
            ):
                consumers.append(policy)
        return consumers

    def failure_of_active(self, error: Exception) -> str:
        """Return how the active model caused an error; empty if it did not.

        An unusable observation counts as a failure only if the previous model can encode the
        images that the active model cannot.
        """
        if isinstance(error, ModelOutputError) or not isinstance(error, ObservationError):
            return str(error) or type(error).__name__
        previous_encodes = any(
            policy is self.previous and not policy.encoder.problem
            for policy in self.image_consumers
        )
        return self.active.encoder.problem if previous_encodes else ""


class ModelSlot:
    """The slot of a robot's active model, with its previous model and a candidate.

    One thread calls `step`, one calls `add_joint_state` and `submit_image`, and one calls the rest.
    A lock is held only to replace a reference.

    Attributes:
        execution: State that all models share.
        trigger: Called by an encoder after each image of the active model.
        failure: The model that was rolled back and the reason, until `unload_failed`.
        last_number: Number of the last activated model.
    """

    def __init__(
        self,
        runner: PolicyRunner,
        number: int = 1,
        trigger: Callable[[], None] = lambda: None,
    ) -> None:
        """Activate a first model.

        Args:
            runner: Runs the model.
            number: Its number among the models of this process.
            trigger: Called by an encoder after each image of the active model.
        """
        self.trigger = trigger
        self.execution: ExecutionState = runner.execution
        self.failure: tuple[LoadedPolicy, str] | None = None
        self.last_number = number
        self._lock = threading.Lock()
        self._closed = False
        self._state = SlotState(LoadedPolicy(runner, self._on_encoded))
        self._state.active.number = number

    @property
    def state(self) -> SlotState:
        """Current roles of the models."""
        return self._state

    @property
    def active(self) -> LoadedPolicy:
        """The model whose chunks are executed."""
        return self._state.active

    def add_joint_state(self, positions: Floats, stamp_ns: int, arrival_ns: int) -> None:
        """Add joint positions. Shape (nu,), in the order of the models' joints."""
        for policy in self._state.image_consumers:
            policy.runner.add_joint_state(positions, stamp_ns, arrival_ns)

    def submit_image(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        """Queue an image for the encoders of all models that take the camera."""
        for policy in self._state.image_consumers:
            if camera in policy.runner.model.manifest.camera_names:
                policy.encoder.submit_image(camera, frame, arrival_ns)

    def step(self, now_ns: int, triggered: bool = False) -> ActionChunk:
        """Return the chunk to execute.

        If the active model fails, returns a non-finite output, or cannot encode images that the
        previous model can, the previous model is activated and returns the chunk.

        Args:
            now_ns: Steady time.
            triggered: Whether a new image started the step before the period was over.

        Raises:
            ObservationError: If the observation cannot be used, or no output is finite.
        """
        state = self._state
        try:
            chunk = state.active.runner.step(now_ns, triggered)
        except Exception as error:
            failure = state.failure_of_active(error)
            if not failure or not self.roll_back(failure, state.active):
                raise
            chunk = self._state.active.runner.step(now_ns, triggered)
        self.execution.num_chunks += 1
        return chunk

    def load_candidate(self, model: Model) -> LoadedPolicy:
        """Return a candidate that receives joint states and images but controls nothing."""
        candidate = LoadedPolicy(
            self._state.active.runner.create_candidate(model), self._on_encoded
        )
        with self._lock:
            if not self._closed:
                self._state = replace(self._state, candidate=candidate)
                return candidate
        # The slot was closed while the model was loaded.
        candidate.encoder.stop()
        return candidate

    def drop_candidate(self) -> None:
        """Unload the candidate, if there is one."""
        with self._lock:
            candidate = self._state.candidate
            self._state = replace(self._state, candidate=None)
        if candidate is not None:
            candidate.encoder.stop()

    def promote(self, candidate: LoadedPolicy) -> bool:
        """Activate the candidate from the next step on; the active model becomes the previous.

        Returns:
            False, without a change, if a model that was rolled back is not unloaded yet.
        """
        with self._lock:
            if self.failure is not None:
                return False
            active, unloaded = self._state.active, self._state.previous
            self.last_number += 1
            candidate.number = self.last_number
            candidate.runner.activate()
            self._state = SlotState(candidate, previous=active, previous_is_warm=True)
        if unloaded is not None:
            unloaded.encoder.stop()
        return True

    def end_canary(self) -> None:
        """Stop sending joint states and images to the previous model, which stays loaded."""
        with self._lock:
            self._state = replace(self._state, previous_is_warm=False)

    def roll_back(self, reason: str, failed: LoadedPolicy) -> bool:
        """Activate the previous model; another thread must then call `unload_failed`.

        Args:
            reason: Stored in `failure`.
            failed: The model to replace; if it is no longer active, nothing happens.

        Returns:
            Whether a model other than `failed` is active now.
        """
        with self._lock:
            state = self._state
            if state.active is not failed:
                return True
            if state.previous is None:
                return False
            state.previous.runner.activate()
            self.failure = (failed, reason)
            self._state = SlotState(state.previous, candidate=state.candidate)
            return True

    def unload_failed(self) -> tuple[LoadedPolicy, str] | None:
        """Unload the model that was rolled back; return it and the reason, or None."""
        with self._lock:
            failure, self.failure = self.failure, None
        if failure is not None:
            failure[0].encoder.stop()
        return failure

    def close(self) -> None:
        """Stop all encoders, also those of a candidate that is still being loaded."""
        self.unload_failed()
        with self._lock:
            self._closed = True
            state = self._state
        for policy in (state.active, state.previous, state.candidate):
            if policy is not None:
                policy.encoder.stop()

    def _on_encoded(self, encoder: EncoderThread) -> None:
        if encoder is self._state.active.encoder:
            self.trigger()
