"""Hands a robot from one model to the next between two decisions, and back."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from dbp_ros.errors import ModelOutputError, ObservationError
from dbp_ros.policy.encoder_thread import EncoderThread
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.types import ActionChunk, Floats, Frame


class LoadedPolicy:
    """A model at work: what decides, and the thread that encodes pictures for it.

    Attributes:
        number: Counts the models that this process let decide; 0 for one that never did.
    """

    def __init__(self, decider: PolicyRunner, seen: Callable[["LoadedPolicy"], None]) -> None:
        """Start the encoder.

        Args:
            decider: What decides.
            seen: Called by the encoder's thread after each picture.
        """
        self.decider = decider
        self.number = 0
        self._seen = seen
        self.encoder = EncoderThread(self._see)
        self.encoder.start()

    @property
    def sha256(self) -> str:
        """The sha256 of the manifest of the model's bundle."""
        return self.decider.model.bundle.sha256

    def stop(self) -> None:
        """End the encoder's thread, which lets go of the model."""
        self.encoder.stop()

    def _see(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        self.decider.see(camera, frame, arrival_ns)
        self._seen(self)


@dataclass(frozen=True)
class SlotState:
    """Who does what; replaced as a whole, so that a decision sees all of a change or none.

    Attributes:
        active: Decides.
        previous: Decided before and takes over again if need be.
        shadow: Is on trial and decides nothing.
        attentive: Whether `previous` is shown every picture too, so that it can take over at
            once. Without that it first has to see one of each camera.
    """

    active: LoadedPolicy
    previous: LoadedPolicy | None = None
    shadow: LoadedPolicy | None = None
    attentive: bool = False

    @property
    def fed(self) -> list[LoadedPolicy]:
        """One runner for each observer: models that see the same share their features."""
        fed: list[LoadedPolicy] = []
        for runner in (self.active, self.shadow, self.previous if self.attentive else None):
            if runner and all(runner.decider.observer is not r.decider.observer for r in fed):
                fed.append(runner)
        return fed

    def fault(self, error: Exception) -> str:
        """Return what the active model is to blame for where it could not decide; empty if nothing.

        That the observation is not good enough is no fault of it, unless the one before can encode
        what it cannot.
        """
        if isinstance(error, ModelOutputError) or not isinstance(error, ObservationError):
            return str(error) or type(error).__name__
        could = any(runner is self.previous and not runner.encoder.problem for runner in self.fed)
        return self.active.encoder.problem if could else ""


class ModelSlot:
    """The models of one robot, of which one decides.

    The decision loop calls `decide`, the thread of the callbacks `feel` and `put`, and one other
    thread all the rest. None waits for another: the lock is held to replace a reference.

    Attributes:
        failure: Why the active model had to give way, and who it was; None where it did not, or
            where that has been dealt with.
        chunk: The newest decision, None before the first.
        last_number: Of the last model that was let decide.
    """

    def __init__(
        self, decider: PolicyRunner, number: int = 1, wake: Callable[[], None] = lambda: None
    ) -> None:
        """Let a decider decide.

        Args:
            decider: The first.
            number: Which of this process's models it is.
            wake: Called when there is a new picture to decide from, encoded, by another thread.
        """
        self._wake = wake
        self.failure: tuple[LoadedPolicy, str] | None = None
        self.chunk: ActionChunk | None = None
        self._lock = threading.Lock()
        self._team = SlotState(LoadedPolicy(decider, self._on_seen))
        self._team.active.number = self.last_number = number

    @property
    def team(self) -> SlotState:
        """Who does what at the moment."""
        return self._team

    @property
    def active(self) -> LoadedPolicy:
        """The one that decides."""
        return self._team.active

    def feel(self, positions: Floats, stamp_ns: int, arrival_ns: int) -> None:
        """Take in joint positions. Shape (nu,), in the order of the models' joints."""
        for runner in self._team.fed:
            runner.decider.feel(positions, stamp_ns, arrival_ns)

    def put(self, camera: str, frame: Frame, arrival_ns: int) -> None:
        """Leave a picture to be encoded by all whom it concerns."""
        for runner in self._team.fed:
            if camera in runner.decider.model.manifest.camera_names:
                runner.encoder.put(camera, frame, arrival_ns)

    def decide(self, now_ns: int, early: bool = False) -> tuple[PolicyRunner, ActionChunk]:
        """Return the chunk for now and who decided it.

        Where the active model fails, its answer is not finite, or it cannot encode what the
        previous one can, the previous one takes over and answers.

        Args:
            now_ns: The steady time.
            early: Whether `wake` asked for it before the period was over.

        Raises:
            ObservationError: If the observation is not good enough to act on, or no model's
                answer is finite.
        """
        team = self._team
        try:
            self.chunk = team.active.decider.decide(now_ns, early)
        except Exception as error:
            if not (fault := team.fault(error)) or not self.roll_back(fault, team.active):
                raise
            team = self._team
            self.chunk = team.active.decider.decide(now_ns, early)
        return team.active.decider, self.chunk

    def begin_episode(self) -> None:
        """Draw a latent that owes nothing to the last episode."""
        self._team.active.decider.begin_episode()

    def load_candidate(self, model: Model) -> LoadedPolicy:
        """Show a model everything from now on, and let it decide nothing.

        Returns:
            The runner on trial, for `promote` or `dismiss`.
        """
        runner = LoadedPolicy(self._team.active.decider.successor(model), self._on_seen)
        with self._lock:
            self._team = replace(self._team, shadow=runner)
        return runner

    def dismiss(self, runner: LoadedPolicy) -> None:
        """End a trial without a change."""
        with self._lock:
            self._team = replace(self._team, shadow=None)
        runner.stop()

    def promote(self, runner: LoadedPolicy) -> None:
        """Let the runner on trial decide from the next decision on."""
        with self._lock:
            retired, active = self._team.previous, self._team.active
            self.last_number += 1
            runner.number = self.last_number
            runner.decider.continue_from(active.decider)
            self._team = SlotState(runner, previous=active, attentive=True)
        if retired is not None:
            retired.stop()

    def trust(self) -> None:
        """Let the previous model rest: it stays at hand, but pictures are no longer shown to it."""
        with self._lock:
            self._team = replace(self._team, attentive=False)

    def roll_back(self, reason: str, whom: LoadedPolicy) -> bool:
        """Let the previous model decide again; `retire` must follow, in another thread.

        Args:
            reason: Kept in `failure` for the one who tells.
            whom: Who has failed; where it is active no more, this was done before.

        Returns:
            Whether another than `whom` decides now.
        """
        with self._lock:
            team = self._team
            if team.active is not whom:
                return True
            if team.previous is None:
                return False
            team.previous.decider.continue_from(whom.decider)
            self.failure = (whom, reason)
            self._team = SlotState(team.previous, shadow=team.shadow)
            return True

    def retire(self) -> tuple[LoadedPolicy, str] | None:
        """Free the model that has failed, if one has; return it and why."""
        with self._lock:
            failure, self.failure = self.failure, None
        if failure is not None:
            failure[0].stop()
        return failure

    def _on_seen(self, runner: LoadedPolicy) -> None:
        if runner is self._team.active:
            self._wake()

    def close(self) -> None:
        """End every encoder's thread."""
        self.retire()
        for runner in (self._team.active, self._team.previous, self._team.shadow):
            if runner is not None:
                runner.stop()
