"""URDF files: what is read, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.robots.kinematics import Kinematics
from dbp_ros.robots.urdf import parse_urdf, read_urdf

FOREIGN = Path(__file__).with_name("foreign.urdf")


def document(*joints: str, links: tuple[str, ...] = ("a", "b", "c")) -> str:
    named = "".join(f'<link name="{link}"/>' for link in links)
    return f'<robot name="r">{named}{"".join(joints)}</robot>'


def joint(name: str, parent: str, child: str, rest: str = "", kind: str = "fixed") -> str:
    ends = f'<parent link="{parent}"/><child link="{child}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{rest}</joint>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<robot", "not XML"),
        ("<sdf/>", "the document is <sdf>, expected <robot>"),
        (document(joint("j", "a", "b")), "2 links have no parent (a, c)"),
        (document(joint("j", "a", "x")), "the child of joint j, x, is no link"),
        (document(joint("j", "a", "b"), joint("j", "b", "c")), "joint j occurs twice"),
        (document(joint("j", "a", "b"), joint("k", "c", "b")), "link b has two parents"),
        (document(joint("j", "a", "b", kind="floating")), "joint j is floating, expected fixed"),
        (document(joint("j", "a", "b", kind="revolute")), "joint j is revolute and has no <limit>"),
        (
            document(joint("j", "a", "b", '<origin xyz="0 0"/>'), joint("k", "b", "c")),
            "xyz of j is '0 0', expected three numbers",
        ),
        (
            document(joint("j", "a", "b", '<axis xyz="0 0 0"/>', "continuous")),
            "joint j has the axis 0 0 0",
        ),
        (
            document(joint("j", "a", "b", '<mimic joint="x"/>', "continuous")),
            "joint j mimics x, which is no joint",
        ),
        (document(joint("j", "b", "c"), joint("k", "c", "b")), "j, k are not connected to a"),
    ],
)
def test_a_wrong_document_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_urdf(text)
    assert reason in str(error.value)


def test_a_missing_or_wrong_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"robot\.urdf cannot be read"):
        read_urdf(tmp_path / "robot.urdf")
    wrong = tmp_path / "robot.xacro"
    wrong.write_text('<robot name="r" xmlns:xacro="x"><link name="${no_such}"/></robot>')
    with pytest.raises(ConfigError, match=r"robot\.xacro is not valid xacro: .*no_such"):
        read_urdf(wrong)


def test_a_mimicking_joint_follows() -> None:
    urdf = read_urdf(FOREIGN)
    kinematics = Kinematics(urdf, ["l_jaw_a_slide"], ["l_palm", "l_jaw_a", "l_jaw_b"])
    palm, first, second = kinematics.poses(np.array([0.03]))
    inverse = np.linalg.inv(palm)
    np.testing.assert_allclose((inverse @ first)[:3, 3], [0.03, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose((inverse @ second)[:3, 3], [-0.029, 0.0, 0.0], atol=1e-12)


def test_an_axis_need_not_be_normalised() -> None:
    assert np.allclose(read_urdf(FOREIGN).joints["l_j-2"].axis, np.array([1, 1, 0]) / np.sqrt(2))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("l_j-4", "joint l_j-4 is not in the URDF: did you mean l_j-"),
        ("l_mount", "joint l_mount is fixed in the URDF"),
        ("l_jaw_b_slide", "joint l_jaw_b_slide mimics l_jaw_a_slide in the URDF"),
    ],
)
def test_a_joint_that_cannot_be_commanded_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Kinematics(read_urdf(FOREIGN), [name])


def test_a_velocity_of_zero_is_no_limit_and_a_negative_one_has_the_wrong_sign() -> None:
    def velocity(value: str) -> float:
        limit = f'<limit lower="-1" upper="1" velocity="{value}"/>'
        text = document(joint("j", "a", "b", limit, "revolute"), joint("k", "b", "c"))
        return parse_urdf(text).joints["j"].velocity

    assert velocity("0") == np.inf
    assert velocity("-2") == 2.0


def test_a_fixed_joint_mimics_nothing() -> None:
    text = document(joint("j", "a", "b", '<mimic joint="k"/>'), joint("k", "b", "c"))
    assert parse_urdf(text).joints["j"].mimic is None


@pytest.mark.parametrize(
    ("sourced", "package"), [(False, "no ROS installation is sourced"), (True, "acme_description")]
)
def test_a_xacro_file_of_a_missing_package_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sourced: bool, package: str
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path) if sourced else "")
    path = tmp_path / "arm.urdf.xacro"
    path.write_text(
        '<robot name="r" xmlns:xacro="http://www.ros.org/wiki/xacro">'
        '<xacro:include filename="$(find acme_description)/arm.xacro"/></robot>'
    )
    with pytest.raises(ConfigError, match=f"{package}: source the workspace"):
        read_urdf(path)
