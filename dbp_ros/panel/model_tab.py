"""Tab with the active model, the newest candidate, rollback and learning curves."""

import time

from dbp_ros.panel import markup
from dbp_ros.panel.plots import Curve, LivePlot
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.panel.tabs import Html, PageContext

HISTORY = 12
SHORT_HASH = 12
LEARNING = (
    (
        "Episodes of the learner",
        (
            Curve("successes", "learner", "ended.success"),
            Curve("failures", "learner", "ended.failure"),
        ),
    ),
    (
        "Learning",
        (
            Curve("model version", "learner", "learner.version"),
            Curve("explained variance", "learner", "learner.update.explained"),
        ),
    ),
)
LEARNING_DURATION_S = 1800.0


class ModelTab:
    """The models of the policy and the progress of a learner."""

    def __init__(self, page: PageContext) -> None:
        """Add the elements to the current container."""
        gui = page.server.gui
        self._status = Html(page.server)
        page.actions.add_button(
            "Roll back", "rollback", hint="Return to the previous model and block the active one"
        )
        with gui.add_folder("History"):
            self._history = Html(page.server)
        self._learning = gui.add_folder("Learner", visible=False)
        with self._learning:
            self._learner = Html(page.server)
            self._plots = [
                LivePlot(page.server, title, curves, LEARNING_DURATION_S)
                for title, curves in LEARNING
            ]
        self._events: list[str] = []
        self._shown: tuple[object, ...] = ()

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Show a snapshot."""
        swap = snapshot.swap
        status = tuple(swap.get(key) for key in ("name", "version", "phase", "candidate", "reason"))
        if swap and status != self._shown:
            self._shown = status
            self._show_status(snapshot)
        elif not swap:
            self._status.show(markup.paragraph("No policy has reported a model."))
        learns = snapshot.runs("learner")
        if self._learning.visible != learns:
            self._learning.visible = learns
        if learns:
            self._learner.show(markup.paragraph(snapshot.states.get("learner", "")))
            for plot in self._plots:
                plot.update(snapshot, now_s, shown)

    def _show_status(self, snapshot: PanelSnapshot) -> None:
        swap = snapshot.swap
        phase = str(swap["phase"]).replace("_", " ")
        candidate = str(swap.get("candidate", ""))[:SHORT_HASH]
        rows = [
            ("model", f"{swap['name']} version {swap['version']}"),
            ("hash", str(swap.get("sha256", ""))[:SHORT_HASH]),
            ("candidate", f"{candidate} {phase}".strip()),
            ("reason", str(swap.get("reason", ""))),
        ]
        self._status.show(markup.table([row for row in rows if row[1]]))
        event = f"{swap['name']} version {swap['version']}: {phase} {candidate}".strip()
        self._events = [f"{time.strftime('%H:%M:%S')}  {event}", *self._events][:HISTORY]
        self._history.show("".join(markup.paragraph(line) for line in self._events))
