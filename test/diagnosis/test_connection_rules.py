"""Faults of clocks and connections, and other stacks."""

from dataclasses import replace

import pytest
from diagnosis.snapshots import HEALTHY, STATES, assert_named, ends, with_clock, with_controller

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING
from dbp_ros.diagnosis.rules import evaluate_rules
from dbp_ros.diagnosis.snapshot import StreamSource, TopicStatus


def test_a_clock_slightly_slower_than_real_time_is_not_a_fault():
    slow = with_clock(0.95, "/gazebo")
    assert evaluate_rules(slow) == []


def test_a_clock_that_is_missing_is_named():
    assert_named(with_clock(None), ERROR, "/clock", "guard, policy", "use_sim_time")


@pytest.mark.parametrize(("factor", "rate_hz"), [(None, 0.0), (0.0, 100.0)])
def test_a_clock_that_stalls_is_named(factor, rate_hz):
    assert_named(
        with_clock(factor, "/gazebo", rate_hz=rate_hz),
        ERROR,
        "/clock",
        "check that the simulator is running",
    )


def test_a_clock_out_of_range_is_named():
    assert_named(with_clock(0.01, "/gazebo"), ERROR, "/clock", "0.01 times real time")


def test_a_clock_far_from_the_configured_real_time_factor_is_named():
    assert_named(
        with_clock(0.25, "/gazebo"), WARNING, "/clock", "0.25", "adjust the rate of the sim"
    )


def test_two_clocks_are_named():
    two = with_clock(1.0, "/gazebo", "/bag_player")
    assert_named(two, ERROR, "/clock", "/gazebo, /bag_player")


def test_a_clock_that_the_stack_does_not_use_is_noted():
    clock = with_clock(1.0, "/gazebo").clock
    assert_named(replace(HEALTHY, clock=clock), NOTE, "/clock", "--use-sim-time")


def test_a_node_with_another_clock_is_named():
    stack = with_clock(1.0, "/gazebo")
    nodes = {**stack.nodes, "policy": HEALTHY.nodes["policy"]}
    assert_named(replace(stack, nodes=nodes), ERROR, "use_sim_time", "True in guard", "False in")


def test_a_subscriber_with_incompatible_qos_is_named():
    assert HEALTHY.joint_states is not None
    topic = replace(
        HEALTHY.joint_states.topic, subscribers=ends(STATES, "/recorder", reliable=True)
    )
    stack = replace(HEALTHY, joint_states=replace(HEALTHY.joint_states, topic=topic))
    assert_named(stack, ERROR, "/joint_states", "and /recorder are incompatible", "best effort")


def test_a_topic_of_another_type_is_named():
    topic = replace(HEALTHY.controllers[0].topic, subscribers=ends("x/msg/Other", "/left"))
    assert_named(with_controller(topic=topic), ERROR, "/left/commands", "different types")


def test_another_stack_in_the_domain_is_noted():
    assert_named(replace(HEALTHY, other_stacks=("/cell_2",)), NOTE, "domain", "/cell_2")


def test_a_topic_that_was_not_measured_is_not_a_fault():
    unmeasured = StreamSource(
        TopicStatus("/action_chunk", ends("k", "/policy"), ends("k", "/guard"))
    )
    assert evaluate_rules(replace(HEALTHY, chunks=unmeasured, cameras=(), joint_states=None)) == []
