"""Faults of nodes, and the order and exit status of findings."""

from dataclasses import replace

import pytest
from diagnosis.snapshots import (
    HEALTHY,
    JOINTS,
    LEFT,
    assert_named,
    with_joint_states,
    with_node,
    with_parameter,
)

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding
from dbp_ros.diagnosis.node_rules import missing_nodes
from dbp_ros.diagnosis.rules import evaluate_optional_stack, evaluate_rules, exit_status
from dbp_ros.diagnosis.snapshot import Endpoint, NodeStatus, Snapshot, StreamSource, TopicStatus
from dbp_ros.guard_state import NO_FRESH_OPERATOR_CHUNK, OPERATOR_CONTROL


def test_a_healthy_stack_has_no_findings():
    assert evaluate_rules(HEALTHY) == []
    assert exit_status([]) == 0


def test_the_exit_status_is_that_of_the_worst_finding():
    note, warning, error = (Finding(level, "x", "y") for level in (NOTE, WARNING, ERROR))
    assert exit_status([note]) == 0
    assert exit_status([note, warning]) == 1
    assert exit_status([warning, error, note]) == 2


def test_findings_are_sorted_by_level():
    broken = with_node("policy", level=1, sentence="refusing: head_camera is stale")
    findings = evaluate_rules(replace(broken, joint_states=with_joint_states().joint_states))
    assert [finding.level for finding in findings] == [ERROR, WARNING]


def test_an_empty_domain_is_reported_with_the_domain_and_the_remedy():
    nodes = {name: NodeStatus(name) for name in ("guard", "policy")}
    empty = Snapshot(place="ROS_DOMAIN_ID=7", nodes=nodes)
    assert_named(empty, ERROR, "stack", "namespace /", "ROS_DOMAIN_ID=7", "dbp up")
    elsewhere = replace(empty, elsewhere=("/guard (ROS_DOMAIN_ID=42, process 9)",))
    assert_named(elsewhere, ERROR, "stack", "set ROS_DOMAIN_ID", "ROS_DOMAIN_ID=42")
    other = replace(empty, other_stacks=("/cell_1",))
    assert_named(other, ERROR, "stack", "--namespace /cell_1")


def test_a_stack_that_need_not_run_is_reported_only_if_it_runs_elsewhere():
    empty = Snapshot(nodes={name: NodeStatus(name) for name in ("guard", "policy")})
    assert evaluate_optional_stack(empty) == []
    elsewhere = replace(empty, elsewhere=("/guard (ROS_DOMAIN_ID=42, process 9)",))
    (finding,) = evaluate_optional_stack(elsewhere)
    assert finding.level == WARNING
    assert "set ROS_DOMAIN_ID: this computer runs /guard (ROS_DOMAIN_ID=42" in finding.action
    broken = with_node("policy", level=1, sentence="refusing: head_camera is stale")
    assert evaluate_optional_stack(broken) == evaluate_rules(broken)


def without(name: str, **nodes: NodeStatus) -> Snapshot:
    return replace(HEALTHY, nodes={**HEALTHY.nodes, name: NodeStatus(name), **nodes})


def test_a_guard_that_is_not_running_is_an_error():
    assert_named(without("guard"), ERROR, "guard", "not running", "hold their last command")


def test_a_stack_without_a_policy_is_a_warning_and_with_teleoperation_a_note():
    assert_named(without("policy"), WARNING, "policy", "no action chunks", "read its log", "teleop")
    driven = without("policy", teleop=NodeStatus("teleop", 1, 0, "in control", 0.4))
    assert_named(driven, NOTE, "policy", "no action chunks", "read its log")
    assert exit_status(evaluate_rules(driven)) == 0


def test_a_policy_that_another_node_replaces_is_no_fault():
    driver = TopicStatus("/action_chunk", publishers=(Endpoint("/arm_driver"),))
    driven = replace(
        HEALTHY,
        nodes={**HEALTHY.nodes, "policy": NodeStatus("policy")},
        chunks=StreamSource(driver),
    )
    assert_named(driven, NOTE, "policy", "not running: /arm_driver publishes action chunks")
    assert exit_status(list(missing_nodes(driven))) == 0


def test_two_guards_with_the_same_name_are_named_with_their_processes():
    twice = with_node("guard", copies=2)
    twice = replace(twice, local_guards=("/guard (process 12)", "/guard (process 34)"))
    assert_named(twice, ERROR, "guard", "2 nodes have the name /guard", "12", "34", "end all but")


def test_a_killed_node_that_is_still_listed_is_named():
    killed = with_node("guard", level=None, age_s=None, answers=False)
    assert_named(killed, ERROR, "guard", "does not respond", "killed less than 20 s ago")


def test_a_suspended_process_is_reported_as_undiscovered():
    assert_named(replace(HEALTHY, undiscovered=1), WARNING, "domain", "1 of its", "suspended")


def test_a_node_without_diagnostics_is_a_warning():
    assert_named(with_node("policy", level=None), WARNING, "policy", "no diagnostics")


def test_a_latched_stop_has_its_remedy():
    stopped = with_node("guard", level=2, sentence="stopped: left_1_joint is 0.4 away")
    assert_named(stopped, ERROR, "guard", "0.4 away", "dbp reset and dbp enable")


def test_control_disabled_by_a_fault_has_its_remedy():
    sentence = (
        "disabled: control was disabled by a fault: left was deactivated; enable control again"
    )
    assert_named(with_node("guard", level=1, sentence=sentence), WARNING, "guard", "dbp enable")


def test_control_that_is_not_enabled_is_not_a_fault():
    disabled = with_node("guard", sentence="disabled: control is not enabled")
    assert_named(disabled, NOTE, "guard", "dbp enable")
    assert exit_status(evaluate_rules(disabled)) == 0


def test_the_diagnostics_of_a_node_are_reported():
    frozen = with_node("policy", level=1, sentence="refusing: head_camera is frozen")
    assert_named(frozen, WARNING, "policy", "head_camera is frozen")


@pytest.mark.parametrize(
    ("label", "action"),
    [("inactive", "dbp activate"), ("unconfigured", "dbp activate"), ("finalized", "restart")],
)
def test_a_policy_that_is_not_active_is_named_once(label, action):
    idle = with_node("policy", lifecycle=label, level=1, sentence="configured, not active")
    assert_named(idle, WARNING, "policy", label, action)


def test_different_joints_in_two_files_are_named():
    other = with_parameter("policy", joints=(*LEFT, "right_1_joint", "right_9_joint"))
    assert_named(other, ERROR, "policy", "guard has right_2_joint", "policy has right_9_joint")


def test_the_order_of_joints_does_not_matter():
    assert evaluate_rules(with_parameter("policy", joints=JOINTS[::-1])) == []


def test_nodes_with_different_real_time_factors_are_named():
    differs = with_parameter("policy", real_time_factor=2.0)
    assert_named(differs, ERROR, "real_time_factor", "1.0 in guard, 2.0 in policy")


def test_a_fault_of_the_controller_manager_is_shown():
    sentence = "controller_manager: Hardware Components Activity: left_arm is unconfigured"
    assert_named(replace(HEALTHY, foreign=(sentence,)), WARNING, "controller manager", "left_arm")


def with_operator(sentence: str, *publishers: str, rate_hz: float = 100.0) -> Snapshot:
    ends = tuple(map(Endpoint, publishers))
    source = StreamSource(TopicStatus("/operator_chunk", ends, rate_hz=rate_hz))
    return replace(with_node("guard", sentence=sentence), operator_chunks=source)


def test_an_operator_in_control_is_a_note():
    driven = with_operator(f"tracking: {OPERATOR_CONTROL}", "/teleop")
    assert_named(driven, NOTE, "guard", "an operator has control, by /teleop", "dbp give-back")
    assert exit_status(evaluate_rules(driven)) == 0


def test_missing_operator_chunks_are_reported_with_the_remedy():
    sentence = f"holding: {NO_FRESH_OPERATOR_CHUNK}; {OPERATOR_CONTROL}"
    silent = with_operator(sentence, rate_hz=0.0)
    assert_named(silent, WARNING, "guard", "teleop is not running", "dbp give-back", "restart")
    running = replace(
        silent, nodes={**silent.nodes, "teleop": NodeStatus("teleop", 1, 0, "in control")}
    )
    assert_named(running, WARNING, "guard", "no operator chunks arrive", "see the state of teleop")


def test_two_operators_are_reported():
    driven = with_operator("tracking", "/teleop", "/other")
    assert_named(driven, WARNING, "/operator_chunk", "several publishers", "end all but one")
