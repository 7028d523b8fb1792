"""The decision rate is that of the active bundle, unless a parameter overrides it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from processes.fake_robot import CAMERA, CONFIG, FakeRobot, process, wait_until
from toy_bundle import write_toy_bundle

MEASURED_S = 2.0
# The machine may be busy; a wrong rate differs by a factor of three.
SLACK = 0.3


@pytest.fixture
def write(tmp_path: Path) -> Callable[[int, float], Path]:
    """Return a function that writes a version of a model for a rate."""
    return lambda version, rate_hz: write_toy_bundle(
        tmp_path / "models" / "toy",
        version=version,
        control_rate_hz=rate_hz,
        graph_joints=CONFIG.joints,
        graph_cameras=(CAMERA,),
        ramp=np.zeros((8, 1)),
        step_s=1 / 30,
    )


def rate_hz(robot: FakeRobot) -> float:
    """Return the measured decision rate."""

    def decisions() -> tuple[int, float]:
        count = json.loads(robot.call_service("policy/statistics")[1])["decisions"]
        return count, time.monotonic()

    (first, start_s), _ = decisions(), time.sleep(MEASURED_S)
    last, end_s = decisions()
    return (last - first) / (end_s - start_s)


def test_the_decision_rate_follows_the_manifest_also_after_a_swap(
    robot: FakeRobot, write: Callable[[int, float], Path]
) -> None:
    quick = {"shadow_decisions": 5, "inference_budget": 10.0}
    with process("policy_node", model=write(1, 20.0), **quick):
        robot.wait_for_state("policy", "deciding")
        assert rate_hz(robot) == pytest.approx(20.0, rel=SLACK)
        write(2, 60.0)
        wait_until(
            lambda: json.loads(robot.call_service("policy/statistics")[1])["model"]["number"] == 2,
            "the second version",
        )
        assert rate_hz(robot) == pytest.approx(60.0, rel=SLACK)


def test_a_parameter_overrides_the_rate_of_the_model_and_is_reported(
    robot: FakeRobot, write: Callable[[int, float], Path]
) -> None:
    with process("policy_node", model=write(1, 20.0), decision_rate_hz=80.0):
        robot.wait_for_state("policy", "deciding; decision_rate_hz overrides the rate of model")
        assert rate_hz(robot) > 60.0
