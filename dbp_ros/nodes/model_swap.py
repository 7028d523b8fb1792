"""Model hot swap on ROS 2: sources of candidates, status topic and rollback service."""

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
from dbp_ros.hotswap.swap_status import SwapPhase, SwapStatus
from dbp_ros.hotswap.swap_transaction import SWAP_RATE_HZ, SwapTransaction
from dbp_ros.nodes import diagnostics
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.model_receiver import ModelReceiver
from dbp_ros.nodes.qos import LATCHED
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.runtime.rate_loop import RateThread
from dbp_ros.runtime.sim_clock import SimClock
from dbp_ros.settings.policy import PolicyConfig

RECEIVED = ".received"
# Maximum length of a 64-bit counter.
DIGITS = 20


class ModelSwap:
    """A `SwapTransaction` in its own thread, with its status on the topic `~/model`.

    Candidates come from the folder of the initial model and from `model_announcement`. The
    service `~/rollback` activates the previous model.
    """

    def __init__(self, node: Node, config: PolicyConfig, ignored: IgnoredMessages) -> None:
        self._node = node
        self._config, self._ignored = config, ignored
        self._sim_clock = SimClock(config.real_time_factor)
        self._swap: SwapTransaction | None = None
        self._watcher: FolderWatcher | None = None
        self._thread: RateThread | None = None
        self._status: SwapStatus | None = None
        self._namespace = str(node.get_namespace()).strip("/").replace("/", ".")
        self._initial: InitialModel | None = None
        self._guard = f"{node.get_namespace()}/guard".strip("/")
        self._publisher = node.create_publisher(String, "~/model", LATCHED)
        self._receiver = ModelReceiver(node, ignored)
        self._success_topic = node.resolve_topic_name("success")
        subscribe_stateful(node, Bool, "success", self._on_success)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        node.create_service(Trigger, "~/rollback", diagnostics.trigger_callback(self._roll_back))

    @property
    def thread(self) -> RateThread | None:
        """The swap thread; None without a model."""
        return self._thread

    @property
    def report(self) -> dict[str, str]:
        """Status of the newest candidate, for the statistics."""
        status = self._status
        if status is None:
            return {}
        return {
            "phase": status.phase,
            "candidate": status.candidate,
            "candidate_reason": status.reason,
        }

    @property
    def problem(self) -> str:
        """Why the newest candidate is not active; empty if it is or is still in test."""
        status = self._status
        if status is None or status.phase not in (
            SwapPhase.REFUSED.value,
            SwapPhase.ROLLED_BACK.value,
        ):
            return ""
        parts = filter(None, ("model", status.candidate[:12], status.phase.replace("_", " ")))
        return f"{' '.join(parts)}: {status.reason}{self._fallback_note(status)}"

    def load_initial_model(self, directory: Path) -> InitialModel:
        """Load the model of a folder, or the last good one if that cannot be used.

        Raises:
            BundleError: If neither can be used, or the block list or the history cannot be read.
            ConfigError: If the execution provider is not available.
        """
        config = self._config
        directory = directory.resolve() if directory.name in ("", "..") else directory
        self._received = self._folder_of(config.received_models, directory, RECEIVED)
        history = self._folder_of(config.model_history, directory, HISTORY) / directory.name
        limits = (config.model_history_size, config.model_history_mb)
        warn = self._node.get_logger().warning
        self._blocklist = Blocklist(self._received / FAILED)
        self._history = ModelHistory(history, *limits, warn, self._received)
        self._watcher = FolderWatcher(directory) if config.watch_model else None
        if self._watcher is not None:
            # The present files are loaded now; later changes make a candidate.
            self._watcher.changed(0)
        return load_initial_model(directory, config, self._blocklist, self._history)

    def start(self, slot: ModelSlot, initial: InitialModel) -> None:
        """Start the swap thread for the slot of an initial model."""
        config = self._config
        self._initial, self._initial_number = initial, slot.active.number
        self._swap = SwapTransaction(slot, config, self._on_status, self._blocklist, self._history)
        if initial.fallback:
            self._swap.report(SwapPhase.REFUSED, initial.refused, initial.fallback)
        self._receiver.start(self._swap, self._received)
        # Just below the decision loop: no thread of lower priority than the loop may preempt the
        # swap thread while it holds the GIL.
        priority = max(1, config.realtime_priority - 1) if config.realtime_priority else 0
        self._thread = RateThread("model swap", SWAP_RATE_HZ, self._tick, priority)
        self._thread.start()

    def stop(self) -> None:
        """Stop the swap thread."""
        if self._thread is not None:
            self._thread.stop()
        self._thread = self._swap = self._status = None

    def begin_episode(self) -> None:
        """Begin the next episode."""
        if self._swap is not None:
            self._swap.begin_episode(bool(self._node.count_publishers(self._success_topic)))

    def _folder_of(self, chosen: str, directory: Path, name: str) -> Path:
        """Return the folder of this namespace in `chosen`, by default a sibling of the model's."""
        folder = Path(chosen).expanduser() if chosen else directory.parent / name
        return folder.absolute() / self._namespace

    def _fallback_note(self, status: SwapStatus) -> str:
        """Return the origin of the active model if that is a fallback."""
        if (
            self._initial is None
            or not self._initial.fallback
            or status.number != self._initial_number
        ):
            return ""
        bundle = self._initial.model.bundle
        return (
            f"; started with the last good model, {bundle.manifest.name} version "
            f"{bundle.manifest.version}, stored in {bundle.directory}"
        )

    def _tick(self, now_ns: int) -> None:
        # Bound once: `stop` does not wait for a tick that loads a model.
        if (swap := self._swap) is None:
            return
        if self._watcher is not None and self._watcher.changed(now_ns):
            swap.submit(self._watcher.directory)
        self._receiver.tick(now_ns)
        swap.tick(self._sim_clock.from_steady_ns(now_ns))

    def _on_status(self, status: SwapStatus) -> None:
        self._status = status
        self._publisher.publish(String(data=status.to_json()))
        model = f"{status.name} version {status.version} ({status.sha256[:12]})"
        candidate = f", candidate {status.candidate[:12]}" if status.candidate else ""
        reason = f": {status.reason}" if status.reason else ""
        self._node.get_logger().info(
            f"active model {model}, number {status.number}; {status.phase}{candidate}{reason}"
        )

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
                self._swap.add_command_counts(*guard_counts(status))
            except ObservationError as error:
                self._ignored.add("/diagnostics", str(error))


def guard_counts(status: DiagnosticStatus) -> tuple[int, int]:
    """Return the counts of commands and of limited commands in a guard's status.

    Raises:
        ObservationError: If the status is not from a guard.
    """
    values = {item.key: item.value for item in status.values}
    found = [values.get(name, "absent") for name in ("commands", "limited_commands")]
    if not all(value.isascii() and value.isdecimal() and len(value) < DIGITS for value in found):
        raise ObservationError(
            f"a status named {status.name} has commands {found[0][:DIGITS]!r} and "
            f"limited_commands {found[1][:DIGITS]!r}, expected integers: does another "
            "node publish it?"
        )
    return int(found[0]), int(found[1])
