"""Each fault of a stack that is visible from outside, and that it is named with its remedy."""

from dataclasses import replace

import pytest
from diagnosis.healthy import (
    BROADCASTER,
    CAMERA,
    FLOATS,
    HEALTHY,
    IMAGE,
    JOINTS,
    LEFT,
    RIGHT,
    STATES,
    ends,
    node,
    with_camera,
    with_clock,
    with_controller,
    with_joint_states,
    with_node,
    with_parameter,
)

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding
from dbp_ros.diagnosis.rules import examine, exit_status
from dbp_ros.diagnosis.snapshot import NodeStatus, Snapshot, StreamSource, TopicStatus, TopicStream


def only(snapshot: Snapshot) -> Finding:
    """Return the one thing that is wrong."""
    [finding] = examine(snapshot)
    return finding


def assert_named(snapshot: Snapshot, level: int, subject: str, *words: str) -> None:
    finding = only(snapshot)
    assert (finding.level, finding.subject) == (level, subject)
    for word in words:
        assert word in f"{finding.sentence} | {finding.action}"


def test_nothing_is_found_in_a_stack_that_runs():
    assert examine(HEALTHY) == []
    assert exit_status([]) == 0


def test_the_exit_status_is_that_of_the_worst_finding():
    note, warning, error = (Finding(level, "x", "y") for level in (NOTE, WARNING, ERROR))
    assert exit_status([note]) == 0
    assert exit_status([note, warning]) == 1
    assert exit_status([warning, error, note]) == 2


def test_the_worst_is_found_first():
    broken = with_node("policy", level=1, sentence="refusing: head_camera is stale")
    findings = examine(replace(broken, joint_states=with_joint_states().joint_states))
    assert [finding.level for finding in findings] == [ERROR, WARNING]


# Nodes.


def test_an_empty_domain_says_where_was_looked_and_what_to_start():
    nodes = {name: NodeStatus(name) for name in ("guard", "policy")}
    empty = Snapshot(place="ROS_DOMAIN_ID=7", nodes=nodes)
    assert_named(empty, ERROR, "stack", "namespace /", "ROS_DOMAIN_ID=7", "dbp up")
    elsewhere = replace(empty, elsewhere=("/guard (ROS_DOMAIN_ID=42, process 9)",))
    assert_named(elsewhere, ERROR, "stack", "set ROS_DOMAIN_ID", "ROS_DOMAIN_ID=42")
    other = replace(empty, other_stacks=("/cell_1",))
    assert_named(other, ERROR, "stack", "--namespace /cell_1")


@pytest.mark.parametrize(
    ("name", "words"), [("guard", "nothing commands"), ("policy", "nothing decides")]
)
def test_a_node_that_does_not_run_is_named(name, words):
    gone = replace(HEALTHY, nodes={**HEALTHY.nodes, name: NodeStatus(name)})
    assert_named(gone, ERROR, name, "does not run", words)


def test_two_guards_of_one_name_are_named_with_their_processes():
    twice = with_node("guard", copies=2)
    twice = replace(twice, local_guards=("/guard (process 12)", "/guard (process 34)"))
    assert_named(twice, ERROR, "guard", "2 nodes have the name /guard", "12", "34", "end all but")


def test_a_killed_node_that_is_still_listed_is_named():
    killed = with_node("guard", level=None, age_s=None, answers=False)
    assert_named(killed, ERROR, "guard", "does not answer", "killed less than 20 s ago")


def test_a_suspended_process_is_named_as_one_that_does_not_answer():
    assert_named(replace(HEALTHY, undiscovered=1), WARNING, "domain", "1 of its", "suspended")


def test_a_node_that_answers_without_diagnostics_is_a_warning():
    assert_named(with_node("policy", level=None), WARNING, "policy", "no diagnostics")


def test_a_latched_stop_says_how_to_go_on():
    stopped = with_node("guard", level=2, sentence="stopped: left_1_joint is 0.4 away")
    assert_named(stopped, ERROR, "guard", "0.4 away", "dbp reset and dbp enable")


def test_a_withdrawn_enabling_says_how_to_go_on():
    sentence = "disabled: the enabling was withdrawn: left was deactivated; enable control again"
    assert_named(with_node("guard", level=1, sentence=sentence), WARNING, "guard", "dbp enable")


def test_control_that_is_not_enabled_is_no_fault():
    disabled = with_node("guard", sentence="disabled: control is not enabled")
    assert_named(disabled, NOTE, "guard", "dbp enable")
    assert exit_status(examine(disabled)) == 0


def test_what_a_node_reports_about_itself_is_shown():
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
    assert examine(with_parameter("policy", joints=JOINTS[::-1])) == []


def test_nodes_with_different_real_time_factors_are_named():
    differs = with_parameter("policy", real_time_factor=2.0)
    assert_named(differs, ERROR, "real_time_factor", "1.0 in guard, 2.0 in policy")


def test_a_fault_of_the_controller_manager_is_shown():
    sentence = "controller_manager: Hardware Components Activity: left_arm is unconfigured"
    assert_named(replace(HEALTHY, foreign=(sentence,)), WARNING, "controller manager", "left_arm")


# Controllers and commands.


def test_a_controller_that_is_not_loaded_is_named():
    topic = replace(HEALTHY.controllers[0].topic, subscribers=())
    gone = with_controller(topic=topic, joints=None, interface="", activity="")
    assert_named(gone, ERROR, "/left/commands", "left is not loaded", "load_controller", "dbp up")


def test_a_controller_of_another_name_is_suggested():
    topic = replace(HEALTHY.controllers[0].topic, subscribers=())
    gone = with_controller(topic=topic, joints=None, interface="", activity="")
    other = replace(gone, command_topics=("/left_arm/commands", "/right/commands"))
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


@pytest.mark.parametrize("rival", ["/moveit", "/guard"])
def test_a_second_publisher_of_commands_is_named(rival):
    topic = HEALTHY.controllers[0].topic
    both = replace(topic, publishers=ends(FLOATS, "/guard", rival, reliable=True))
    assert_named(with_controller(topic=both), ERROR, topic.name, f"{rival} publishes", "dbp stop")


# Joint states.


def test_joint_states_that_nothing_publishes_are_named_with_the_nearest_topic():
    silent = with_joint_states(publishers=())
    assert_named(silent, ERROR, "/joint_states", "nothing publishes", "dbp up --sim")
    other = replace(silent, joint_topics=("/left/joint_states", "/base/odometry"))
    assert_named(other, ERROR, "/joint_states", "--remap joint_states:=/left/joint_states")


def test_a_publisher_of_joint_states_that_sends_nothing_is_named():
    assert_named(with_joint_states(), ERROR, "/joint_states", BROADCASTER, "no message arrives")


def test_two_drivers_of_an_arm_each_are_no_fault():
    streams = (TopicStream(LEFT, 250.0, 0.0), TopicStream(RIGHT, 250.0, 0.0))
    assert examine(with_joint_states(*streams, publishers=("/left_driver", "/right_driver"))) == []


def test_joints_of_other_machines_are_no_fault():
    streams = (TopicStream(JOINTS, 250.0, 0.0), TopicStream(("wheel_1", "wheel_2"), 10.0, 0.0))
    assert examine(with_joint_states(*streams, publishers=("/driver", "/base"))) == []


def test_a_missing_joint_is_named_with_what_is_published():
    assert_named(
        with_joint_states(TopicStream(("1_joint", *JOINTS[1:]), 250.0, 0.0)),
        ERROR,
        "/joint_states",
        "lacks left_1_joint",
        "is 1_joint meant for left_1_joint?",
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
    assert_named(slow, level, "/joint_states", f"{rate_hz:.1f} times", "joint_state_timeout_s")


def test_a_simulated_cell_next_to_a_robot_is_named():
    cell = replace(HEALTHY, nodes={**HEALTHY.nodes, "simulation": node("simulation", "lift")})
    assert_named(cell, ERROR, "simulation", "/controller_manager", "without --sim")
    assert examine(replace(cell, other_nodes=(), joint_states=None)) == []


# Chunks.


def test_two_publishers_of_chunks_are_an_error_once_both_send():
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


# Cameras.


def test_a_camera_of_another_name_is_named_with_the_nearest_and_the_remap():
    others = {"/camera/camera/color/image_raw": IMAGE, "/camera/camera/depth/image_raw": IMAGE}
    gone = replace(with_camera(publishers=()), image_topics=others)
    assert_named(
        gone,
        ERROR,
        CAMERA,
        "/camera/camera/color/image_raw",
        "/camera/camera/depth/image_raw",
        "--remap head_camera:=/camera/camera/color/image_raw, the nearest",
    )


def test_a_camera_that_is_compressed_only_is_named():
    others = {f"{CAMERA}/compressed": "sensor_msgs/msg/CompressedImage"}
    gone = replace(with_camera(publishers=()), image_topics=others)
    assert_named(gone, ERROR, CAMERA, "compressed images", "image_transport: compressed")


def test_a_camera_that_is_off_is_named():
    gone = replace(with_camera(publishers=()), image_topics={})
    assert_named(gone, ERROR, CAMERA, "no other images", "start the camera's driver")


def test_a_camera_that_sends_nothing_is_named():
    assert_named(with_camera(), ERROR, CAMERA, "/camera publishes it, but no image arrives")


def test_an_encoding_that_cannot_be_decoded_is_named():
    odd = TopicStream((), 30.0, 0.0, problem="images cannot be used: encoding is 'bayer_rggb8'")
    assert_named(with_camera(odd), ERROR, CAMERA, "bayer_rggb8")


def test_images_with_unusable_stamps_are_named():
    zero = TopicStream((), 30.0, None, "head_camera is not stamped: its stamp is zero")
    assert_named(with_camera(zero), ERROR, CAMERA, "stamp is zero")


@pytest.mark.parametrize(("rate_hz", "level"), [(8.0, WARNING), (2.0, ERROR)])
def test_a_slow_camera_is_named(rate_hz, level):
    slow = with_camera(TopicStream((), rate_hz, 0.0))
    assert_named(slow, level, CAMERA, f"{rate_hz:.1f} images a second", "image_max_age_s")


def test_two_cameras_of_one_name_are_named():
    two = with_camera(TopicStream((), 30.0, 0.0), publishers=("/camera", "/simulation"))
    assert_named(two, ERROR, CAMERA, "/camera, /simulation")


# Clocks.


def test_a_clock_at_any_pace_that_is_followed_is_no_fault():
    slow = with_clock(0.95, "/gazebo")
    assert examine(slow) == []


def test_a_clock_that_is_missing_is_named():
    assert_named(with_clock(None), ERROR, "/clock", "guard, policy", "use_sim_time")


@pytest.mark.parametrize(("factor", "rate_hz"), [(None, 0.0), (0.0, 100.0)])
def test_a_clock_that_stalls_is_named(factor, rate_hz):
    assert_named(with_clock(factor, "/gazebo", rate_hz=rate_hz), ERROR, "/clock", "paused?")


def test_a_clock_out_of_range_is_named():
    assert_named(with_clock(0.01, "/gazebo"), ERROR, "/clock", "0.01 times real time")


def test_a_clock_far_from_the_configured_real_time_factor_is_named():
    assert_named(with_clock(0.25, "/gazebo"), WARNING, "/clock", "0.25", "--real-time-factor 0.25")


def test_two_clocks_are_named():
    two = with_clock(1.0, "/gazebo", "/bag_player")
    assert_named(two, ERROR, "/clock", "/gazebo, /bag_player")


def test_a_clock_that_the_stack_does_not_use_is_noted():
    clock = with_clock(1.0, "/gazebo").clock
    assert_named(replace(HEALTHY, clock=clock), NOTE, "/clock", "--use-sim-time")


def test_a_node_on_the_other_clock_is_named():
    stack = with_clock(1.0, "/gazebo")
    nodes = {**stack.nodes, "policy": HEALTHY.nodes["policy"]}
    assert_named(replace(stack, nodes=nodes), ERROR, "use_sim_time", "True in guard", "False in")


# Connections.


def test_a_subscriber_that_a_publisher_cannot_reach_is_named():
    assert HEALTHY.joint_states is not None
    topic = replace(
        HEALTHY.joint_states.topic, subscribers=ends(STATES, "/recorder", reliable=True)
    )
    stack = replace(HEALTHY, joint_states=replace(HEALTHY.joint_states, topic=topic))
    assert_named(stack, ERROR, "/joint_states", "does not reach /recorder", "best effort")


def test_a_topic_of_another_type_is_named():
    topic = replace(HEALTHY.controllers[0].topic, subscribers=ends("x/msg/Other", "/left"))
    assert_named(with_controller(topic=topic), ERROR, "/left/commands", "different types")


def test_another_stack_in_the_domain_is_noted():
    assert_named(replace(HEALTHY, other_stacks=("/cell_2",)), NOTE, "domain", "/cell_2")


def test_a_topic_that_was_not_measured_is_no_fault():
    unmeasured = StreamSource(
        TopicStatus("/action_chunk", ends("k", "/policy"), ends("k", "/guard"))
    )
    assert examine(replace(HEALTHY, chunks=unmeasured, cameras=(), joint_states=None)) == []
