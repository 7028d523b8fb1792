"""The newest image of each camera is encoded, one camera after the other."""

import threading

import numpy as np
import pytest

from dbp_ros.policy.encoder_thread import EncoderThread
from dbp_ros.types import Frame

WAIT_S = 5.0


class SlowEncoder:
    """Encoder that records its calls and blocks in the first until it is released."""

    def __init__(self):
        self.seen = []
        self.busy, self.go_on, self.idle = (threading.Event() for _ in range(3))

    def __call__(self, camera, frame, arrival_ns):
        self.seen.append((camera, frame.stamp_ns, arrival_ns))
        self.busy.set()
        assert self.go_on.wait(WAIT_S)
        if camera == "last":
            self.idle.set()


def frame(stamp_ns):
    return Frame(np.zeros((1, 1, 3), np.uint8), stamp_ns)


@pytest.fixture
def encoder():
    return SlowEncoder()


@pytest.fixture
def thread(encoder):
    """A thread that is busy with one image."""
    thread = EncoderThread(encoder)
    thread.start()
    thread.submit_image("head", frame(0), 100)
    assert encoder.busy.wait(WAIT_S)
    yield thread
    encoder.go_on.set()
    thread.stop()


def test_older_images_of_a_camera_are_dropped_and_counted(thread, encoder):
    for stamp_ns in (1, 2, 3):
        thread.submit_image("head", frame(stamp_ns), 100 + stamp_ns)
        thread.submit_image("wrist", frame(10 * stamp_ns), 200 + stamp_ns)
    thread.submit_image("last", frame(0), 0)
    encoder.go_on.set()
    assert encoder.idle.wait(WAIT_S)
    assert encoder.seen == [("head", 0, 100), ("head", 3, 103), ("wrist", 30, 203), ("last", 0, 0)]
    assert thread.dropped == 4


def test_a_fast_camera_does_not_starve_another(thread, encoder):
    thread.submit_image("wrist", frame(1), 0)
    thread.submit_image("head", frame(1), 0)
    thread.submit_image("head", frame(2), 0)
    thread.submit_image("last", frame(0), 0)
    encoder.go_on.set()
    assert encoder.idle.wait(WAIT_S)
    assert [camera for camera, *_ in encoder.seen] == ["head", "wrist", "head", "last"]


def test_stop_ends_the_thread_after_the_current_image(thread, encoder):
    thread.submit_image("wrist", frame(1), 0)
    encoder.go_on.set()
    thread.stop()
    assert not thread.is_alive()


def test_stop_ends_an_idle_thread(encoder):
    thread = EncoderThread(encoder)
    thread.start()
    thread.stop()
    assert not thread.is_alive()
    assert encoder.seen == []


def test_stop_before_start_is_harmless(encoder):
    EncoderThread(encoder).stop()


def test_a_camera_that_cannot_be_encoded_is_reported_until_it_can():
    sizes, done = {"head": 0, "wrist": 4}, threading.Semaphore(0)

    def encode(camera, frame, arrival_ns):
        if sizes[camera] == 0:
            raise ValueError(f"an empty image at {arrival_ns}")

    def submit(camera, arrival_ns):
        thread.submit_image(camera, frame(0), arrival_ns)
        thread.submit_image("done", frame(0), 0)
        assert done.acquire(timeout=WAIT_S)

    thread = EncoderThread(lambda *item: done.release() if item[0] == "done" else encode(*item))
    thread.start()
    submit("head", 5)
    submit("wrist", 6)
    assert thread.problems == {"head": "an empty image at 5"}
    sizes["head"] = 4
    submit("head", 7)
    assert thread.problems == {}
    thread.stop()
