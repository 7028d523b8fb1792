"""`dbp robot`: a first description of a foreign URDF, and what the check finds in a wrong one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dbp_ros.cli.main import main
from dbp_ros.errors import ConfigError
from dbp_ros.motion.guard import MotionGuard
from dbp_ros.robots.arms import find_arms
from dbp_ros.robots.check import check_robot, urdf_of
from dbp_ros.robots.shapes import capsules_of
from dbp_ros.robots.urdf import parse_urdf, read_urdf
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.parameter_files import settings_of
from dbp_ros.settings.robot_files import read_robot, robot_file
from dbp_ros.sim.robot_simulation import simulation_of

FOREIGN = Path(__file__).with_name("foreign.urdf")


def drafted(folder: Path, *flags: str) -> Path:
    out = folder / "porter.yaml"
    assert main(["robot", "new", "--urdf", str(FOREIGN), "--out", str(out), *flags]) == 0
    return out


def test_the_arms_of_a_foreign_urdf_are_found() -> None:
    left, right = find_arms(read_urdf(FOREIGN))
    assert (left.name, right.name) == ("l", "r")
    assert [joint.name for joint in left.joints] == ["l_j-1", "l_j-2", "l_j-3"]
    assert [joint.name for joint in left.gripper] == ["l_jaw_a_slide"]
    assert (left.base, left.tip) == ("torso", "l_a3")
    assert [joint.name for joint in right.joints] == ["r_first", "r_second", "r_third"]
    assert list(right.gripper) == []
    assert right.tip == "r_tool"


def test_a_first_description_is_valid_and_says_what_to_check(tmp_path: Path) -> None:
    out = drafted(tmp_path)
    robot = read_robot(str(out))
    assert robot.forward_controllers == {
        "l_forward_position_controller": ("l_j-1", "l_j-2", "l_j-3"),
        "l_gripper_controller": ("l_jaw_a_slide",),
        "r_forward_position_controller": ("r_first", "r_second", "r_third"),
    }
    assert robot.home["l_j-3"] == 1.0, "0 is beyond its limits"
    assert robot.cameras["eye"].moved_by == ("r_first", "r_second", "r_third")
    (problem,) = check_robot(str(out))
    assert problem.level == "warning"
    assert "torso_lift moves in the URDF and is not commanded" in problem.text
    text = out.read_text()
    assert "check: guesses for l_a2: no readable mesh" in text
    assert "no velocity and position limit for the joint above" in text


def test_the_mapping_of_data_in_a_first_description_is_valid_without_its_comment(
    tmp_path: Path,
) -> None:
    text = drafted(tmp_path).read_text()
    assert "# data:" in text
    _, _, after = text.partition("# data:")
    lines = after.partition("\n\n")[0].replace("\n# ", "\n").replace("wrist_camera", "eye")
    out = tmp_path / "mapped.yaml"
    out.write_text(text.replace("urdf:", f"data:{lines}\nurdf:", 1))
    data = read_robot(str(out)).data
    assert data.columns("l_j-1") == ("robot0_joint_pos.0", "actions.0")
    assert data.key_of("eye") == "robot0_eye_in_hand_image"


def test_a_description_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = drafted(tmp_path)
    out.write_text("mine")
    assert main(["robot", "new", "--urdf", str(FOREIGN), "--out", str(out)]) == 1
    assert "exists: set --out to another file, or add --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    drafted(tmp_path, "--force")


def test_a_urdf_without_an_arm_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 independent joints and no branch with at least 3"):
        find_arms(parse_urdf('<robot name="r"><link name="a"/></robot>'))


def chain(*joints: tuple[str, str, str], kind: str = "continuous") -> str:
    """Return a URDF of joints, each with its name, parent and child."""
    links = {link for _, *ends in joints for link in ends}
    elements = [f'<link name="{link}"/>' for link in sorted(links)]
    for name, parent, child in joints:
        ends = f'<parent link="{parent}"/><child link="{child}"/>'
        elements.append(f'<joint name="{name}" type="{kind}">{ends}<axis xyz="0 0 1"/></joint>')
    return f'<robot name="r">{"".join(elements)}</robot>'


def test_wheels_and_a_gripper_of_many_joints_are_no_arms() -> None:
    wheels = [(f"caster_{k}", "base", f"caster_{k}_link") for k in range(4)]
    wheels += [
        (f"wheel_{k}{s}", f"caster_{k}_link", f"wheel_{k}{s}") for k in range(4) for s in "ab"
    ]
    arm = [
        ("left_1_joint", "base", "l1"),
        ("left_2_joint", "l1", "l2"),
        ("left_3_joint", "l2", "l3"),
    ]
    fingers = [("finger_1", "l3", "f1"), ("finger_2", "f1", "f2"), ("finger_3", "f2", "f3")]
    (found,) = find_arms(parse_urdf(chain(*wheels, *arm, *fingers)))
    assert [joint.name for joint in found.joints] == [
        "left_1_joint",
        "left_2_joint",
        "left_3_joint",
    ]
    assert [joint.name for joint in found.gripper] == ["finger_1", "finger_2", "finger_3"]
    with pytest.raises(ConfigError, match="no branch with at least 3 of them besides grippers and"):
        find_arms(parse_urdf(chain(*fingers)))


def test_a_telescopic_lift_below_an_arm_is_no_joint_of_it() -> None:
    joints = [("lift_1", "base", "a"), ("lift_2", "a", "b")]
    joints += [(f"joint_{k}", "bcde"[k - 1], "bcde"[k]) for k in (1, 2, 3)]
    follows = '<joint name="lift_2" type="continuous"><mimic joint="lift_1"/>'
    text = chain(*joints).replace('<joint name="lift_2" type="continuous">', follows)
    (arm,) = find_arms(parse_urdf(text))
    assert [joint.name for joint in arm.joints] == ["joint_1", "joint_2", "joint_3"]
    assert arm.base == "b"


def test_the_legs_of_a_humanoid_are_no_arms() -> None:
    leg, arm = ("hip_pitch", "hip_roll", "knee", "ankle"), ("shoulder", "elbow", "wrist")
    joints = [
        (f"{side}_{name}_joint", f"{side}_{above}" if above else "pelvis", f"{side}_{name}")
        for side in ("left", "right")
        for limb in (leg, arm)
        for above, name in zip(("", *limb), limb, strict=False)
    ]
    arms = find_arms(parse_urdf(chain(*joints)))
    assert [arm.name for arm in arms] == ["left", "right"]
    assert [joint.name for joint in arms[0].joints] == [f"left_{name}_joint" for name in arm]


def test_an_arm_is_named_by_the_words_that_its_joints_share() -> None:
    arms = [
        (f"{side}_joint_{k}", f"{side}{k - 1}" if k else "base", f"{side}{k}")
        for side in ("left", "right")
        for k in range(3)
    ]
    assert [arm.name for arm in find_arms(parse_urdf(chain(*arms)))] == ["left", "right"]
    plain = [
        (f"{side}{k}", f"{side}{k - 1}" if k else "base", f"{side}{k}")
        for side in "ab"
        for k in range(3)
    ]
    assert [arm.name for arm in find_arms(parse_urdf(chain(*plain)))] == ["arm_1", "arm_2"]


def test_names_that_yaml_reads_as_numbers_and_missing_limits_are_kept(tmp_path: Path) -> None:
    text = chain(*((str(k + 1), f"l{k}", f"l{k + 1}") for k in range(4)), kind="revolute")
    text = text.replace('<axis xyz="0 0 1"/>', '<axis xyz="0 0 1"/><limit effort="1"/>')
    text = text.replace('name="l4"', 'name="left-cam_optical_frame"').replace(
        'link="l4"', 'link="left-cam_optical_frame"'
    )
    (tmp_path / "servos.urdf").write_text(text)
    out = tmp_path / "servos.yaml"
    words = ["robot", "new", "--urdf", str(tmp_path / "servos.urdf"), "--name", "servos"]
    assert main([*words, "--out", str(out)]) == 0
    robot = read_robot(str(out))
    assert robot.joints == ("1", "2", "3", "4")
    assert list(robot.cameras) == ["left_cam"]
    assert "no velocity and position limit for the joint above" in out.read_text()


def test_fingers_of_any_name_are_a_gripper() -> None:
    text = chain(*((f"j{k}", f"l{k}", f"l{k + 1}") for k in range(3)))
    pincers = "".join(
        f'<link name="pad{k}"/><joint name="pincer{k}" type="prismatic"><parent link="l3"/>'
        f'<child link="pad{k}"/><limit lower="0" upper="0.04"/></joint>'
        for k in range(2)
    )
    (arm,) = find_arms(parse_urdf(text.replace("</robot>", f"{pincers}</robot>")))
    assert [joint.name for joint in arm.joints] == ["j0", "j1", "j2"]
    assert [joint.name for joint in arm.gripper] == ["pincer0", "pincer1"]


def test_arguments_of_a_xacro_file_are_part_of_the_description(tmp_path: Path) -> None:
    text = FOREIGN.read_text().replace(
        'name="porter"', 'name="porter" xmlns:xacro="http://www.ros.org/wiki/xacro"'
    )
    text = text.replace("<link", '<xacro:arg name="height" default="0.5"/><link', 1)
    text = text.replace('xyz="0 0 0.5"', 'xyz="0 0 $(arg height)"')
    (tmp_path / "porter.xacro").write_text(text)
    out = tmp_path / "porter.yaml"
    words = ["robot", "new", "--urdf", str(tmp_path / "porter.xacro"), "--out", str(out)]
    assert main([*words, "--urdf-arguments", "height"]) == 1
    assert main([*words, "--urdf-arguments", "height:=0.9"]) == 0
    assert read_robot(str(out)).urdf_arguments == {"height": "0.9"}
    assert urdf_of(str(out)).joints["torso_lift"].origin[2, 3] == 0.9


@pytest.mark.parametrize("shape", ['box size="a b c"', 'box size="1 1"', 'sphere radius="-1"'])
def test_wrong_collision_geometry_is_named(
    tmp_path: Path, shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FOREIGN.read_text().replace('box size="0.2 0.3 0.6"', shape)
    (tmp_path / "porter.urdf").write_text(text)
    assert main(["robot", "new", "--urdf", str(tmp_path / "porter.urdf"), "--name", "p"]) == 1
    error = capsys.readouterr().err
    assert "the collision geometry of torso cannot be read" in error
    assert error.count("\n") == 1


def test_three_arms_work_like_two(tmp_path: Path) -> None:
    arms = [
        (f"{side}_joint_{k}", f"{side}{k - 1}" if k else "base", f"{side}{k}")
        for side in ("left", "middle", "right")
        for k in range(3)
    ]
    (tmp_path / "three.urdf").write_text(chain(*arms))
    out = tmp_path / "three.yaml"
    words = ["robot", "new", "--urdf", str(tmp_path / "three.urdf"), "--name", "three"]
    assert main([*words, "--out", str(out)]) == 0
    assert [p.level for p in check_robot(str(out))] == ["warning"], "no collision shapes"
    config = settings_of(GuardConfig, {"robot": str(out)})
    assert config.controller_sizes == (3, 3, 3)
    MotionGuard(config)
    simulation = simulation_of(str(out), "lift")
    simulation.command(simulation.home + 0.1)
    simulation.advance(500)
    np.testing.assert_allclose(simulation.positions, simulation.home + 0.1, atol=1e-3)


def test_a_mesh_gives_the_capsule_around_it(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 0], [0.4, 0.02, -0.02], [0.4, -0.02, 0.02]], dtype="<f4")
    triangle = np.zeros(1, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    triangle["corners"] = corners
    (tmp_path / "porter" / "meshes").mkdir(parents=True)
    header = bytes(80) + (1).to_bytes(4, "little")
    (tmp_path / "porter" / "meshes" / "arm.stl").write_bytes(header + triangle.tobytes())
    (tmp_path / "porter" / "urdf").mkdir()
    shapes = capsules_of(read_urdf(FOREIGN), "l_a2", tmp_path / "porter" / "urdf")
    assert not shapes.guessed
    (capsule,) = shapes.capsules
    assert capsule.radius == pytest.approx(0.02)
    np.testing.assert_allclose([capsule.start, capsule.end], [[0.02, 0, 0], [0.38, 0, 0]])


WRONG: list[tuple[str, Any, str]] = [
    ("joint_limits.left_elbow_joint.max_position", 4.0, "max_position is 4, expected at most 3.14"),
    ("joint_limits.left_elbow_joint.max_velocity", 9.0, "max_velocity is 9, expected at most 3.14"),
    ("arms.left.tip", "left_tol0", "left_tol0 is no link of the URDF: did you mean left_tool0"),
    ("arms.left.base", "right_base_link", "right_base_link is not between world and left_tcp"),
    ("cameras.head_camera.frame", "nowhere", "nowhere is no link of the URDF"),
    ("cameras.head_camera.moved_by", ["hip_*"], "hip_* matches no joint of the arms"),
    ("cameras.head_camera.moved_by", ["left_elbow*"], "but in the URDF no joint moves head_camera"),
    ("allowed_collisions", [["left_x", "world"]], "left_x, which has no capsules"),
    ("data", {"unit": "deg"}, "unit is deg, but the joint is prismatic in the URDF"),
    ("collision_capsules", {}, "is empty: collisions are not checked"),
    ("home.left_elbow_joint", 3.1, "overlap by"),
]


@pytest.mark.parametrize(("key", "value", "reason"), WRONG)
def test_a_contradiction_with_the_urdf_is_found(
    tmp_path: Path, key: str, value: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(robot_file("ur5e_dual").read_text())
    values["urdf"] = str(robot_file("ur5e_dual").parent / values["urdf"])
    *groups, name = key.split(".")
    inner = values
    for group in groups:
        # Anchors of YAML share one object.
        inner[group] = dict(inner[group])
        inner = inner[group]
    inner[name] = value
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    status = main(["robot", "check", str(path)])
    shown = capsys.readouterr().out
    assert reason in shown
    assert status == int("error:" in shown)


def test_joints_in_another_order_are_found(tmp_path: Path) -> None:
    text = robot_file("ur5e_dual").read_text()
    urdf = robot_file("ur5e_dual").parent / "urdf" / "ur5e_dual.urdf.xacro"
    text = text.replace("urdf/ur5e_dual.urdf.xacro", str(urdf))
    lines = ["      - left_elbow_joint\n", "      - left_wrist_1_joint\n"]
    path = tmp_path / "robot.yaml"
    path.write_text(text.replace("".join(lines), "".join(reversed(lines))))
    (problem,) = check_robot(str(path))
    assert problem.level == "error"
    assert "list these, in this order" in problem.text


def test_the_robots_that_ship_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robot", "list"]) == 0
    assert "so101_dual: left (5 joints) and right (5 joints)" in capsys.readouterr().out
