"""The transaction by which a new model takes the place of another while the robot moves.

Verify, load, prove, rehearse, swap between two decisions, watch, and roll back: at every step a
model that is not good enough changes nothing. All of it runs in a thread of its own beside the
decision loop. That thread must give way to the loop, and must not be starved by anything less
urgent than the loop: it would then keep Python's interpreter lock from it for as long. So its
priority is the one just below.
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
from dbp_ros.hotswap.shadow_test import ShadowTest, load_model, require_fit, require_no_older
from dbp_ros.hotswap.swap_status import PUT_OFF, SwapPhase, SwapStatus
from dbp_ros.policy.decision_rate import for_model
from dbp_ros.runtime.realtime import set_priority
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.telemetry.latency import Histogram
from dbp_ros.types import ActionChunk

SWAP_RATE_HZ = 50.0
# Decisions from which a 99th percentile is told.
LATENCY_WINDOW = 250


class Swap:
    """Takes proposals and sees each through to its end.

    `tick` does the work and belongs to one thread; the other methods may be called by any.
    """

    def __init__(
        self,
        relay: ModelSlot,
        config: PolicyConfig,
        tell: Callable[[SwapStatus], None],
        failures: Blocklist | None = None,
        history: ModelHistory | None = None,
    ) -> None:
        """Begin with the model that decides.

        Args:
            relay: The models.
            config: Settings.
            tell: Called with every new state.
            failures: Models that are not tried again; those of this process alone if None.
            history: Keeps the bundles of models that work; none are kept if None.
        """
        self._relay = relay
        self._config = config
        self._tell = tell
        self._robot = relay.active.decider.model.manifest
        self._record = ModelRecord(config)
        self._probation: CanaryMonitor | None = None
        self._failures = failures or Blocklist()
        self._history = history
        self._unkept: LoadedPolicy | None = relay.active
        self._unproven: LoadedPolicy | None = relay.active
        self._proposals = Candidates()
        self._trial: ShadowTest | None = None
        self._episode: tuple[int, ActionChunk | None] = (relay.active.number, relay.chunk)
        self._success = self._solved = False
        self.say(SwapPhase.IDLE)

    def propose(self, directory: Path, announced: bool = False) -> None:
        """Ask to swap to the bundle of a folder; the newest proposal counts. See `Candidate`."""
        self._proposals.put(Candidate(directory, announced))

    def wants(self, sha256: str) -> bool:
        """Return whether a bundle would be tried: it neither decides nor has failed before."""
        decides = sha256 in (self._relay.active.sha256, self._tried)
        return not (decides or self._failures.reason(sha256))

    def say(self, phase: SwapPhase, candidate: str = "", reason: str = "") -> None:
        """Tell how far a candidate has come."""
        active = self._relay.active
        manifest = active.decider.model.manifest
        about = (active.number, manifest.name, manifest.version, active.sha256)
        self._tell(SwapStatus(*about, phase.value, candidate, reason))

    def roll_back(self) -> None:
        """Let the model before decide again, because somebody says so.

        Raises:
            BundleError: If there is none.
        """
        if not self._relay.roll_back("asked for", self._relay.active):
            raise BundleError("no model decided before this one: there is none to roll back to")

    def count_commands(self, commands: int, limited: int) -> None:
        """Take in what the guard has counted since it started."""
        self._record.count(commands, limited)

    def record_success(self, success: bool) -> None:
        """Take in whether the task is solved at the moment; only the change to it counts."""
        self._solved |= success and not self._success
        self._success = success

    def begin_episode(self) -> None:
        """End an episode, which counts if one model alone decided in it, and begin the next."""
        began_with, now = self._episode, (self._relay.active.number, self._relay.chunk)
        if now[0] == began_with[0] and now[1] is not began_with[1]:
            self._record.end_episode(self._solved)
        self._episode, self._solved = now, False
        self._relay.begin_episode()

    def tick(self, now_ns: int) -> None:
        """Do the next piece of work; verifying and loading take as long as they take."""
        if (failure := self._relay.retire()) is not None:
            self._conclude(*failure)
        self._judge(now_ns)
        self._keep()
        if (proposal := self._proposals.take(now_ns)) is not None:
            self._take_up(proposal, now_ns)
        elif self._trial is not None:
            self._go_on(self._trial, now_ns)

    def _judge(self, now_ns: int) -> None:
        active = self._relay.active
        if active.decider.recent.count >= LATENCY_WINDOW:
            self._record.p99_ms = active.decider.recent.percentile_ms(99)
            active.decider.recent = Histogram()
        if self._probation is None:
            return
        if reason := self._probation.verdict():
            self._relay.roll_back(reason, active)
        elif self._probation.over(now_ns):
            self._probation = None
            self._relay.trust()
            self._mark_good(active)

    def _keep(self) -> None:
        """Copy the bundle of a model that has begun to decide; the first counts at once."""
        if self._history is not None and (runner := self._unkept) is not None:
            self._unkept = None
            self._history.keep(runner.decider.model.bundle)
        if self._unproven is self._relay.active and self._relay.chunk is not None:
            self._mark_good(self._relay.active)

    def _mark_good(self, runner: LoadedPolicy) -> None:
        self._unproven = None
        if self._history is not None:
            self._history.mark_good(runner.sha256)

    def _conclude(self, runner: LoadedPolicy, reason: str) -> None:
        """Remember a model that had to give way, and go on with the record of the one before."""
        self._failures.add(runner.sha256, f"rolled back: {reason}")
        before = self._probation.before if self._probation else ModelRecord(self._config)
        self._record, self._probation = before, None
        self._unkept = None
        if self._history is not None:
            self._history.drop(runner.sha256)
        self._mark_good(self._relay.active)
        self.say(SwapPhase.ROLLED_BACK, runner.sha256, reason)

    def _take_up(self, proposal: Candidate, now_ns: int) -> None:
        """Verify a bundle; what keeps it from being verified may pass, so it is not remembered."""
        sha256, active = "", self._relay.active
        try:
            sha256 = sha256_of(proposal.directory / MANIFEST)
            self._failures.require_none(sha256)
            if sha256 in (active.sha256, self._tried):
                return
            self._end_trial()
            self.say(SwapPhase.VERIFYING, sha256)
            bundle = read_bundle(proposal.directory)
            require_fit(bundle.manifest, self._robot)
            if proposal.announced:
                require_no_older(bundle.manifest, active.decider.model.manifest)
        except (DbpError, OSError) as error:
            self.say(SwapPhase.REFUSED, sha256, str(error))
            return
        with self._judged(bundle, proposal, now_ns):
            self.say(SwapPhase.LOADING, bundle.sha256)
            model = load_model(bundle, self._config)
            self.say(SwapPhase.PROVING, bundle.sha256)
            difference = model.prove()
            self.say(SwapPhase.SHADOWING, bundle.sha256, f"gives its proof within {difference:.2g}")
            runner = self._relay.load_candidate(model)
            self._trial = ShadowTest(
                runner, proposal, for_model(self._config, model.manifest), now_ns
            )

    def _go_on(self, trial: ShadowTest, now_ns: int) -> None:
        bundle = trial.runner.decider.model.bundle
        with self._judged(bundle, trial.proposal, now_ns):
            if trial.rehearse(now_ns, self._relay.chunk):
                self._promote(trial, now_ns)

    def _promote(self, trial: ShadowTest, now_ns: int) -> None:
        runner, self._trial = trial.runner, None
        runner.decider.recent = Histogram()
        if self._config.realtime_priority:
            # It inherited that of this thread.
            set_priority(self._config.realtime_priority, runner.encoder.native_id or 0)
        self._relay.promote(runner)
        self._unkept = runner
        config = for_model(self._config, runner.decider.model.manifest)
        self._probation = CanaryMonitor(config, self._record, now_ns)
        self._record = self._probation.after
        self.say(SwapPhase.ACTIVE, runner.sha256, trial.finding)

    @contextmanager
    def _judged(self, bundle: Bundle, proposal: Candidate, now_ns: int) -> Iterator[None]:
        """End a trial with an error, of whatever kind, and let the model that decides go on."""
        try:
            yield
        except ObservationError as error:
            self._proposals.put_off(proposal, now_ns)
            self._end_trial()
            self.say(SwapPhase.REFUSED, bundle.sha256, f"{PUT_OFF}: {error}")
        except Exception as error:
            self._failures.add(bundle.sha256, str(error))
            self._end_trial()
            self.say(SwapPhase.REFUSED, bundle.sha256, str(error))

    @property
    def _tried(self) -> str:
        return self._trial.runner.sha256 if self._trial else ""

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._relay.dismiss(self._trial.runner)
            self._trial = None
