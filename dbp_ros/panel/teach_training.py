"""Training, evaluation and deployment on the teach tab."""

import time

import numpy as np
import viser

from dbp_ros.panel.teach_actions import TeachActions, plain, set_value
from dbp_ros.teach.jobs import JobStatus
from dbp_ros.teach.session import TeachSession
from dbp_ros.teach.training import Training

# Column of the log of a training, and its colour in the plot.
CURVES = {"validation_error": "#1f77b4", "validation_best_error": "#d62728", "loss": "#888888"}
PLOT_ASPECT = 2.0


class TrainingFolder:
    """Buttons and progress of training, evaluation and deployment."""

    def __init__(
        self, server: viser.ViserServer, actions: TeachActions, session: TeachSession
    ) -> None:
        """Add the folders.

        Args:
            server: Server of the page.
            actions: Buttons of the tab.
            session: Training on the workspace.
        """
        self._server, self._actions, self._session = server, actions, session
        settings = session.workspace.settings
        with server.gui.add_folder("3. Train") as self._folder:
            self.num_steps = actions.guarded(
                server.gui.add_number("Steps", settings.num_steps, min=1, step=100)
            )
            actions.add_button("Train", self._train, color="blue")
            actions.add_button("Continue training", self._resume)
            actions.add_button("Cancel", self._cancel)
            self._bar = server.gui.add_progress_bar(0.0)
            self._progress = server.gui.add_markdown("")
        with server.gui.add_folder("4. Evaluate"):
            self.episodes = actions.guarded(
                server.gui.add_number("Episodes", settings.evaluation_episodes, min=1, step=1)
            )
            actions.add_button("Evaluate", self._evaluate, color="blue")
            self._result = server.gui.add_markdown("")
        with server.gui.add_folder("5. Deploy"):
            actions.add_button("Deploy", self._deploy, color="blue")
        self._plot: viser.GuiUplotHandle | None = None
        self._rows = 0

    @property
    def texts(self) -> tuple[str, str]:
        """Progress of the job and result of the evaluation, as shown."""
        return self._progress.content, self._result.content

    def refresh(self) -> None:
        """Show progress, curves and the result of the evaluation."""
        status, training = self._session.poll(time.monotonic_ns()), self._session.training
        if status is not None:
            set_value(self._bar, round(100 * status.fraction, 1))
            self._progress.content = plain(progress_line(status))
        if training is not None:
            self._show_curves(training)
            result = training.evaluation()
            content = f"model {training.number}: {result}" if result else "not evaluated yet"
            if self._result.content != content:
                self._result.content = content

    def _show_curves(self, training: Training) -> None:
        rows = training.curve()
        if len(rows) == self._rows or len(rows) < 2:
            return
        self._rows = len(rows)
        # The loss of a drift does not fall; it is shown without validation episodes only.
        columns = [name for name in CURVES if name in rows[0]][:2]
        data = tuple(np.array([row[name] for row in rows]) for name in ("update", *columns))
        if self._plot is not None and len(self._plot.data) == len(data):
            self._plot.data = data
            return
        series = [viser.uplot.Series(label="step")]
        series += [viser.uplot.Series(label=name, stroke=CURVES[name]) for name in columns]
        with self._folder:
            self._plot = self._server.gui.add_uplot(
                data,
                tuple(series),
                scales={"x": viser.uplot.Scale(time=False)},
                aspect=PLOT_ASPECT,
            )

    def _train(self) -> str:
        with self._actions.lock:
            self._session.workspace.change_settings(num_steps=int(self.num_steps.value))
            return self._session.train(time.monotonic_ns())

    def _resume(self) -> str:
        with self._actions.lock:
            return self._session.resume(time.monotonic_ns())

    def _cancel(self) -> str:
        with self._actions.lock:
            self._session.cancel(time.monotonic_ns())
            return "the job ends; what it has written stays"

    def _evaluate(self) -> str:
        with self._actions.lock:
            return self._session.evaluate(time.monotonic_ns(), int(self.episodes.value))

    def _deploy(self) -> str:
        with self._actions.lock:
            return self._session.deploy()


def progress_line(status: JobStatus) -> str:
    """Return the progress of a job as a line of text."""
    if status.outcome != "running":
        return f"{status.name} {status.outcome} after {status.elapsed_s:.0f} s: {status.message}"
    left = "" if status.remaining_s is None else f", about {minutes(status.remaining_s)} left"
    line = f"{status.name}: {100 * status.fraction:.0f} %, {minutes(status.elapsed_s)}{left}"
    return f"{line}. {status.message}" if status.message else line


def minutes(seconds: float) -> str:
    """Return a duration as minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min"
