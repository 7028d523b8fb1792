"""Tab with the requests to guard, policy and simulation, and the faults of the stack."""

import math
from typing import Any

from dbp_ros.panel import markup
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.panel.tabs import Html, PageContext

SMALLEST_SPEED = 0.05
SPEED_STEP = 0.05
# Time after a move of the slider in which reports of the guard may be older.
SETTLING_S = 3.0


class ControlTab:
    """Buttons of the stack, the speed, and the state of its nodes."""

    def __init__(self, page: PageContext) -> None:
        """Add the elements to the current container."""
        gui, actions = page.server.gui, page.actions
        self._page = page
        self._speed_value = 1.0
        self._moved, self._settled_s = False, 0.0
        actions.add_button(
            "Enable", "enable", hint="The guard commands the arms", key="shift+E", color="green"
        )
        actions.add_button("Run policy", "activate", hint="Activate the policy", key="P", icon=None)
        actions.add_button(
            "Hold",
            "hold",
            hint="Deactivate the policy and end driving by hand: the arms come to rest",
            key="H",
        )
        actions.add_button("Reset", "reset", hint="Clear a latched stop; control stays disabled")
        actions.add_button(
            "Home", "home", hint="Move slowly to the start pose; check the path first"
        )
        self._speed = gui.add_slider(
            "speed", SMALLEST_SPEED, 1.0, SPEED_STEP, 1.0, hint="Factor on the velocity limits"
        )
        self._speed.on_update(self._set_speed)
        self._simulation = gui.add_folder("Simulation", visible=False)
        with self._simulation:
            actions.add_button("New episode", "new_episode", key="N")
            actions.add_button("Reset cell", "reset_simulation")
        with gui.add_folder("Faults and remedies"):
            self._findings = Html(page.server)
        with gui.add_folder("Nodes"):
            self._nodes = Html(page.server)

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Show a snapshot."""
        simulated = snapshot.runs("simulation")
        if self._simulation.visible != simulated:
            self._simulation.visible = simulated
        self._show_speed(snapshot, now_s)
        self._findings.show(markup.findings_list(snapshot.findings))
        rows = [
            (node.name, node.sentence or snapshot.states.get(node.name) or "no state")
            for node in snapshot.nodes.values()
            if node.copies
        ]
        self._nodes.show(markup.table(rows) if rows else markup.paragraph("No nodes found."))

    def _show_speed(self, snapshot: PanelSnapshot, now_s: float) -> None:
        """Move the slider when another node has changed the speed."""
        if self._moved:
            self._moved, self._settled_s = False, now_s + SETTLING_S
        reported = snapshot.number("guard", "speed_scaling")
        if now_s < self._settled_s or not math.isfinite(reported):
            return
        if reported != self._speed_value:
            self._speed.value = self._speed_value = reported

    async def _set_speed(self, event: Any) -> None:
        if event.client_id is None:
            return
        if self._page.actions.may_act(event.client_id):
            self._speed_value, self._moved = self._speed.value, True
            self._page.link.set_speed_scaling(self._speed_value)
        else:
            self._speed.value = self._speed_value
