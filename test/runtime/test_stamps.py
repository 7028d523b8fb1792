"""Invalid stamps are distinguished by their cause."""

import pytest

from dbp_ros.runtime.stamps import NO_CLOCK_NS, UNSTAMPED_NS, StampCheck
from dbp_ros.types import NS_PER_S

MS = 1_000_000
ARRIVAL_NS = 400_000 * NS_PER_S


def check() -> StampCheck:
    return StampCheck("head_camera", 200 * MS)


def problem(age_s: float) -> str:
    return check().problem(ARRIVAL_NS - round(age_s * NS_PER_S), ARRIVAL_NS)


@pytest.mark.parametrize("age_s", [-0.05, 0.0, 0.03, 0.2])
def test_a_stamp_near_its_arrival_is_valid(age_s):
    assert problem(age_s) == ""


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        (0.21, "head_camera arrives late, 0.21 s after its stamp, expected at most 0.2 s"),
        (10.02, "head_camera is stamped in the past, 10 s before it arrives"),
        (-0.2996, "head_camera is stamped in the future, 0.3 s after it arrives"),
        (1.79e9, "head_camera's stamps are of another clock: 1.79e9 s behind"),
        (-1.79e9, "head_camera's stamps are of another clock: 1.79e9 s ahead"),
    ],
)
def test_an_invalid_stamp_is_refused_with_the_difference(age_s, words):
    assert problem(age_s).startswith(words)


def test_each_cause_has_its_own_sentence_with_the_fix():
    unstamped, no_clock = (check().problem(ns, ARRIVAL_NS) for ns in (UNSTAMPED_NS, NO_CLOCK_NS))
    late, past, future, behind, ahead = map(problem, (0.3, 10.0, -0.3, 1.79e9, -1.79e9))
    sentences = {unstamped, no_clock, late, past, future, behind, ahead}
    assert len(sentences) == 7
    assert all("head_camera" in sentence for sentence in sentences)
    assert "its stamp is zero" in unstamped
    assert "nothing arrives on /clock" in no_clock
    assert all("use_sim_time" in sentence for sentence in (no_clock, future, behind, ahead))


@pytest.mark.parametrize("age_s", [0.25, 10.0, 10.05, -0.3, -0.35, 9.95e8])
def test_varying_latency_does_not_change_the_sentence(age_s):
    camera = check()
    sentences = {
        camera.problem(ARRIVAL_NS - round(age_s * NS_PER_S) - late_ms * MS, ARRIVAL_NS)
        for late_ms in (0, 3, 30, 12, 1, 25)
    }
    assert len(sentences) == 1


def test_a_constant_stamp_rarely_changes_the_sentence():
    camera = check()
    sentences = [camera.problem(ARRIVAL_NS, ARRIVAL_NS + k * 4 * MS) for k in range(250 * 60)]
    assert len(set(sentences)) < 30


def test_a_valid_stamp_resets_the_difference():
    camera = check()
    assert "10 s" in camera.problem(ARRIVAL_NS - 10 * NS_PER_S, ARRIVAL_NS)
    assert camera.problem(ARRIVAL_NS, ARRIVAL_NS) == ""
    assert "11 s" in camera.problem(ARRIVAL_NS - 11 * NS_PER_S, ARRIVAL_NS)


def test_a_slow_simulator_has_longer_tolerances():
    camera = check()
    assert camera.problem(ARRIVAL_NS - 3900 * MS, ARRIVAL_NS, scale=20.0) == ""
    assert camera.problem(ARRIVAL_NS + 900 * MS, ARRIVAL_NS, scale=20.0) == ""
    assert "arrives late" in camera.problem(ARRIVAL_NS - 4100 * MS, ARRIVAL_NS, scale=20.0)
