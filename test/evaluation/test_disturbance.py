"""Degraded images and delayed commands."""

import numpy as np
import pytest

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.evaluation.disturbance import UNDISTURBED, DelayLine, Disturbance, degrade
from dbp_ros.evaluation.policy_evaluation import PolicyEvaluator
from dbp_ros.policy.model import Model
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.policy import PolicyConfig

EDGE = np.repeat(np.uint8([0, 255]), 8)[None, :, None].repeat(16, 0).repeat(3, 2)


def test_without_a_disturbance_the_image_is_unchanged() -> None:
    assert degrade(EDGE, UNDISTURBED, np.random.default_rng(0)) is EDGE


def test_blur_widens_an_edge_and_keeps_the_mean() -> None:
    blurred = degrade(EDGE, Disturbance(blur_passes=2), np.random.default_rng(0))
    assert ((blurred > 0) & (blurred < 255)).any(axis=0)[:, 0].sum() == 4
    assert blurred.mean() == pytest.approx(EDGE.mean(), abs=1.0)


def test_noise_has_the_standard_deviation() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    noisy = degrade(grey, Disturbance(pixel_noise=12.0), np.random.default_rng(0)).astype(float)
    assert noisy.std() == pytest.approx(12.0, rel=0.05)


def test_a_delay_line_returns_commands_periods_later() -> None:
    line = DelayLine(2)
    commands = [np.array([float(k)]) for k in range(4)]
    assert [line.shift(command) for command in commands] == [None, None, *commands[:2]]
    assert DelayLine(0).shift(commands[0]) is commands[0]


def test_episodes_under_a_disturbance_are_repeatable() -> None:
    model = Model(read_bundle(bundle_directory("lift")))
    evaluator = PolicyEvaluator(model, "lift", PolicyConfig(), GuardConfig(), "raycast")
    disturbance = Disturbance(
        dropped_images=0.2, pixel_noise=4.0, image_delay_s=0.03, command_delay_s=0.06
    )
    first = evaluator.run_episode(100_000, disturbance)
    nominal = evaluator.run_episode(100_000)
    assert evaluator.run_episode(100_000, disturbance) == first
    assert first.duration_s != nominal.duration_s
