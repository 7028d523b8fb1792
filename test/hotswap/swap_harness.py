"""A simulated robot with a model slot and a swap."""

from pathlib import Path

import numpy as np

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.hotswap.blocklist import Blocklist
from dbp_ros.hotswap.model_history import ModelHistory
from dbp_ros.hotswap.model_slot import ModelSlot
from dbp_ros.hotswap.swap_status import SwapStatus
from dbp_ros.hotswap.swap_transaction import SwapTransaction
from dbp_ros.policy.model import Model
from dbp_ros.policy.policy_runner import PolicyRunner
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, Frame

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
PASSED = ["verifying", "loading", "self_testing", "shadowing", "active"]


class SwapHarness:
    """A robot with a model slot and a swap, on a simulated clock."""

    def __init__(
        self,
        directory: Path,
        config: PolicyConfig = CONFIG,
        blocklist: Blocklist | None = None,
        history: ModelHistory | None = None,
    ) -> None:
        self.now_ns = 1000 * NS_PER_S
        self.statuses: list[SwapStatus] = []
        self.slot = ModelSlot(PolicyRunner(Model(read_bundle(directory)), config))
        self.swap = SwapTransaction(self.slot, config, self.statuses.append, blocklist, history)
        self.positions = np.array((0.1, 0.2, 0.3), np.float32)
        self.pixel = 50
        self.run_period()

    def add_observations(self) -> None:
        """Add joint states and images to all models."""
        image = np.full((8, 12, 3), self.pixel, np.uint8)
        self.slot.add_joint_state(self.positions, self.now_ns, self.now_ns)
        for policy in self.slot.state.image_consumers:
            for camera in policy.runner.model.manifest.camera_names:
                policy.runner.add_image(camera, Frame(image, self.now_ns), self.now_ns)

    def run_period(self, step: bool = True, without_images: bool = False) -> np.ndarray | None:
        """Run one period; return the first point of the chunk."""
        self.now_ns += PERIOD_NS
        if not without_images:
            self.add_observations()
        chunk = self.slot.step(self.now_ns) if step else None
        if hasattr(self, "swap"):
            self.swap.tick(self.now_ns)
        return None if chunk is None else chunk.positions[0]

    def run_until(self, phase: str, periods: int = 20) -> list[str]:
        """Run periods until a phase is reported; return the phases since the beginning."""
        for _ in range(periods):
            if self.statuses[-1].phase == phase:
                return self.phases
            self.run_period()
        raise AssertionError(f"{phase} was not reported but {self.statuses[-1]}")

    @property
    def phases(self) -> list[str]:
        return [state.phase for state in self.statuses[1:]]


def swap_to(harness: SwapHarness, directory: Path) -> None:
    harness.swap.submit(directory)
    harness.run_period()
    harness.run_until("active")
