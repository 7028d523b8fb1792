"""Faults of cameras."""

from dataclasses import replace

import pytest
from diagnosis.snapshots import CAMERA, IMAGE, assert_named, with_camera

from dbp_ros.diagnosis.findings import ERROR, WARNING
from dbp_ros.diagnosis.snapshot import TopicStream


def test_a_camera_with_another_name_is_named_with_the_closest_topic_and_its_remap():
    others = {"/camera/camera/color/image_raw": IMAGE, "/camera/camera/depth/image_raw": IMAGE}
    without = replace(with_camera(publishers=()), image_topics=others)
    assert_named(
        without,
        ERROR,
        CAMERA,
        "/camera/camera/color/image_raw",
        "/camera/camera/depth/image_raw",
        "--remap head_camera:=/camera/camera/color/image_raw (the closest name)",
    )


def test_a_camera_without_raw_images_is_named():
    others = {f"{CAMERA}/compressed": "sensor_msgs/msg/CompressedImage"}
    without = replace(with_camera(publishers=()), image_topics=others)
    assert_named(without, ERROR, CAMERA, "compressed images", "image_transport: compressed")


def test_a_camera_without_a_publisher_is_named():
    without = replace(with_camera(publishers=()), image_topics={})
    assert_named(without, ERROR, CAMERA, "no other images", "start the driver of the camera")


def test_a_camera_without_images_is_named():
    assert_named(with_camera(), ERROR, CAMERA, "/camera is a publisher, but no image arrives")


def test_an_encoding_that_cannot_be_decoded_is_named():
    odd = TopicStream((), 30.0, 0.0, problem="images cannot be used: encoding is 'bayer_rggb8'")
    assert_named(with_camera(odd), ERROR, CAMERA, "bayer_rggb8")


def test_images_with_unusable_stamps_are_named():
    zero = TopicStream((), 30.0, None, "head_camera is not stamped: its stamp is zero")
    assert_named(with_camera(zero), ERROR, CAMERA, "stamp is zero")


@pytest.mark.parametrize(("rate_hz", "level"), [(8.0, WARNING), (2.0, ERROR)])
def test_a_slow_camera_is_named(rate_hz, level):
    slow = with_camera(TopicStream((), rate_hz, 0.0))
    assert_named(slow, level, CAMERA, f"{rate_hz:.1f} Hz", "image_max_age_s")


def test_two_cameras_with_the_same_name_are_named():
    two = with_camera(TopicStream((), 30.0, 0.0), publishers=("/camera", "/simulation"))
    assert_named(two, ERROR, CAMERA, "/camera, /simulation")
