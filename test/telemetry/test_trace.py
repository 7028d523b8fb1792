"""The trace overwrites its oldest spans, and the probe counts each image once."""

import threading

import numpy as np
import pytest

from dbp_ros.errors import DbpError
from dbp_ros.telemetry.trace import NO_CAMERA, PAUSED_NS, Hop, LatencyProbe, Trace, parse_recording

MS = 1_000_000
NOW_NS = 10**12


def test_spans_are_returned_in_the_order_of_their_ends():
    trace = Trace()
    trace.add_span(Hop.DECIDED, 30, 50)
    trace.add_span(Hop.ENCODED, 10, 20, camera=1, stamp_ns=5)
    assert trace.recording().rows.tolist() == [
        [Hop.ENCODED, 1, 10, 20, 5],
        [Hop.DECIDED, NO_CAMERA, 30, 50, 0],
    ]


def test_a_full_ring_overwrites_the_oldest():
    trace = Trace(rows=4)
    for number in range(10):
        trace.add_span(Hop.COMMANDED, number, number + 1)
    assert trace.recording().rows[:, 2].tolist() == [6, 7, 8, 9]


def test_concurrent_threads_lose_no_span():
    trace = Trace()

    def record(thread):
        for number in range(2000):
            trace.add_span(Hop.DECIDED, number, number, thread, number)

    threads = [threading.Thread(target=record, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = trace.recording().rows
    assert [int((rows[:, 1] == k).sum()) for k in range(4)] == [2000] * 4


def test_a_trace_survives_serialisation():
    trace = Trace()
    trace.cameras = ("head_camera", "left_wrist_camera")
    trace.add_span(Hop.ARRIVED, NOW_NS, NOW_NS + 7, 1, NOW_NS - 5 * MS)
    read = parse_recording(trace.to_text())
    assert read.cameras == trace.cameras
    np.testing.assert_array_equal(read.rows, trace.recording().rows)


@pytest.mark.parametrize("text", ["", "[]", '{"cameras": []}', '{"cameras": [], "rows": "AAAA"}'])
def test_an_invalid_trace_is_refused(text):
    with pytest.raises(DbpError, match="a trace cannot be read"):
        parse_recording(text)


def make_probe():
    return LatencyProbe(Hop.COMMANDED, Trace())


def test_each_image_is_counted_once_with_its_age_at_the_first_use():
    probe = make_probe()
    probe.record((NOW_NS, NOW_NS), NOW_NS + 1 * MS)
    for ms in (10, 14, 18):
        probe.record((NOW_NS + 3 * MS, NOW_NS), NOW_NS + ms * MS)
    probe.record((NOW_NS + 3 * MS, NOW_NS + 15 * MS), NOW_NS + 20 * MS)
    assert probe.age.count == 2
    assert [count for _, count in probe.age.bars_ms()] == [1, 1]
    assert probe.age.max_ns == 7 * MS


def test_images_of_several_cameras_are_counted_separately():
    probe = make_probe()
    probe.record((1, 1, 1), NOW_NS)
    probe.record((2, 1, 3), NOW_NS + MS)
    assert probe.age.count == 2


def test_images_from_before_the_start_are_not_counted():
    probe = make_probe()
    probe.record((NOW_NS,), NOW_NS + 90 * MS)
    assert probe.age.count == 0


def test_images_from_before_a_pause_are_not_counted():
    probe = make_probe()
    probe.record((NOW_NS,), NOW_NS + MS)
    probe.record((NOW_NS + 9 * MS,), NOW_NS + 2 * PAUSED_NS)
    assert probe.age.count == 0
    probe.record((NOW_NS + 2 * PAUSED_NS,), NOW_NS + 2 * PAUSED_NS + 4 * MS)
    assert probe.age.max_ns == 4 * MS


def test_another_number_of_cameras_restarts_the_probe():
    probe = make_probe()
    probe.record((1,), NOW_NS)
    probe.record((1, 2), NOW_NS + MS)
    assert probe.age.count == 0
