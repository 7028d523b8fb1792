"""Text about what is read of a data set."""

import pytest

from dbp_ros.data.selection import Selection
from dbp_ros.data.survey.taken import (
    Taken,
    cameras_not_of_robot,
    compact,
    shape_text,
    unfit_for_policy_node,
)
from dbp_ros.data.units import ColumnUnits

JOINTS = ("left_a_joint", "left_b_joint", "left_gripper_joint")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.0", "a.1", "a.2", "b.0"), "a.0 to a.2, b.0"),
        (("a.0", "a.1"), "a.0, a.1"),
        (("fr3_joint9", "fr3_joint10", "fr3_joint11"), "fr3_joint9 to fr3_joint11"),
        (("a.2", "a.1", "a.0"), "a.2, a.1, a.0"),
        (("x", "y", "z"), "x, y, z"),
        ((), ""),
    ],
)
def test_runs_of_numbered_names_are_shortened(names: tuple[str, ...], expected: str) -> None:
    assert compact(names) == expected


def test_a_shape_is_text() -> None:
    assert [shape_text(shape) for shape in ((), (7,), (480, 640, 3))] == ["1", "7", "480 x 640 x 3"]


def test_joints_by_name_run_in_a_policy_node_if_the_state_is_the_same() -> None:
    units = ColumnUnits.of_selection(Selection())
    assert unfit_for_policy_node(JOINTS, JOINTS, units) == ""
    assert "other columns than the action" in unfit_for_policy_node(JOINTS[:2], JOINTS, units)
    assert "as recorded" in unfit_for_policy_node(JOINTS, ("actions.0",), units)


def test_cameras_that_the_robot_lacks_are_named_with_its_own() -> None:
    assert cameras_not_of_robot(["agentview_image"], "") == ""
    assert cameras_not_of_robot(["top_camera"], "so101_dual") == ""
    text = cameras_not_of_robot(["top_camera", "agentview_image"], "so101_dual")
    assert text.startswith("so101_dual has top_camera, left_wrist_camera, right_wrist_camera, and ")
    assert "not agentview_image, so a policy node waits" in text


def test_columns_are_grouped_by_unit_and_reason() -> None:
    units = ColumnUnits.of_selection(Selection(units="rad"))
    names = (*JOINTS, "fr3_joint1")
    taken = Taken(names, names, {}, {}, 0.05, units, {"effort": (7,)})
    lines = taken.lines()
    assert "  [rad] as chosen by --units rad: left_a_joint, left_b_joint, fr3_joint1" in lines
    assert "  [m] by its name: left_gripper_joint" in lines
    assert lines[-1] == "not read: effort (7)"
