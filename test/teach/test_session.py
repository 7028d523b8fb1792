"""The steps of teaching up to a deployed bundle, with a tiny training."""

import time
from pathlib import Path

import pytest
from demonstrations import write_demonstration

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import DbpError, TrainingError
from dbp_ros.teach.jobs import JobStatus
from dbp_ros.teach.session import TeachSession
from dbp_ros.teach.settings import TeachConfig
from dbp_ros.teach.workspace import Workspace

LIMIT_S = 240.0


@pytest.fixture
def session(tmp_path: Path) -> TeachSession:
    workspace = Workspace(tmp_path / "teach")
    # Without a task, as on a real robot.
    workspace.save_settings(TeachConfig(num_steps=4, batch_size=4, task="", image_size=24))
    return TeachSession(workspace)


def record(session: TeachSession, *outcomes: str) -> None:
    for number, outcome in enumerate(outcomes, 1):
        write_demonstration(session.workspace.recordings, number, outcome)


def ended(session: TeachSession) -> JobStatus:
    deadline = time.monotonic() + LIMIT_S
    while (status := session.poll(0)) is None or status.outcome == "running":
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


def test_the_next_step_is_named_from_the_first_episode_on(session: TeachSession) -> None:
    assert session.next_step(0).startswith("0 successful episodes. Take over")
    record(session, "success", "failure", "success", "success")
    assert session.next_step(0).startswith("3 successful episodes. Record 7 more")


def test_what_is_not_possible_yet_says_why(session: TeachSession) -> None:
    with pytest.raises(TrainingError, match="0 successful episodes"):
        session.train(0)
    with pytest.raises(TrainingError, match="no training to continue"):
        session.resume(0)
    with pytest.raises(TrainingError, match="press Train first"):
        session.evaluate(0, 3)
    with pytest.raises(TrainingError, match="press Train first"):
        session.deploy()


def test_a_model_is_trained_on_the_usable_episodes_and_deployed(session: TeachSession) -> None:
    pytest.importorskip("torch")
    record(session, *4 * ["success"], "failure", "success")
    session.review.discard("episode_000004.mcap")
    # No joint moves.
    write_demonstration(session.workspace.recordings, 6, "success", rest_s=9.0)
    sentence = session.train(0)
    assert sentence.startswith("training 1 on 3 episodes; episode 6 is left out: ")
    with pytest.raises(DbpError, match="training is running"):
        session.train(0)
    status = ended(session)
    assert (status.outcome, status.fraction) == ("done", 1.0), status.message
    training = session.training
    assert training is not None
    assert training.trained_fraction() == 1.0
    assert session.next_step(0).startswith("Press Deploy")
    session.deploy()
    bundle = read_bundle(session.workspace.live_model)
    assert (bundle.manifest.name, bundle.manifest.version) == ("taught", 1)
    assert bundle.manifest.camera_names == ("head", "wrist")


def test_a_cancelled_training_continues_after_a_restart(session: TeachSession) -> None:
    record(session, *3 * ["success"])
    session.train(0)
    session.cancel(0)
    again = TeachSession(Workspace(session.workspace.folder))
    assert "press Continue training" in again.next_step(0)
    assert again.resume(0) == "training 1 on 3 episodes"
    again.cancel(0)
