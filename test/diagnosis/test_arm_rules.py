"""Faults of controllers, joint states and action chunks."""

from dataclasses import replace

import pytest
from diagnosis.snapshots import (
    BROADCASTER,
    FLOATS,
    HEALTHY,
    JOINTS,
    LEFT,
    RIGHT,
    assert_named,
    ends,
    node,
    with_controller,
    with_joint_states,
)

from dbp_ros.diagnosis.findings import ERROR, WARNING
from dbp_ros.diagnosis.rules import evaluate_rules
from dbp_ros.diagnosis.snapshot import StreamSource, TopicStream


def test_a_controller_that_is_not_loaded_is_named():
    topic = replace(HEALTHY.controllers[0].topic, subscribers=())
    unloaded = with_controller(topic=topic, joints=None, interface="", activity="")
    assert_named(
        unloaded, ERROR, "/left/commands", "left is not loaded", "load_controller", "dbp up"
    )


def test_a_controller_with_a_similar_name_is_suggested():
    topic = replace(HEALTHY.controllers[0].topic, subscribers=())
    unloaded = with_controller(topic=topic, joints=None, interface="", activity="")
    other = replace(unloaded, command_topics=("/left_arm/commands", "/right/commands"))
    assert_named(other, ERROR, "/left/commands", "there is /left_arm/commands")


def test_an_inactive_controller_is_named():
    assert_named(
        with_controller(activity="inactive"), ERROR, "left", "inactive", "set_controller_state left"
    )


def test_an_inactive_controller_of_the_simulated_cell_is_activated_by_its_own_verb():
    stack = with_controller(activity="inactive")
    cell = {**stack.nodes, "simulation": node("simulation", "lift")}
    stack = replace(stack, nodes=cell, other_nodes=(), joint_states=None)
    assert_named(stack, ERROR, "left", "dbp cell activate left", "then dbp enable")


def test_a_controller_with_joints_in_another_order_is_named():
    assert_named(with_controller(joints=LEFT[::-1]), ERROR, "left", "another order")


def test_a_controller_of_another_size_is_named():
    assert_named(with_controller(joints=LEFT[:1]), ERROR, "left", "1 joints", "expected 2")


def test_a_controller_of_other_joints_is_named():
    assert_named(with_controller(joints=RIGHT), ERROR, "left", "right_1_joint", "left_1_joint")


def test_a_controller_of_another_interface_is_named():
    assert_named(with_controller(interface="velocity"), ERROR, "left", "velocity", "position")


@pytest.mark.parametrize("publisher", ["/moveit", "/guard"])
def test_a_second_publisher_of_commands_is_named(publisher):
    topic = HEALTHY.controllers[0].topic
    both = replace(topic, publishers=ends(FLOATS, "/guard", publisher, reliable=True))
    assert_named(
        with_controller(topic=both), ERROR, topic.name, f"{publisher} also publishes", "dbp stop"
    )


def test_unpublished_joint_states_are_named_with_the_closest_topic():
    silent = with_joint_states(publishers=())
    assert_named(silent, ERROR, "/joint_states", "no publisher", "dbp up --sim")
    other = replace(silent, joint_topics=("/left/joint_states", "/base/odometry"))
    assert_named(other, ERROR, "/joint_states", "--remap joint_states:=/left/joint_states")


def test_a_publisher_of_joint_states_without_messages_is_named():
    assert_named(with_joint_states(), ERROR, "/joint_states", BROADCASTER, "no message arrives")


def test_one_driver_per_arm_is_not_a_fault():
    streams = (TopicStream(LEFT, 250.0, 0.0), TopicStream(RIGHT, 250.0, 0.0))
    assert (
        evaluate_rules(with_joint_states(*streams, publishers=("/left_driver", "/right_driver")))
        == []
    )


def test_joints_of_other_machines_are_not_a_fault():
    streams = (TopicStream(JOINTS, 250.0, 0.0), TopicStream(("wheel_1", "wheel_2"), 10.0, 0.0))
    assert evaluate_rules(with_joint_states(*streams, publishers=("/driver", "/base"))) == []


def test_a_missing_joint_is_named_with_what_is_published():
    assert_named(
        with_joint_states(TopicStream(("1_joint", *JOINTS[1:]), 250.0, 0.0)),
        ERROR,
        "/joint_states",
        "missing joints: left_1_joint",
        "1_joint may be left_1_joint",
    )


def test_two_publishers_of_one_joint_are_named():
    streams = (TopicStream(JOINTS, 250.0, 0.0), TopicStream(LEFT, 30.0, 0.0))
    assert_named(
        with_joint_states(*streams, publishers=("/driver", "/bag_player")),
        ERROR,
        "/joint_states",
        "/bag_player, /driver",
        "left_1_joint, left_2_joint",
    )


def test_joint_states_with_unusable_stamps_are_named():
    stale = TopicStream(JOINTS, 250.0, 10.0, "joint_states is stamped in the past, 10 s before")
    assert_named(with_joint_states(stale), ERROR, "/joint_states", "in the past, 10 s")


def test_damaged_joint_states_are_named():
    damaged = TopicStream(JOINTS, 250.0, 0.0, problem="3 positions for 4 names")
    assert_named(with_joint_states(damaged), ERROR, "/joint_states", "3 positions for 4 names")


@pytest.mark.parametrize(("rate_hz", "level"), [(15.0, WARNING), (5.0, ERROR), (0.0, ERROR)])
def test_slow_joint_states_are_named(rate_hz, level):
    slow = with_joint_states(TopicStream(JOINTS, rate_hz, 0.0))
    assert_named(slow, level, "/joint_states", f"{rate_hz:.1f} Hz", "joint_state_timeout_s")


def test_joint_states_of_a_slow_simulation_are_judged_in_its_time():
    slow = with_joint_states(TopicStream(JOINTS, 15.0, 0.0))
    guard = replace(slow.guard, parameters={**slow.guard.parameters, "real_time_factor": 0.1})
    findings = evaluate_rules(replace(slow, nodes={**slow.nodes, "guard": guard}))
    assert "/joint_states" not in {finding.subject for finding in findings}


def test_a_simulated_cell_next_to_a_robot_is_named():
    cell = replace(HEALTHY, nodes={**HEALTHY.nodes, "simulation": node("simulation", "lift")})
    assert_named(cell, ERROR, "simulation", "/controller_manager", "without --sim")
    assert evaluate_rules(replace(cell, other_nodes=(), joint_states=None)) == []


def test_two_publishers_of_chunks_are_an_error_if_both_publish():
    assert HEALTHY.chunks is not None
    topic = replace(
        HEALTHY.chunks.topic,
        publishers=ends("trajectory_msgs/msg/JointTrajectory", "/policy", "/teleop"),
    )
    one, two = (StreamSource(topic, count * (TopicStream((), 100.0),)) for count in (1, 2))
    assert_named(replace(HEALTHY, chunks=one), WARNING, "/action_chunk", "/policy, /teleop")
    assert_named(replace(HEALTHY, chunks=two), ERROR, "/action_chunk", "end /teleop")


def test_a_policy_whose_chunks_do_not_arrive_is_named():
    assert HEALTHY.chunks is not None
    silent = StreamSource(replace(HEALTHY.chunks.topic, rate_hz=0.0))
    assert_named(replace(HEALTHY, chunks=silent), WARNING, "/action_chunk", "no chunk arrives")
