import json
from pathlib import Path

import pytest
from demonstrations import write_demonstration

from dbp_ros.data.formats import open_episodes
from dbp_ros.errors import ConfigError, TrainingError
from dbp_ros.teach.review import EpisodeReview
from dbp_ros.teach.settings import TeachConfig
from dbp_ros.teach.training import Training
from dbp_ros.teach.workspace import Workspace

NAMES = [f"episode_{number:06d}.mcap" for number in (1, 2, 3)]
STARTS_S = dict.fromkeys(NAMES, 0.0)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "teach")
    for number in (1, 2, 3):
        write_demonstration(made.recordings, number)
    return made


def test_the_settings_of_a_workspace_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    Workspace(tmp_path).save_settings(TeachConfig(num_steps=7, task=""))
    assert Workspace(tmp_path).settings == TeachConfig(num_steps=7, task="")


def test_a_wrong_setting_names_the_file_and_the_fix(tmp_path: Path) -> None:
    (tmp_path / "teach.yaml").write_text("num_steps: 0\n")
    with pytest.raises(ConfigError, match=r"teach\.yaml: num_steps = 0.*correct the file"):
        Workspace(tmp_path)


def test_later_recordings_and_labels_do_not_change_the_data_of_a_training(
    workspace: Workspace,
) -> None:
    review = EpisodeReview(workspace.recordings)
    review.trim(NAMES[0], 0.2, 0.8)
    training = workspace.new_training(STARTS_S)
    before = open_episodes(training.data).sha256()
    write_demonstration(workspace.recordings, 4)
    review.discard(NAMES[1])
    review.restore_whole(NAMES[0])
    assert open_episodes(training.data).sha256() == before
    assert len(open_episodes(training.data).read(0)) < 20
    assert training.episodes == 3


def test_trainings_are_numbered_and_need_three_episodes(workspace: Workspace) -> None:
    assert workspace.new_training(STARTS_S).number == 1
    assert workspace.new_training(STARTS_S).number == 2
    with pytest.raises(TrainingError, match="2 successful episodes, expected at least 3"):
        workspace.new_training({NAMES[0]: 0.0, NAMES[1]: 0.0})
    assert [one.number for one in workspace.trainings] == [1, 2]


def test_the_rest_before_the_first_motion_is_left_out(workspace: Workspace) -> None:
    write_demonstration(workspace.recordings, 4, rest_s=0.8)
    name = "episode_000004.mcap"
    start_s = EpisodeReview(workspace.recordings).open(name).first_motion_s()
    assert 0.5 < start_s < 1.0
    starts_s = {**STARTS_S, name: start_s}
    assert len(open_episodes(workspace.new_training(starts_s).data).read(3)) < 30
    workspace.save_settings(TeachConfig(trim_start=False))
    assert len(open_episodes(workspace.new_training(starts_s).data).read(3)) == 44


def test_a_training_has_the_settings_it_began_with(workspace: Workspace) -> None:
    workspace.save_settings(TeachConfig(num_steps=100))
    training = workspace.new_training(STARTS_S)
    workspace.save_settings(TeachConfig(num_steps=200))
    assert training.settings.num_steps == 100
    assert "100" in training.train_words()
    training.run.mkdir()
    (training.run / "checkpoint.safetensors").touch()
    assert training.train_words()[-1] == "--resume"


def test_the_units_of_another_robot_are_those_of_its_description(workspace: Workspace) -> None:
    assert "--robot" not in workspace.new_training(STARTS_S).train_words()
    workspace.save_settings(TeachConfig(robot="aloha"))
    words = workspace.new_training(STARTS_S).train_words()
    assert words[words.index("--robot") + 1] == "aloha"


def test_an_initial_model_determines_the_network(workspace: Workspace) -> None:
    random_weights = workspace.new_training(STARTS_S).train_words()
    assert {"--method", "--image-size"} <= set(random_weights)
    workspace.save_settings(TeachConfig(initial_model="can"))
    words = workspace.new_training(STARTS_S).train_words()
    assert words[words.index("--initial-model") + 1] == "can"
    assert not {"--method", "--image-size"} & set(words)


def test_the_progress_follows_from_the_log_without_its_incomplete_row(
    workspace: Workspace,
) -> None:
    workspace.save_settings(TeachConfig(num_steps=100))
    training = workspace.new_training(STARTS_S)
    assert training.trained_fraction() == 0.0
    training.run.mkdir()
    (training.run / "log.csv").write_text("update,loss\n10,0.5\n20,0.4\n30,")
    assert training.trained_fraction() == 0.2
    assert training.curve()[1] == {"update": 20.0, "loss": 0.4}


def test_an_evaluation_has_an_interval(workspace: Workspace) -> None:
    training = Training(workspace.folder)
    assert training.evaluation() is None
    outcomes = [{"success": number < 15} for number in range(20)]
    training.outcomes.write_text(json.dumps(outcomes))
    assert str(training.evaluation()) == (
        "15 of 20 episodes succeed (75 %, 95 % interval 53 to 89 %)"
    )


def test_a_real_robot_has_no_evaluation(workspace: Workspace) -> None:
    workspace.save_settings(TeachConfig(task=""))
    with pytest.raises(TrainingError, match="no task to evaluate in"):
        workspace.new_training(STARTS_S).evaluate_words(5)
