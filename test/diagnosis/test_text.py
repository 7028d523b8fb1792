"""Output of `dbp status` as text and as JSON."""

import json
from dataclasses import replace

from diagnosis.snapshots import HEALTHY, with_camera, with_clock, with_node

from dbp_ros.diagnosis.rules import evaluate_rules
from dbp_ros.diagnosis.snapshot import NodeStatus
from dbp_ros.diagnosis.text import as_data, lines


def text(snapshot, **options) -> str:
    return "\n".join(lines(snapshot, evaluate_rules(snapshot), **options))


def test_a_healthy_stack_has_one_line_per_node_and_topic():
    shown = text(HEALTHY).splitlines()
    assert [line for line in shown if line.startswith("guard ")] == ["guard   OK  0.4 s  tracking"]
    [joints] = [line for line in shown if line.startswith("/joint_states")]
    assert "500.0/s" in joints
    assert "1 ms old" in joints
    assert joints.endswith("/joint_state_broadcaster -> /guard")
    assert shown[-1] == "no faults found"


def test_units_in_brackets_and_all_words_of_a_sentence_are_printed():
    sentence = "holding: left_1_joint is 0.2 [rad] away [bold] of [/bold] its command " + "x" * 300
    assert sentence in text(with_node("guard", level=1, sentence=sentence))


def test_each_finding_is_followed_by_what_to_do():
    shown = text(with_node("guard", level=2, sentence="stopped: e-stop")).splitlines()
    at = shown.index("ERROR  guard: stopped: e-stop")
    assert shown[at + 1] == "  do: remove the cause, then dbp reset and dbp enable"
    assert "no faults found" not in shown


def test_commands_for_a_stack_in_a_namespace_name_it():
    broken = with_node("guard", level=2, sentence="stopped: e-stop")
    shown = text(replace(broken, namespace="/cell_1")).splitlines()
    assert shown[-1].startswith("add --namespace /cell_1 to commands of dbp")
    assert "--namespace" not in text(broken)


def test_the_same_fault_of_several_cameras_is_printed_once():
    [camera] = with_camera(publishers=()).cameras
    other = replace(camera, topic=replace(camera.topic, name="/wrist_camera/image_raw"))
    shown = text(replace(HEALTHY, cameras=(camera, other), image_topics={})).splitlines()
    [error] = [line for line in shown if line.startswith("ERROR")]
    assert "/head_camera/image_raw, /wrist_camera/image_raw: no publisher" in error


def test_colours_are_optional():
    broken = with_node("guard", level=2, sentence="stopped: e-stop")
    assert "\033[" not in text(broken)
    assert "\033[31mERROR\033[0m" in text(broken, colour=True)


def test_missing_silent_and_duplicate_nodes_are_marked():
    stack = with_node("guard", copies=2, level=None, age_s=None, sentence="")
    stack = replace(stack, nodes={**stack.nodes, "policy": NodeStatus("policy")})
    shown = text(stack)
    assert "guard x2  silent  -  no state" in shown
    assert "policy    -       -  not running" in shown


def test_the_rate_of_the_clock_is_shown():
    assert "x0.95" in text(with_clock(0.95, "/gazebo"))


def test_json_is_strict_and_contains_the_findings():
    def refuse(word: str) -> None:
        raise AssertionError(word)

    broken = with_node("guard", level=2, sentence="stopped: e-stop")
    written = json.dumps(as_data(broken, evaluate_rules(broken)))
    data = json.loads(written, parse_constant=refuse)
    assert data["exit_status"] == 2
    assert data["findings"][0]["level"] == "error"
    assert data["nodes"]["guard"]["sentence"] == "stopped: e-stop"
    assert data["joint_states"]["topic"]["rate_hz"] == 500.0
