"""Rules for cameras."""

from collections.abc import Iterator
from difflib import get_close_matches

from dbp_ros.diagnosis.findings import ERROR, WARNING, Finding, listed, several_publishers
from dbp_ros.diagnosis.snapshot import Snapshot, StreamSource, TopicStatus

RAW, COMPRESSED = "/image_raw", "/compressed"
# Parts of the names of topics without colour images.
NO_COLOUR = ("depth", "infra", "confidence", "disparity")
DEFAULT_MAX_AGE_S = 0.2


def cameras(s: Snapshot) -> Iterator[Finding]:
    """Find cameras that are missing, duplicate, slow, or have unusable images."""
    for source in s.cameras:
        topic = source.topic
        publishers = [p.node for p in topic.publishers]
        if not publishers:
            yield _no_camera(s, topic)
            continue
        if len(publishers) > 1:
            yield several_publishers(topic.name, publishers)
        if not source.streams:
            yield Finding(
                ERROR,
                topic.name,
                f"{publishers[0]} is a publisher, but no image arrives",
                "check that the camera is connected; for large images, increase net.core.rmem_max",
            )
        for stream in source.streams:
            if stream.problem:
                yield Finding(ERROR, topic.name, stream.problem)
            if stream.stamp_problem:
                yield Finding(ERROR, topic.name, stream.stamp_problem)
        yield from _slow(s, source)


def _no_camera(s: Snapshot, topic: TopicStatus) -> Finding:
    camera = topic.name.removeprefix(s.namespace).removesuffix(COMPRESSED).removesuffix(RAW)
    others = {name.removesuffix(COMPRESSED) for name in s.image_topics}
    base = topic.name.removesuffix(COMPRESSED)
    if base in others:
        other = "compressed" if base == topic.name else "raw"
        return Finding(
            ERROR,
            topic.name,
            f"no publisher, but there are {other} images",
            f"set image_transport: {other} in policy.yaml",
        )
    if not others:
        return Finding(
            ERROR,
            topic.name,
            "no publisher, and there are no other images",
            "start the driver of the camera; for the simulated cell, dbp up --sim",
        )
    coloured = [name for name in sorted(others) if not any(word in name for word in NO_COLOUR)]
    nearest = get_close_matches(base, coloured or sorted(others), 1, 0.0)[0]
    return Finding(
        ERROR,
        topic.name,
        f"no publisher; images are on {listed(sorted(others))}",
        f"start with --remap {camera.strip('/')}:={nearest} (the closest name) or another one",
    )


def _slow(s: Snapshot, source: StreamSource) -> Iterator[Finding]:
    max_age_s = float(s.policy.parameters.get("image_max_age_s") or DEFAULT_MAX_AGE_S)
    # The age of an image is in simulation time, its measured rate in wall time.
    factor = min(1.0, float(s.policy.parameters.get("real_time_factor") or 1.0))
    rate_hz = source.topic.rate_hz and source.topic.rate_hz / factor
    if source.streams and rate_hz is not None and rate_hz * max_age_s < 2.0:
        yield Finding(
            ERROR if rate_hz * max_age_s < 1.0 else WARNING,
            source.topic.name,
            f"images arrive at {rate_hz:.1f} Hz, expected more than {2.0 / max_age_s:.0f} Hz: the "
            "policy rejects old images",
            "increase the rate of the camera, or image_max_age_s in policy.yaml",
        )


RULES = (cameras,)
