"""Messages of a transfer are validated."""

import pytest

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    CHUNK_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
    num_chunks,
)

MESSAGES = (
    Announcement("toy", "0" * 64, 10, "/models/toy", 3, "learner:1"),
    Request("0" * 64, MANIFEST, 0, WINDOW),
    ChunkHeader("0" * 64, MANIFEST, 0, 10, "1" * 64),
)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_survives_json(message) -> None:
    assert type(message).from_json(message.to_json()) == message


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{}", "3", '"text"', "{", "[" * 100_000),
        '{"sha256": "0", "file": "a", "first": 0}',
        '{"sha256": "0", "file": "a", "first": 0, "count": 1, "more": 1}',
        '{"sha256": "0", "file": "a", "first": 0.5, "count": 1}',
        '{"sha256": "0", "file": "a", "first": -1, "count": 1}',
        '{"sha256": "0", "file": "a", "first": true, "count": 1}',
        '{"sha256": 0, "file": "a", "first": 0, "count": 1}',
        '{"sha256": "0", "file": ["a"], "first": 0, "count": 1}',
    ],
)
def test_an_invalid_message_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="invalid Request message"):
        Request.from_json(text)


@pytest.mark.parametrize(
    ("size", "chunks"), [(0, 1), (1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2)]
)
def test_the_number_of_chunks_of_a_file(size: int, chunks: int) -> None:
    assert num_chunks(size) == chunks
