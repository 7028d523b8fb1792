"""The swap of models on ROS 2: where new ones come from, and who is told what becomes of them."""

from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.hotswap.blocklist import FAILED, Blocklist
from dbp_ros.hotswap.folder_watcher import FolderWatcher
from dbp_ros.hotswap.initial_model import InitialModel, load_initial_model
from dbp_ros.hotswap.model_history import HISTORY, ModelHistory
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.hotswap.swap import SWAP_RATE_HZ, Swap
from dbp_ros.hotswap.swap_status import SwapPhase, SwapStatus
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.model_receiver import ModelReceiver
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.settings.policy import PolicyConfig

RECEIVED = ".received"
# A counter of 64 bits has no more.
DIGITS = 20


class ModelSwap:
    """Runs a `Swap` beside the decision loop and tells `~/model` what it does.

    New models come from the folder of the first one and from `model_announcement`; `~/rollback`
    brings the one before back.
    """

    def __init__(self, node: Node, config: PolicyConfig, ignored: IgnoredMessages) -> None:
        self._node = node
        self._config, self._ignored = config, ignored
        self._sim_clock = SimClock(config.real_time_factor)
        self._swap: Swap | None = None
        self._folder: FolderWatcher | None = None
        self._thread: RateThread | None = None
        self._newest: SwapStatus | None = None
        self._namespace = str(node.get_namespace()).strip("/").replace("/", ".")
        self._first: InitialModel | None = None
        self._guard = f"{node.get_namespace()}/guard".strip("/")
        self._topic = node.create_publisher(String, "~/model", LATCHED)
        self._receiver = ModelReceiver(node, ignored)
        subscribe_stateful(node, Bool, "success", self._on_success)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        node.create_service(Trigger, "~/rollback", diagnostics.answer_to(self._roll_back))

    @property
    def thread(self) -> RateThread | None:
        """The thread that does the work, while there is a model."""
        return self._thread

    @property
    def report(self) -> dict[str, str]:
        """What became of the newest model that would like to decide."""
        newest = self._newest
        if newest is None:
            return {}
        return {
            "phase": newest.phase,
            "candidate": newest.candidate,
            "candidate_reason": newest.reason,
        }

    @property
    def problem(self) -> str:
        """Why the newest model does not decide; empty where it does, or may yet."""
        newest = self._newest
        if newest is None or newest.phase not in (
            SwapPhase.REFUSED.value,
            SwapPhase.ROLLED_BACK.value,
        ):
            return ""
        about = filter(None, ("model", newest.candidate[:12], newest.phase.replace("_", " ")))
        return f"{' '.join(about)}: {newest.reason}{self._origin(newest)}"

    def load_initial_model(self, directory: Path) -> InitialModel:
        """Load the model of a folder, or the last good one where that cannot be used.

        Raises:
            BundleError: If neither can be used, or what was noted of them cannot be read.
            ConfigError: If the provider is not to be had.
        """
        config = self._config
        directory = directory.resolve() if directory.name in ("", "..") else directory
        self._received = self._folder_of(config.received_models, directory, RECEIVED)
        kept = self._folder_of(config.kept_models, directory, HISTORY) / directory.name
        limits = (config.kept_models_count, config.kept_models_mb)
        warn = self._node.get_logger().warning
        self._failures = Blocklist(self._received / FAILED)
        self._history = ModelHistory(kept, *limits, warn, self._received)
        self._folder = FolderWatcher(directory) if config.watch_model else None
        if self._folder is not None:
            # What comes into the folder from now on is news, what is there is loaded.
            self._folder.changed(0)
        return load_initial_model(directory, config, self._failures, self._history)

    def begin(self, relay: ModelSlot, first: InitialModel) -> None:
        """Look out for successors of the model that was loaded first."""
        config = self._config
        self._first, self._first_number = first, relay.active.number
        self._swap = Swap(relay, config, self._tell, self._failures, self._history)
        if first.fallback:
            self._swap.say(SwapPhase.REFUSED, first.refused, first.fallback)
        self._receiver.begin(self._swap, self._received)
        # Just below the decision loop: what is less urgent than that must not starve the thread
        # that may hold the interpreter's lock.
        priority = max(1, config.realtime_priority - 1) if config.realtime_priority else 0
        self._thread = RateThread("model swap", SWAP_RATE_HZ, self._tick, priority)
        self._thread.start()

    def end(self) -> None:
        """Stop looking out."""
        if self._thread is not None:
            self._thread.stop()
        self._thread = self._swap = self._newest = None

    def begin_episode(self) -> None:
        """End an episode and begin the next."""
        if self._swap is not None:
            self._swap.begin_episode()

    def _folder_of(self, chosen: str, directory: Path, name: str) -> Path:
        """Return a folder, one a namespace: chosen, or with a name beside that of the model."""
        folder = Path(chosen).expanduser() if chosen else directory.parent / name
        return folder.absolute() / self._namespace

    def _origin(self, state: SwapStatus) -> str:
        """Say where the model that decides is from, where that is not the configured folder."""
        if self._first is None or not self._first.fallback or state.number != self._first_number:
            return ""
        bundle = self._first.model.bundle
        return (
            f"; started with the last good model, {bundle.manifest.name} version "
            f"{bundle.manifest.version}, kept in {bundle.directory}"
        )

    def _tick(self, now_ns: int) -> None:
        assert self._swap is not None
        if self._folder is not None and self._folder.changed(now_ns):
            self._swap.propose(self._folder.directory)
        self._receiver.tick(now_ns)
        self._swap.tick(self._sim_clock.from_steady_ns(now_ns))

    def _tell(self, state: SwapStatus) -> None:
        self._newest = state
        self._topic.publish(String(data=state.to_json()))
        who = f"{state.name} version {state.version} ({state.sha256[:12]}), number {state.number}"
        about = f", candidate {state.candidate[:12]}" if state.candidate else ""
        reason = f": {state.reason}" if state.reason else ""
        self._node.get_logger().info(f"model {who}, decides; {state.phase}{about}{reason}")

    def _roll_back(self) -> None:
        if self._swap is None:
            raise BundleError("the policy is not configured: there is no model to roll back")
        self._swap.roll_back()

    def _on_success(self, message: Bool) -> None:
        if self._swap is not None:
            self._swap.record_success(message.data)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name != self._guard or self._swap is None:
                continue
            try:
                self._swap.count_commands(*guard_counts(status))
            except ObservationError as error:
                self._ignored.add("/diagnostics", str(error))


def guard_counts(status: DiagnosticStatus) -> tuple[int, int]:
    """Return how many commands a guard has sent, and how many of them a limit changed.

    Raises:
        ObservationError: If the status is none of our guard.
    """
    values = {item.key: item.value for item in status.values}
    found = [values.get(name, "absent") for name in ("commands", "limited_commands")]
    if not all(value.isascii() and value.isdecimal() and len(value) < DIGITS for value in found):
        raise ObservationError(
            f"a status named {status.name} has commands {found[0][:DIGITS]!r} and "
            f"limited_commands {found[1][:DIGITS]!r}, expected whole numbers: is it another "
            "node's?"
        )
    return int(found[0]), int(found[1])
