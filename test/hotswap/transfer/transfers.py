"""Transfer of a bundle from a sender to a receiver."""

from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.hotswap.transfer.messages import ChunkHeader
from dbp_ros.hotswap.transfer.receiver import RETRY_NS, Receiver
from dbp_ros.hotswap.transfer.sender import Sender

Chunk = tuple[ChunkHeader, bytes]
NOW_NS = 50_000_000_000


def rename(directory: Path, old: str, new: str, *more: str) -> None:
    """Rename a file of a bundle and list more files, in the manifest only."""
    document = yaml.safe_load((directory / MANIFEST).read_text())
    document["files"][new] = document["files"].pop(old)
    document["files"] |= {name: sha256_of(directory / name) for name in more}
    (directory / MANIFEST).write_text(yaml.safe_dump(document))


def transfer(
    sender: Sender,
    receiver: Receiver,
    damage: Callable[[list[Chunk]], Iterable[Chunk]] = iter,
    rounds: int = 300,
) -> Path | None:
    """Transfer until the bundle is complete, for at most `rounds` of half a second."""
    for k in range(rounds):
        now_ns = NOW_NS + k * RETRY_NS
        request = receiver.request(now_ns)
        for header, data in damage(sender.chunks(request)) if request else ():
            if complete := receiver.add(header, data, now_ns):
                return complete
    return None


def assert_same(received: Path, sent: Path) -> None:
    assert read_bundle(received).sha256 == read_bundle(sent).sha256
    for path in sent.iterdir():
        assert (received / path.name).read_bytes() == path.read_bytes()
