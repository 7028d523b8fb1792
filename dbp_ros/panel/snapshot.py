"""Content of the page, as one immutable value that other threads replace."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dbp_ros.diagnosis.findings import Finding
from dbp_ros.diagnosis.snapshot import NodeStatus
from dbp_ros.guard_state import GuardState
from dbp_ros.panel.object_scene import SceneObject
from dbp_ros.types import Array, Image

# Diagnostics arrive once per second.
SILENT_S = 3.5


@dataclass(frozen=True)
class CameraImage:
    """Newest image of a camera.

    Attributes:
        number: Number of the message, to detect a new one.
        image: Pixels, rgb8. Shape (height, width, 3).
    """

    number: int
    image: Image


@dataclass(frozen=True)
class PanelSnapshot:
    """State of the stack for the page.

    Attributes:
        positions: Measured positions in [rad] and [m], None before the first. Shape (nu,).
        chunk: Positions of the newest action chunk; None if it is too old. Shape (horizon, nu).
        objects: Objects of the simulated cell.
        images: Newest image of each camera.
        nodes: Status of each node of the stack.
        findings: Faults of the nodes and their remedies.
        states: Newest state of each node by its name.
        swap: Swap status of the policy; empty without one.
        operator_control: Whether an operator controls the arms.
    """

    positions: Array | None = None
    chunk: Array | None = None
    objects: tuple[SceneObject, ...] = ()
    images: Mapping[str, CameraImage] = field(default_factory=dict)
    nodes: Mapping[str, NodeStatus] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    swap: Mapping[str, Any] = field(default_factory=dict)
    operator_control: bool = False

    @property
    def guard(self) -> GuardState:
        """State of the guard; without a mode if it does not run, or reports nothing any more."""
        node = self.nodes.get("guard")
        if node is not None and (node.copies == 0 or (node.age_s or 0.0) > SILENT_S):
            return GuardState()
        return GuardState.parse(self.states.get("guard", ""))

    def runs(self, name: str) -> bool:
        """Return whether a node runs."""
        node = self.nodes.get(name)
        return node is not None and node.copies > 0

    def number(self, node: str, key: str) -> float:
        """Return a value of a node's diagnostics, such as `command_period.rate_hz`; NaN if none."""
        status = self.nodes.get(node)
        text = status.values.get(key, "") if status else ""
        try:
            return float(text)
        except ValueError:
            return float("nan")


class SnapshotStore:
    """The newest snapshot; any thread may replace parts of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot = PanelSnapshot()

    def read(self) -> PanelSnapshot:
        """Return the newest snapshot."""
        return self._snapshot

    def update(self, **changes: Any) -> None:
        """Replace fields of the snapshot."""
        with self._lock:
            self._snapshot = replace(self._snapshot, **changes)

    def update_state(self, name: str, sentence: str) -> None:
        """Replace the state of one node."""
        with self._lock:
            states = {**self._snapshot.states, name: sentence}
            self._snapshot = replace(self._snapshot, states=states)
