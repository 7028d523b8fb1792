"""Tab that begins, labels and discards episodes."""

from dbp_ros.panel import markup
from dbp_ros.panel.snapshot import PanelSnapshot
from dbp_ros.panel.tabs import Html, PageContext

# Values of the recorder's diagnostics, with their names on the page.
VALUES = {
    "episode": "episode",
    "duration_s": "duration [s]",
    "task": "task",
    "buffered_s": "kept in memory [s]",
    "free_gb": "free disk [GB]",
}
NO_RECORDER = (
    "No recorder runs: an episode then only concerns the policy. Start the stack with --recorder, "
    "or run dbp record."
)


class EpisodeTab:
    """Buttons of an episode and the state of the recorder."""

    def __init__(self, page: PageContext) -> None:
        """Add the elements to the current container."""
        actions = page.actions
        self._state = Html(page.server)
        actions.add_button("Begin episode", "begin_episode", key="B", color="blue")
        actions.add_button("Success", "end_success", key="S", color="green")
        actions.add_button("Failure", "end_failure", key="F", color="orange")
        actions.add_button("Discard", "discard_episode", key="D", color="gray")
        actions.add_button(
            "Keep the last seconds",
            "keep_last",
            hint="Write what the recorder has in memory as an episode",
            key="K",
            color="gray",
        )
        self._values = Html(page.server)

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Show a snapshot."""
        if not snapshot.runs("recorder"):
            learner = snapshot.states.get("learner", "") if snapshot.runs("learner") else ""
            self._state.show(markup.paragraph(f"learner: {learner}" if learner else NO_RECORDER))
            self._values.show("")
            return
        values = snapshot.nodes["recorder"].values
        recording = values.get("recording") == "True"
        colour = "#e03131" if recording else "inherit"
        self._state.show(markup.paragraph(snapshot.states.get("recorder", ""), colour))
        rows = [(name, values[key]) for key, name in VALUES.items() if values.get(key)]
        self._values.show(markup.table(rows))
