"""The Dockerfile and the compose files; there is no Docker on the machines of the tests."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbp_ros.settings.flags import from_strings
from dbp_ros.stack.processes import StackConfig

LAUNCH = ["ros2", "launch", "dbp_ros", "dual_arm.launch.py"]
FILES = ["compose", "compose.mujoco", "compose.gazebo", "compose.robot", "compose.learner"]
EXPECTED = {
    "compose": ("runtime", {"sim": "true"}),
    "compose.mujoco": ("mujoco", {"hardware": "mujoco"}),
    "compose.gazebo": ("gazebo", {"hardware": "gazebo"}),
    "compose.robot": ("runtime", {"sim": "false", "hardware": "none"}),
    "compose.learner": ("learner", {"learner": "true", "sim": "false", "hardware": "none"}),
}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def merged(folder: Path, file: str, service: str) -> dict[str, Any]:
    """Return a service with what it extends, and its variables at their defaults."""
    text = VARIABLE.sub(lambda match: match[2], (folder / file).read_text(encoding="utf-8"))
    found = yaml.safe_load(text)["services"][service]
    base = found.pop("extends", None)
    if base is None:
        return found
    below = merged(folder, base["file"], base["service"])
    for key, value in found.items():
        below[key] = {**below[key], **value} if isinstance(value, dict) and key in below else value
    return below


def stages(root: Path) -> dict[str, str]:
    """Return the parent of each stage."""
    text = (root / "docker" / "Dockerfile").read_text(encoding="utf-8")
    return {
        name: parent for parent, name in re.findall(r"^FROM (\S+) AS (\w+)$", text, re.MULTILINE)
    }


def test_every_stage_builds_on_one_before_it(root: Path) -> None:
    found = stages(root)
    assert list(found) == ["base", "runtime", "mujoco", "gazebo", "learner", "test"]
    assert found.pop("base") == "ros:${ROS_DISTRO}"
    assert set(found.values()) == {"base", "runtime"}


def test_files_that_the_image_copies_exist(root: Path) -> None:
    text = (root / "docker" / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        assert all((root / source).exists() for source in sources), line


@pytest.mark.parametrize("name", FILES)
def test_a_compose_file_launches_the_stack_with_valid_arguments(root: Path, name: str) -> None:
    service = merged(root / "docker", f"{name}.yaml", "stack")
    target, expected = EXPECTED[name]
    assert service["build"]["target"] == target
    assert target in stages(root)
    assert service["build"]["dockerfile"] == "docker/Dockerfile"
    words = service["command"]
    assert words[:4] == LAUNCH
    # ros2 launch refuses an argument with an empty value.
    values = dict(word.split(":=", 1) for word in words[4:])
    assert all(values.values())
    assert set(values) <= {item.name for item in fields(StackConfig)}
    assert expected.items() <= values.items()
    assert not from_strings(StackConfig, values).enable_control


@pytest.mark.parametrize("name", FILES)
def test_a_container_has_its_own_domain_and_may_write_models_and_recordings(
    root: Path, name: str
) -> None:
    service = merged(root / "docker", f"{name}.yaml", "stack")
    assert int(service["environment"]["ROS_DOMAIN_ID"]) > 0
    assert service["environment"]["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert {*service["volumes"]} == {
        "models:/data/models",
        "runs:/data/runs",
        "recordings:/data/recordings",
        "robots:/data/robots",
    }
    declared = yaml.safe_load((root / "docker" / f"{name}.yaml").read_text())["volumes"]
    assert {*declared} == {"models", "runs", "recordings", "robots"}
    assert service["ulimits"] == {"rtprio": 50, "memlock": -1}


def test_the_test_services_run_the_tests_and_an_episode_in_both_simulators(root: Path) -> None:
    folder = root / "docker"
    assert merged(folder, "compose.test.yaml", "test")["build"]["target"] == "test"
    for service, target in (("sim-test", "mujoco"), ("sim-test-gazebo", "gazebo")):
        found = merged(folder, "compose.test.yaml", service)
        assert found["build"]["target"] == target
        assert found["entrypoint"] == ["/entrypoint.sh", "/sim_test.sh"]
        assert f"hardware:={target}" in found["command"]


def test_the_image_is_healthy_unless_the_status_has_errors(root: Path) -> None:
    text = (root / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert 'CMD ["/healthcheck.sh"]' in text


@pytest.mark.parametrize(("status", "healthy"), [(0, True), (1, True), (2, False), (127, False)])
def test_a_warning_of_the_status_is_healthy(
    root: Path, tmp_path: Path, status: int, healthy: bool
) -> None:
    script = (root / "docker" / "healthcheck.sh").read_text(encoding="utf-8")
    entrypoint = tmp_path / "entrypoint.sh"
    entrypoint.write_text(f"#!/bin/sh\nexit {status}\n")
    entrypoint.chmod(0o755)
    here = script.replace("/entrypoint.sh", str(entrypoint))
    assert (subprocess.run(["bash", "-c", here], check=False).returncode == 0) is healthy


def tool(name: str) -> str:
    """Return the path of a program of this Python, or of the system."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def test_the_dockerfile_is_lint_free(root: Path) -> None:
    subprocess.run([tool("hadolint"), str(root / "docker" / "Dockerfile")], check=True)


@pytest.mark.parametrize("name", ["entrypoint.sh", "healthcheck.sh", "sim_test.sh", "test.sh"])
def test_a_script_is_executable_and_valid(root: Path, name: str) -> None:
    script = root / "docker" / name
    assert script.stat().st_mode & 0o111
    subprocess.run([tool("shellcheck"), str(script)], check=True)
