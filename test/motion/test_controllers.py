"""A controller that cannot be commanded is reported with a fix."""

import pytest

from dbp_ros.motion.controllers import REPORT_LAG_NS, REPORT_WAIT_NS, ControllerState

JOINTS = ("pan", "lift", "elbow")
OWN = frozenset({b"1"})
LATER_NS = 10_000_000_000


@pytest.fixture
def controller():
    """A loaded, active controller with known parameters."""
    state = ControllerState("left", "/left/commands", JOINTS)
    state.record_subscribers(OWN, 1, 0)
    state.record_service(True)
    state.record_parameters(JOINTS, "position")
    state.record_transition("active", 0)
    return state


def test_a_controller_that_is_ready_has_no_problem(controller):
    assert controller.problem(LATER_NS) == ""


def test_a_controller_that_is_not_loaded_is_named_with_its_topic():
    state = ControllerState("left", "/left/commands", JOINTS)
    assert state.problem(LATER_NS) == (
        "left is not loaded, it does not subscribe to /left/commands: load it"
    )


def test_a_driver_without_transitions_and_parameters_can_be_commanded():
    state = ControllerState("left", "/left/commands", JOINTS)
    assert state.record_subscribers(frozenset(), 1, 0) == ""
    assert state.problem(LATER_NS) == ""


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("deactivating", "left was deactivated"),
        ("inactive", "left was deactivated"),
        ("unconfigured", "left was unloaded"),
        ("finalized", "left was shut down"),
        ("errorprocessing", "left was unloaded"),
    ],
)
def test_leaving_the_active_state_is_reported_once(controller, label, words):
    assert controller.record_transition(label, 1) == words
    assert controller.record_transition(label, 2) == ""
    assert "activate it" in controller.problem(LATER_NS)


def test_a_controller_that_becomes_active_again_can_be_commanded(controller):
    for label in ("deactivating", "inactive", "activating", "active"):
        controller.record_transition(label, 1)
    assert controller.problem(LATER_NS) == ""


def test_a_report_of_the_manager_applies_if_there_was_no_transition():
    state = ControllerState("left", "/left/commands", JOINTS)
    state.record_subscribers(OWN, 1, 0)
    state.record_parameters(JOINTS, "position")
    assert state.record_report("inactive", 0) == "left was deactivated"
    assert state.problem(LATER_NS) == "left is inactive: activate it"
    assert state.record_report("active", REPORT_LAG_NS) == ""
    assert state.problem(LATER_NS) == ""


def test_a_report_that_may_be_older_than_a_transition_is_ignored(controller):
    controller.record_transition("inactive", 10)
    assert controller.record_report("active", 20) == ""
    assert controller.problem(LATER_NS) == "left is inactive: activate it"
    controller.record_report("active", 10 + REPORT_LAG_NS)
    assert controller.problem(LATER_NS) == ""


def test_a_controller_without_a_subscription_is_reported_as_not_loaded(controller):
    assert (
        controller.record_subscribers(frozenset(), 0, 0)
        == "left is no longer loaded: it does not subscribe to /left/commands"
    )


def test_a_new_subscription_of_the_controller_is_a_restart_and_needs_parameters(controller):
    assert controller.record_subscribers(frozenset({b"2"}), 1, 0) == "left was restarted"
    assert not controller.has_parameters
    assert "has not answered which joints it commands" in controller.problem(LATER_NS)


def test_a_restart_is_detected_while_the_killed_one_is_still_listed(controller):
    assert controller.record_subscribers(frozenset({b"1", b"2"}), 2, 0) == "left was restarted"
    assert controller.record_subscribers(frozenset({b"2"}), 1, 0) == ""


def test_another_subscriber_changes_nothing(controller):
    assert controller.record_subscribers(OWN, 2, 0) == ""
    assert controller.record_subscribers(OWN, 1, 0) == ""
    assert controller.problem(LATER_NS) == ""


@pytest.mark.parametrize(
    ("joints", "interface", "words"),
    [
        (("lift", "pan", "elbow"), "position", "left commands lift, pan, elbow in this order, exp"),
        (
            ("pan", "lift"),
            "position",
            "left commands 2 joints (pan, lift), controller_sizes gives",
        ),
        (JOINTS, "velocity", "left commands velocity, expected position"),
    ],
)
def test_other_joints_or_another_interface_are_refused_with_both(
    controller, joints, interface, words
):
    assert words in controller.record_parameters(joints, interface)
    assert words in controller.problem(LATER_NS)


def test_a_controller_without_these_parameters_is_accepted_as_configured(controller):
    assert controller.record_parameters(None, "") == ""
    assert controller.problem(LATER_NS) == ""


def test_a_new_controller_without_a_reported_state_cannot_be_enabled_yet():
    state = ControllerState("left", "/left/commands", JOINTS)
    state.record_subscribers(OWN, 1, 0)
    state.record_service(True)
    state.record_parameters(JOINTS, "position")
    assert "may be inactive" in state.problem(REPORT_WAIT_NS - 1)
    assert state.problem(REPORT_WAIT_NS) == ""


def test_a_new_controller_is_not_accepted_before_its_parameters_are_discovered():
    state = ControllerState("left", "/left/commands", JOINTS)
    state.record_subscribers(OWN, 1, 0)
    state.record_transition("active", 0)
    assert "has not answered which joints it commands" in state.problem(REPORT_WAIT_NS - 1)
    assert state.problem(REPORT_WAIT_NS) == ""


def test_a_controller_that_vanishes_is_reported_in_spite_of_other_subscribers(controller):
    controller.record_subscribers(OWN, 2, 0)
    assert controller.record_subscribers(frozenset(), 1, 1).startswith("left is no longer loaded")
    assert controller.problem(LATER_NS).startswith("left is not loaded")
    assert controller.record_subscribers(OWN, 2, 2) == "left was loaded"


def test_a_controller_activated_after_an_unknown_state_is_reported_as_inactive_until_then():
    state = ControllerState("left", "/left/commands", JOINTS)
    state.record_subscribers(OWN, 1, 0)
    assert state.record_transition("activating", 1).startswith("left was inactive until now")
