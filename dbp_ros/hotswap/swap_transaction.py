"""Hot swap of a policy's model while the robot moves.

A candidate is verified, loaded, self-tested and shadow-tested. Then it is promoted between two
steps and monitored, and rolled back if its record is worse. A failure before promotion leaves the
active model untouched. The swap thread runs at the priority just below that of the decision loop,
to which it must yield. At a lower priority, a third thread could preempt it while it holds the
GIL (global interpreter lock), which would block the loop.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dbp_ros.bundle.bundle import Bundle, read_bundle, sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError, DbpError, ObservationError
from dbp_ros.hotswap.blocklist import Blocklist
from dbp_ros.hotswap.canary_monitor import CanaryMonitor, ModelRecord
from dbp_ros.hotswap.candidates import Candidate, Candidates
from dbp_ros.hotswap.model_history import ModelHistory
from dbp_ros.hotswap.model_slot import LoadedPolicy, ModelSlot
from dbp_ros.hotswap.shadow_test import (
    ShadowTest,
    load_model,
    require_compatible,
    require_exploration,
    require_not_older,
)
from dbp_ros.hotswap.swap_status import DEFERRED, SwapPhase, SwapStatus
from dbp_ros.policy.decision_rate import with_decision_rate
from dbp_ros.runtime.realtime import set_priority
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.latency import Histogram

SWAP_RATE_HZ = 50.0
# Number of inferences of each estimate of the 99th percentile.
LATENCY_WINDOW = 250


class SwapTransaction:
    """State machine of the hot swap.

    One thread calls `tick`. Any thread may call the other methods.
    """

    def __init__(
        self,
        slot: ModelSlot,
        config: PolicyConfig,
        on_status: Callable[[SwapStatus], None],
        blocklist: Blocklist | None = None,
        history: ModelHistory | None = None,
    ) -> None:
        """Start with the active model of a slot.

        Args:
            slot: The loaded models.
            config: Settings.
            on_status: Called with each new status.
            blocklist: Models to refuse; by default those that fail in this process.
            history: Stores the bundles of working models; none are stored if None.
        """
        self._slot = slot
        self._config = config
        self._on_status = on_status
        self._robot_manifest = slot.active.runner.model.manifest
        self._record = ModelRecord(config)
        self._canary: CanaryMonitor | None = None
        self._blocklist = blocklist or Blocklist()
        self._history = history
        self._unstored: LoadedPolicy | None = slot.active
        self._initial: LoadedPolicy | None = slot.active
        self._candidates = Candidates()
        self._shadow_test: ShadowTest | None = None
        # Changes of the active model.
        self._activations = 0
        self._episode_start = (0, slot.active.number, slot.execution.num_chunks)
        self._success = self._solved = False
        self._success_known = True
        self.report(SwapPhase.IDLE)

    def submit(self, directory: Path, announced: bool = False) -> None:
        """Queue the bundle of a folder as the only candidate; see `Candidate`."""
        self._candidates.put(Candidate(directory, announced))

    def accepts(self, sha256: str) -> bool:
        """Return whether a bundle would be tested: not active, not in test and not blocked."""
        loaded = sha256 in (self._slot.active.sha256, self._candidate_sha256)
        return not (loaded or self._blocklist.reason(sha256))

    def report(self, phase: SwapPhase, candidate: str = "", reason: str = "") -> None:
        """Report the status of a candidate.

        Args:
            phase: Its phase.
            candidate: Sha256 of its manifest.
            reason: Explanation of the phase.
        """
        active = self._slot.active
        manifest = active.runner.model.manifest
        model = (active.number, manifest.name, manifest.version, active.sha256)
        self._on_status(SwapStatus(*model, phase.value, candidate, reason))

    def roll_back(self) -> None:
        """Activate the previous model on request.

        Raises:
            BundleError: If there is none.
        """
        if not self._slot.roll_back("requested", self._slot.active):
            raise BundleError("there is no previous model to roll back to")

    def add_command_counts(self, commands: int, limited: int) -> None:
        """Add the guard's counters, cumulative since its start."""
        self._record.add_command_counts(commands, limited)

    def record_success(self, success: bool) -> None:
        """Record whether the task is solved now; only a change to solved counts for the episode."""
        self._solved |= success and not self._success
        self._success = success

    def begin_episode(self, success_known: bool = True) -> None:
        """Begin the next episode; the last one counts if one model alone executed it.

        Args:
            success_known: Whether `success` is published, so that an episode without it failed.
        """
        *model, num_chunks = self._episode_start
        now = (self._activations, self._slot.active.number, self._slot.execution.num_chunks)
        executed_alone = [*now[:2]] == model and now[2] > num_chunks
        self._success_known = success_known
        if executed_alone and success_known:
            self._record.add_episode(self._solved)
        self._episode_start, self._solved = now, False
        self._slot.execution.begin_episode()

    def tick(self, now_ns: int) -> None:
        """Run one tick of the state machine; verification and loading block the thread."""
        if (failure := self._slot.unload_failed()) is not None:
            self._finish_rollback(*failure)
        self._check_canary(now_ns)
        self._store_bundle()
        if (candidate := self._candidates.take(now_ns)) is not None:
            self._load(candidate, now_ns)
        elif self._shadow_test is not None:
            self._run_shadow_test(self._shadow_test, now_ns)

    def _check_canary(self, now_ns: int) -> None:
        active = self._slot.active
        if active.runner.recent_inference.count >= LATENCY_WINDOW:
            self._record.p99_ms = active.runner.recent_inference.percentile_ms(99)
            active.runner.recent_inference = Histogram()
        if self._canary is None:
            return
        if reason := self._canary.rollback_reason():
            self._slot.roll_back(reason, active)
        elif self._canary.finished(now_ns, self._success_known):
            self._canary = None
            self._slot.end_canary()
            self._mark_good(active)

    def _store_bundle(self) -> None:
        """Copy the bundle of a new active model; an initial model is good after its first chunk."""
        if self._history is not None and (policy := self._unstored) is not None:
            self._unstored = None
            self._history.store(policy.runner.model.bundle)
        if self._initial is self._slot.active and self._slot.execution.num_chunks:
            self._mark_good(self._slot.active)

    def _mark_good(self, policy: LoadedPolicy) -> None:
        self._initial = None
        if self._history is not None:
            self._history.mark_good(policy.sha256)

    def _finish_rollback(self, failed: LoadedPolicy, reason: str) -> None:
        """Block the failed model and resume the record of the previous one."""
        self._activations += 1
        self._blocklist.add(failed.sha256, f"rolled back: {reason}")
        record = self._canary.before if self._canary else ModelRecord(self._config)
        record.resume()
        self._record, self._canary = record, None
        self._unstored = None
        if self._history is not None:
            self._history.drop(failed.sha256)
        self._mark_good(self._slot.active)
        self.report(SwapPhase.ROLLED_BACK, failed.sha256, reason)

    def _load(self, candidate: Candidate, now_ns: int) -> None:
        """Verify, load and self-test a bundle, which is blocked unless only verification fails."""
        sha256, active = "", self._slot.active
        try:
            sha256 = sha256_of(candidate.directory / MANIFEST)
            self._blocklist.require_absent(sha256)
            if sha256 in (active.sha256, self._candidate_sha256):
                return
            self.report(SwapPhase.VERIFYING, sha256)
            bundle = read_bundle(candidate.directory)
            require_compatible(bundle.manifest, self._robot_manifest)
            if self._config.explore:
                require_exploration(bundle.manifest, active.runner.model.manifest)
            if candidate.announced:
                require_not_older(bundle.manifest, active.runner.model.manifest)
        except (DbpError, OSError) as error:
            self.report(SwapPhase.REFUSED, sha256, str(error))
            return
        # Not before: a refused candidate does not replace the one in its shadow test.
        self._end_shadow_test()
        with self._refusal_on_error(bundle, candidate, now_ns):
            self.report(SwapPhase.LOADING, bundle.sha256)
            model = load_model(bundle, self._config)
            self.report(SwapPhase.SELF_TEST, bundle.sha256)
            difference = model.self_test()
            self.report(SwapPhase.SHADOWING, bundle.sha256, f"self-test error {difference:.2g}")
            policy = self._slot.load_candidate(model)
            config = with_decision_rate(self._config, model.manifest)
            self._shadow_test = ShadowTest(policy, candidate, config, now_ns)

    def _run_shadow_test(self, test: ShadowTest, now_ns: int) -> None:
        bundle = test.policy.runner.model.bundle
        with self._refusal_on_error(bundle, test.candidate, now_ns):
            if test.run_once(now_ns, self._slot.execution.current_chunk):
                self._promote(test, now_ns)

    def _promote(self, test: ShadowTest, now_ns: int) -> None:
        policy = test.policy
        policy.runner.recent_inference = Histogram()
        if self._config.realtime_priority:
            # The encoder inherited the priority of this thread.
            set_priority(self._config.realtime_priority, policy.encoder.native_id or 0)
        if not self._slot.promote(policy):
            # The next tick first finishes a rollback that began in this one, then tries again.
            return
        self._activations += 1
        self._shadow_test, self._unstored = None, policy
        config = with_decision_rate(self._config, policy.runner.model.manifest)
        self._canary = CanaryMonitor(config, self._record, now_ns)
        self._record = self._canary.after
        self.report(SwapPhase.ACTIVE, policy.sha256, test.result)

    @contextmanager
    def _refusal_on_error(
        self, bundle: Bundle, candidate: Candidate, now_ns: int
    ) -> Iterator[None]:
        """Refuse a candidate on any error; the active model stays."""
        try:
            yield
        except ObservationError as error:
            self._candidates.defer(candidate, now_ns)
            self._end_shadow_test()
            self.report(SwapPhase.REFUSED, bundle.sha256, f"{DEFERRED}: {error}")
        except Exception as error:
            self._end_shadow_test()
            reason = str(error)
            if _has_changed(bundle):
                reason = f"its files changed after their verification: {reason}"
            else:
                self._blocklist.add(bundle.sha256, reason)
            self.report(SwapPhase.REFUSED, bundle.sha256, reason)

    @property
    def _candidate_sha256(self) -> str:
        return self._shadow_test.policy.sha256 if self._shadow_test else ""

    def _end_shadow_test(self) -> None:
        if self._shadow_test is not None:
            self._slot.drop_candidate()
            self._shadow_test = None


def _has_changed(bundle: Bundle) -> bool:
    """Return whether the files of a bundle are no longer those that were verified."""
    try:
        return read_bundle(bundle.directory).sha256 != bundle.sha256
    except (DbpError, OSError):
        return True
