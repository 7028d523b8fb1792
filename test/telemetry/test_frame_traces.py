"""Traces of images are joined from three processes and exported as a valid trace."""

import json
from itertools import pairwise

import numpy as np
import pytest

from dbp_ros.evaluation.stack_trace import crop, summary, write_trace
from dbp_ros.telemetry.chrome_trace import PROCESSES, events
from dbp_ros.telemetry.frame_traces import HOPS, frame_traces
from dbp_ros.telemetry.trace import Hop, Trace

MS = 1_000_000
CAMERAS = ("head_camera", "left_wrist_camera")
# Each process estimates the offset of the ROS clock, with different errors.
OFFSET_ERROR_NS = 300_000


def record_images(images=6):
    """Return three recordings with an image every 17 ms, from the cameras in turn."""
    simulation, policy, guard = (Trace() for _ in range(3))
    simulation.cameras, policy.cameras = CAMERAS[::-1], CAMERAS
    for number in range(images):
        stamp_ns, camera = 10**12 + 17 * MS * number, number % 2
        policy_stamp_ns = stamp_ns + OFFSET_ERROR_NS
        simulation.add_span(Hop.RENDERED, stamp_ns, stamp_ns + 3 * MS, 1 - camera, stamp_ns)
        simulation.add_span(Hop.PHYSICS, stamp_ns + 3 * MS, stamp_ns + 4 * MS)
        for hop, begin, end in ((Hop.ARRIVED, 3.3, 3.4), (Hop.ENCODED, 3.5, 4.0)):
            policy.add_span(hop, at(stamp_ns, begin), at(stamp_ns, end), camera, policy_stamp_ns)
        for trace, hop, begin, end in (
            (policy, Hop.DECIDED, 4.1, 5.0),
            (guard, Hop.RECEIVED, 5.3, 5.4),
            (guard, Hop.COMMANDED, 6.0, 6.2),
        ):
            trace.add_span(hop, at(stamp_ns, begin), at(stamp_ns, end))
            trace.add_span(hop, at(stamp_ns, end), at(stamp_ns, end), camera, policy_stamp_ns)
    traces = {"simulation": simulation, "policy": policy, "guard": guard}
    return {name: trace.recording() for name, trace in traces.items()}


def at(stamp_ns, ms):
    return stamp_ns + round(ms * MS)


def test_every_hop_of_every_image_is_found():
    traces = frame_traces(record_images())
    assert [trace.camera for trace in traces] == [CAMERAS[k % 2] for k in range(6)]
    assert all(trace.complete for trace in traces)
    for trace in traces:
        begins, ends = zip(*(trace.spans_ns[hop] for hop in HOPS), strict=True)
        assert list(begins) == sorted(begins)
        assert list(ends) == sorted(ends)
        assert ends[-1] - trace.stamp_ns == pytest.approx(6.2 * MS, abs=OFFSET_ERROR_NS)


def test_a_superseded_image_has_no_command():
    recordings = record_images()
    rows = recordings["guard"].rows
    last = rows[:, 3] > rows[:, 3].max() - 17 * MS
    recordings["guard"] = type(recordings["guard"])((), rows[~last])
    assert [trace.complete for trace in frame_traces(recordings)] == [True] * 5 + [False]


def test_a_robot_without_a_simulator_has_traces_too():
    recordings = record_images()
    del recordings["simulation"]
    [first, *_] = frame_traces(recordings)
    assert list(first.spans_ns) == [hop for hop in HOPS if hop is not Hop.RENDERED]


def test_a_trace_is_valid_and_every_flow_ends_within_a_slice(tmp_path):
    recordings = record_images()
    write_trace(tmp_path / "trace.json", recordings, frame_traces(recordings))
    trace = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    slices = [event for event in trace if event["ph"] == "X"]
    assert all(event["dur"] > 0 and event["ts"] >= 0 for event in slices)
    named = {event["args"]["name"] for event in trace if event["name"] == "process_name"}
    assert named == set(PROCESSES)
    threads = {(e["pid"], e["tid"]) for e in trace if e["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in slices} == threads
    arrows = [event for event in trace if event["ph"] in "stf"]
    for arrow in arrows:
        assert any(
            (slice_["pid"], slice_["tid"]) == (arrow["pid"], arrow["tid"])
            and slice_["ts"] <= arrow["ts"] <= slice_["ts"] + slice_["dur"]
            for slice_ in slices
        )
    for number in range(6):
        flow = [arrow for arrow in arrows if arrow["id"] == number]
        assert [arrow["ph"] for arrow in flow] == ["s", *"tttt", "f"]
        assert all(first["ts"] < second["ts"] for first, second in pairwise(flow))


def test_flows_go_forward_even_if_an_image_arrives_before_its_sender_returns():
    recordings = record_images(images=1)
    [(place, *_)] = np.argwhere(recordings["simulation"].rows[:, 0] == Hop.RENDERED)
    recordings["simulation"].rows[place, 3] += 5 * MS
    arrows = [e["ts"] for e in events(recordings, frame_traces(recordings)) if e["ph"] in "stf"]
    assert arrows == sorted(arrows)


def test_image_marks_are_flow_events_and_not_slices():
    recordings = record_images(images=1)
    slices = [e for e in events(recordings, []) if e["ph"] == "X"]
    assert [e["name"] for e in slices].count("decide and send") == 1


def test_only_spans_between_two_times_are_selected():
    recording = record_images()["policy"]
    start_ns, end_ns = 10**12 + 17 * MS, 10**12 + 3 * 17 * MS
    rows = crop(recording, start_ns, end_ns).rows
    assert 0 < len(rows) < len(recording.rows)
    assert rows[:, 2].min() >= start_ns
    assert rows[:, 3].max() <= end_ns


def test_a_summary_has_the_latency_of_each_hop():
    rows = summary(frame_traces(record_images()))
    ages = [row["age p50 [ms]"] for row in rows]
    assert [row["hop"] for row in rows] == [hop.name.lower() for hop in HOPS]
    np.testing.assert_allclose(np.cumsum([row["added p50 [ms]"] for row in rows]), ages)


def test_without_an_image_there_is_a_trace_and_no_summary(tmp_path):
    recordings = {name: Trace().recording() for name in PROCESSES}
    write_trace(tmp_path / "trace.json", recordings, frame_traces(recordings))
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert summary(frame_traces(recordings)) == []
