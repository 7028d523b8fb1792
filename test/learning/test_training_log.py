"""The log of a run: a table, a TensorBoard file and a plot."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_training import CONFIG

from dbp_ros.learning.dataset import Demonstrations
from dbp_ros.learning.trainer import Trainer
from dbp_ros.learning.training_log import TrainingLog, read_log


def logged(run: Path, *updates: int) -> None:
    """Log rows whose loss is a tenth of their update."""
    log = TrainingLog(run)
    for update in updates:
        log.add(update, {"loss": update / 10, "force_rms": 1.0})
    log.close()


def scalars(run: Path) -> list[tuple[int, float]]:
    """Return the losses in the TensorBoard file."""
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    return [(event.step, pytest.approx(event.value)) for event in board.Scalars("loss")]


def test_each_row_is_in_the_table_and_in_tensorboard(tmp_path: Path) -> None:
    logged(tmp_path, 5, 10)
    table = (tmp_path / "log.csv").read_text().splitlines()
    assert table == ["update,loss,force_rms", "5,0.5,1", "10,1,1"]
    assert scalars(tmp_path) == [(5, 0.5), (10, 1.0)]


def test_a_run_that_begins_again_does_not_continue_the_old_table(tmp_path: Path) -> None:
    logged(tmp_path, 1_000_000)
    values = np.random.default_rng(0).uniform(size=(2, 3, 6, 1)).astype(np.float32)
    Trainer(CONFIG, Demonstrations.from_arrays(*values, step_s=0.05), tmp_path).train()
    assert max(row["update"] for row in read_log(tmp_path)) == CONFIG.num_steps


def test_the_curves_are_plotted_from_the_first_row(tmp_path: Path) -> None:
    logged(tmp_path, 5)
    first = matplotlib.image.imread(tmp_path / "curves.png")
    logged(tmp_path, 10)
    second = matplotlib.image.imread(tmp_path / "curves.png")
    assert first.shape == second.shape
    assert (first != second).any()


def test_a_deferred_plot_is_written_when_the_log_is_closed(tmp_path: Path) -> None:
    drawn: list[int] = []
    log = TrainingLog(tmp_path, lambda run: drawn.append(len(read_log(run))))
    for update in range(3):
        log.add(update, {"loss": 1.0})
    assert drawn == [1]
    log.close()
    assert drawn == [1, 3]


def test_a_resumed_run_truncates_the_rows_that_it_writes_again(tmp_path: Path) -> None:
    logged(tmp_path, 5, 10, 15)
    TrainingLog(tmp_path).truncate_after(10)
    logged(tmp_path, 12)
    table = (tmp_path / "log.csv").read_text().splitlines()
    assert table == ["update,loss,force_rms", "5,0.5,1", "10,1,1", "12,1.2,1"]
    assert scalars(tmp_path) == [(5, 0.5), (10, 1.0), (12, 1.2)]


def test_truncating_a_missing_log_creates_nothing(tmp_path: Path) -> None:
    TrainingLog(tmp_path / "run").truncate_after(10)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("joint", ["left_gripper_joint", "left_elbow_joint"])
def test_the_error_of_grippers_is_logged_only_with_grippers(tmp_path: Path, joint: str) -> None:
    joints = ("left_wrist_joint", joint)
    values = np.random.default_rng(0).uniform(size=(2, 3, 6, 2)).astype(np.float32)
    data = Demonstrations.from_arrays(*values, step_s=0.05, state_names=joints, action_names=joints)
    Trainer(CONFIG, data, tmp_path).train()
    logged_names = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert ("validation_best_gripper_error" in logged_names) == ("gripper" in joint)


def test_actions_of_grippers_alone_have_an_error(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(size=(2, 3, 6, 1)).astype(np.float32)
    gripper = ("left_gripper_joint",)
    data = Demonstrations.from_arrays(
        *values, step_s=0.05, state_names=gripper, action_names=gripper
    )
    Trainer(CONFIG, data, tmp_path).train()
    assert "nan" not in (tmp_path / "log.csv").read_text()
