"""Teaching in steps: record, review, train, evaluate and deploy, without a user interface."""

from dbp_ros.errors import DbpError, EpisodeError, TrainingError
from dbp_ros.teach.deployment import deploy
from dbp_ros.teach.jobs import JobRunner, JobStatus, Step
from dbp_ros.teach.review import EpisodeReview, ReviewEntry
from dbp_ros.teach.training import MIN_EPISODES, Training
from dbp_ros.teach.workspace import Workspace

GOOD_START = 10
TRAINING, EVALUATION = "training", "evaluation"
# Share of the export of the time of a training.
EXPORT_WEIGHT = 0.1


class TeachSession:
    """Steps of teaching on one workspace.

    Attributes:
        workspace: The workspace.
        review: Review of its recordings.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.review = workspace, EpisodeReview(workspace.recordings)
        self._jobs = JobRunner()

    @property
    def training(self) -> Training | None:
        """The newest training; None before the first one."""
        trainings = self.workspace.trainings
        return trainings[-1] if trainings else None

    def train(self, now_ns: int) -> str:
        """Train on the successful episodes and export the model; return a sentence.

        Episodes that cannot be read are left out and named.

        Raises:
            DbpError: If there are too few episodes, or another job runs.
        """
        self._require_idle(now_ns)
        starts_s, problems = self._first_motions()
        sentence = self._start_training(self.workspace.new_training(starts_s), now_ns)
        return "; ".join((sentence, *problems))

    def resume(self, now_ns: int) -> str:
        """Continue the newest training after a cancellation, a fault or a restart.

        Raises:
            DbpError: If there is none to continue, or another job runs.
        """
        self._require_idle(now_ns)
        training = self.training
        if training is None or training.exported:
            raise TrainingError("no training to continue: the last one is complete, start another")
        return self._start_training(training, now_ns)

    def evaluate(self, now_ns: int, episodes: int) -> str:
        """Evaluate the newest model in simulation; return a sentence.

        Args:
            now_ns: Time of the steady clock.
            episodes: Number of episodes.

        Raises:
            DbpError: If there is no model or no task, or another job runs.
        """
        self._require_idle(now_ns)
        training = self._exported()
        words = training.evaluate_words(episodes)
        training.outcomes.unlink(missing_ok=True)
        step = Step(words, lambda: training.evaluated / episodes)
        self._jobs.start(EVALUATION, [step], training.folder / "evaluate.log", now_ns)
        return f"evaluation of model {training.number} in {episodes} episodes"

    def deploy(self) -> str:
        """Deploy the newest model; return a sentence.

        Raises:
            DbpError: If there is no model, or it is damaged.
        """
        return deploy(self._exported().model, self.workspace.live_model)

    def cancel(self, now_ns: int) -> None:
        """End the running job, if there is one."""
        self._jobs.cancel(now_ns)

    def poll(self, now_ns: int) -> JobStatus | None:
        """Return the progress of the last job; None before the first one."""
        return self._jobs.poll(now_ns)

    def next_step(self, now_ns: int) -> str:
        """Return what to do next, as a sentence."""
        status, training = self.poll(now_ns), self.training
        if status is not None and status.outcome == "running":
            return (
                f"The {status.name} is running. You can record further episodes at the same time."
            )
        if status is not None and status.outcome == "failed":
            return f"The {status.name} failed: {status.message}"
        usable = sum(one.usable for one in self.review.episodes())
        if training is not None and not training.exported:
            return f"Training {training.number} is not complete: press Continue training."
        if training is None or usable > training.episodes:
            return _recording_step(usable, training)
        if training.evaluation() is None and training.settings.task:
            return "The model is trained. Press Evaluate to measure it in simulation, or Deploy."
        return "Press Deploy to run the model, or record more demonstrations and train again."

    def _first_motions(self) -> tuple[dict[str, float], list[str]]:
        """Return the time of the first motion of each usable episode, and why others are not."""
        starts_s, problems = {}, []
        for one in self.review.episodes():
            if one.usable:
                try:
                    starts_s[one.name] = self.review.first_motion_s(one.name)
                except EpisodeError as error:
                    problems.append(f"episode {one.number} is left out: {error}")
        return starts_s, problems

    def _start_training(self, training: Training, now_ns: int) -> str:
        steps = [
            Step(training.train_words(), training.trained_fraction),
            Step(training.export_words(), lambda: float(training.exported), EXPORT_WEIGHT),
        ]
        self._jobs.start(TRAINING, steps, training.folder / "train.log", now_ns)
        return f"training {training.number} on {training.episodes} episodes"

    def _exported(self) -> Training:
        exported = [one for one in self.workspace.trainings if one.exported]
        if not exported:
            raise TrainingError("no model yet: press Train first")
        return exported[-1]

    def _require_idle(self, now_ns: int) -> None:
        status = self.poll(now_ns)
        if status is not None and status.outcome == "running":
            raise DbpError(f"the {status.name} is running: wait for its end or cancel it")


def described(entry: ReviewEntry) -> str:
    """Return one episode as a line of text."""
    notes = [
        entry.outcome,
        f"{entry.duration_s:.1f} s",
        "trimmed" if entry.trimmed else "",
        "discarded" if entry.discarded else "",
        "cannot be read" if entry.error else "",
    ]
    return f"{entry.number}: {', '.join(filter(None, notes))}"


def _recording_step(usable: int, training: Training | None) -> str:
    if usable < MIN_EPISODES:
        return (
            f"{usable} successful episodes. Take over, press Begin, move a hand, press Success. "
            f"Record {GOOD_START} of them."
        )
    if usable < GOOD_START and training is None:
        return (
            f"{usable} successful episodes. Record {GOOD_START - usable} more for a first model, "
            "or press Train."
        )
    return f"{usable} successful episodes. Review them, then press Train."
