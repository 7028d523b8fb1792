"""Conversion of message stamps."""

from builtin_interfaces.msg import Time


def stamp_to_ns(stamp: Time) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec
