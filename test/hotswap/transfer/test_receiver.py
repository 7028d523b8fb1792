"""A bundle is received completely or not at all, with lost or damaged chunks too."""

import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hotswap.transfer.transfers import NOW_NS, Chunk, assert_same, rename, transfer

from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    CHUNK_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
)
from dbp_ros.hotswap.transfer.receiver import (
    MAX_ATTEMPTS,
    MAX_BUNDLES,
    MAX_MANIFEST_BYTES,
    RETRY_NS,
    TIMEOUT_NS,
    Receiver,
    delete_incomplete,
    delete_old,
    is_file_name,
    received_bundle,
)
from dbp_ros.hotswap.transfer.sender import Sender
from dbp_ros.types import NS_PER_S


def test_a_bundle_is_received_unchanged(sender: Sender, bundle: Path, received: Path) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    complete = transfer(sender, receiver)
    assert complete == received_bundle(sender.announcement, received)
    assert_same(complete, bundle)
    assert receiver.received_bytes == sender.announcement.size
    assert [path.name for path in received.iterdir()] == [complete.name]


def lose(chunks: list[Chunk], rng: random.Random) -> list[Chunk]:
    return [chunk for chunk in chunks if rng.random() > 0.3]


def double(chunks: list[Chunk], rng: random.Random) -> list[Chunk]:
    return chunks + rng.sample(chunks, len(chunks) // 2)


def shuffle(chunks: list[Chunk], rng: random.Random) -> list[Chunk]:
    return rng.sample(chunks, len(chunks))


def corrupt(chunks: list[Chunk], rng: random.Random) -> list[Chunk]:
    return [
        (header, data[:-1] + bytes([data[-1] ^ 1]) if data and rng.random() < 0.3 else data)
        for header, data in chunks
    ]


def truncate(chunks: list[Chunk], rng: random.Random) -> list[Chunk]:
    return [(header, data[:-1] if rng.random() < 0.3 else data) for header, data in chunks]


def change_header(chunks: list[Chunk], rng: random.Random) -> list[Chunk]:
    wrong = [
        replace(header, file=rng.choice(["../evil", "other.bin", "/etc/passwd", ".hidden", ""]))
        for header, _ in chunks
    ]
    wrong += [replace(header, index=header.index + 10_000) for header, _ in chunks]
    wrong += [replace(header, sha256="0" * 64) for header, _ in chunks]
    return [(header, b"evil") for header in wrong] + chunks


@pytest.mark.parametrize("harm", [lose, double, shuffle, corrupt, truncate, change_header])
def test_a_bundle_arrives_over_a_lossy_connection(
    sender: Sender, bundle: Path, received: Path, harm: Callable[..., list[Chunk]]
) -> None:
    rng = random.Random(1)
    receiver = Receiver(sender.announcement, received, NOW_NS)
    complete = transfer(sender, receiver, lambda chunks: harm(chunks, rng))
    assert complete is not None
    assert_same(complete, bundle)
    assert {path.name for path in received.parent.rglob("*") if path.is_file()} == {
        path.name for path in bundle.iterdir()
    }


def test_an_incomplete_bundle_is_in_a_hidden_folder(sender: Sender, received: Path) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    assert transfer(sender, receiver, lambda chunks: chunks[:1], rounds=10) is None
    (only,) = received.iterdir()
    assert only.name.startswith(".")


def test_one_window_is_requested_at_a_time(sender: Sender, received: Path) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    request = receiver.request(NOW_NS)
    assert request == Request(sender.announcement.sha256, MANIFEST, 0, WINDOW)
    assert receiver.request(NOW_NS + RETRY_NS - 1) is None
    assert receiver.request(NOW_NS + RETRY_NS) == request
    for header, data in sender.chunks(request):
        receiver.add(header, data, NOW_NS)
    assert receiver.request(NOW_NS + RETRY_NS + 1).file != MANIFEST


def test_another_sender_completes_the_bundle_of_a_silent_one(
    sender: Sender, bundle: Path, received: Path
) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    transfer(sender, receiver, lambda chunks: chunks[:3], rounds=8)
    before = receiver.received_bytes
    assert before > CHUNK_BYTES
    late_ns = NOW_NS + 8 * RETRY_NS + TIMEOUT_NS
    assert receiver.silent(late_ns)
    receiver.resume(late_ns)
    assert not receiver.silent(late_ns)
    assert receiver.received_bytes == before
    again = Sender(bundle, 1, "learner:2", share_path=False)
    sent: list[Chunk] = []

    def record(chunks: list[Chunk]) -> list[Chunk]:
        sent.extend(chunks)
        return chunks

    complete = transfer(again, receiver, record)
    assert complete is not None
    assert_same(complete, bundle)
    assert sum(len(data) for _, data in sent) < sender.announcement.size


def test_a_silent_sender_gets_fewer_requests_until_it_replies(
    sender: Sender, received: Path
) -> None:
    receiver = Receiver(sender.announcement, received, 0)
    asked_ns = [now for now in range(0, 60 * NS_PER_S, NS_PER_S // 10) if receiver.request(now)]
    pauses_ns = np.diff(asked_ns)
    assert pauses_ns[:10].tolist() == [NS_PER_S // 2] * 10
    assert (pauses_ns[-4:] >= 10 * NS_PER_S).all()
    request = receiver.request(now_ns := 80 * NS_PER_S)
    assert request is not None
    for header, data in sender.chunks(request):
        receiver.add(header, data, now_ns)
    assert not receiver.silent(now_ns)


def test_a_restarted_transfer_ignores_an_earlier_one(
    sender: Sender, bundle: Path, received: Path
) -> None:
    transfer(sender, Receiver(sender.announcement, received, NOW_NS), lambda p: p[:3], rounds=8)
    complete = transfer(sender, Receiver(sender.announcement, received, NOW_NS))
    assert complete is not None
    assert_same(complete, bundle)


def add_chunks(receiver: Receiver, *sizes: int) -> None:
    """Add the first chunk of a manifest of each size."""
    for size in sizes:
        data, sha256 = b"x" * min(size, CHUNK_BYTES), receiver.announcement.sha256
        header = ChunkHeader(sha256, MANIFEST, 0, size, hashlib.sha256(data).hexdigest())
        receiver.add(header, data, NOW_NS)


def test_a_file_whose_size_changes_is_restarted(
    sender: Sender, bundle: Path, received: Path
) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    transfer(sender, receiver, lambda chunks: chunks[:3], rounds=8)
    content = (bundle / "big.bin").read_bytes()
    (bundle / "big.bin").write_bytes(content[:10])
    before = receiver.received_bytes
    [(header, data)] = sender.chunks(Request(sender.announcement.sha256, "big.bin", 20, 1))
    receiver.add(header, data, NOW_NS)
    assert receiver.received_bytes < before
    (bundle / "big.bin").write_bytes(content)
    complete = transfer(sender, receiver)
    assert complete is not None
    assert_same(complete, bundle)


def test_a_file_whose_size_changes_in_every_attempt_is_refused(
    sender: Sender, received: Path
) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    with pytest.raises(BundleError, match=f"{MANIFEST} was received {MAX_ATTEMPTS} times with an"):
        add_chunks(receiver, *range(CHUNK_BYTES + 1, CHUNK_BYTES + 2 + MAX_ATTEMPTS))


def test_a_refused_bundle_is_deleted(sender: Sender, received: Path) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    with pytest.raises(BundleError, match="expected at most"):
        add_chunks(receiver, *[10**12] * MAX_ATTEMPTS)
    assert list(received.iterdir()) == []


def test_all_files_together_have_at_most_the_announced_size(sender: Sender, received: Path) -> None:
    less = replace(sender.announcement, size=sender.announcement.size - 1)
    receiver = Receiver(less, received, NOW_NS)
    with pytest.raises(BundleError, match=r"proof.npz was received 3 times with \d+ bytes, expect"):
        transfer(sender, receiver)


def test_a_large_manifest_is_refused(sender: Sender, received: Path) -> None:
    large = replace(sender.announcement, size=10 * MAX_MANIFEST_BYTES)
    receiver = Receiver(large, received, NOW_NS)
    add_chunks(receiver, MAX_MANIFEST_BYTES + 1)
    assert receiver.received_bytes == 0


def test_resuming_restarts_a_file_with_refused_chunks(sender: Sender, received: Path) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    transfer(sender, receiver, lambda chunks: chunks[:3], rounds=8)
    before = receiver.received_bytes
    [(header, data)] = sender.chunks(Request(sender.announcement.sha256, "big.bin", 24, 1))
    receiver.add(header, data[:-1], NOW_NS)
    assert receiver.received_bytes == before
    receiver.resume(NOW_NS)
    assert receiver.received_bytes < before


def test_files_with_a_wrong_sha256_are_refused(
    sender: Sender, bundle: Path, received: Path
) -> None:
    (bundle / "big.bin").write_bytes(b"other")
    receiver = Receiver(sender.announcement, received, NOW_NS)
    with pytest.raises(BundleError, match=f"big.bin was received {MAX_ATTEMPTS} times"):
        transfer(sender, receiver)
    assert not received_bundle(sender.announcement, received).exists()


def test_a_manifest_with_a_wrong_sha256_is_refused(
    sender: Sender, bundle: Path, received: Path
) -> None:
    with (bundle / MANIFEST).open("a") as file:
        file.write("# changed\n")
    larger = replace(sender.announcement, size=2 * sender.announcement.size)
    with pytest.raises(BundleError, match=f"{MANIFEST} was received {MAX_ATTEMPTS} times"):
        transfer(sender, Receiver(larger, received, NOW_NS))


@pytest.mark.parametrize("name", ["../evil.onnx", "a/b", "/evil", ".evil", "..", ""])
def test_a_manifest_with_files_in_other_folders_is_refused(
    bundle: Path, received: Path, name: str
) -> None:
    rename(bundle, "empty.bin", name)
    data = (bundle / MANIFEST).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    announcement = Announcement("toy", sha256, len(data), "", 1, "learner:1")
    receiver = Receiver(announcement, received, NOW_NS)
    with pytest.raises(BundleError, match="expected bare file names"):
        receiver.add(ChunkHeader(sha256, MANIFEST, 0, len(data), sha256), data, NOW_NS)
    assert is_file_name("head.onnx")


def test_a_chunk_of_a_file_larger_than_announced_is_refused(sender: Sender, received: Path) -> None:
    receiver = Receiver(sender.announcement, received, NOW_NS)
    sha256, data = sender.announcement.sha256, b"x" * CHUNK_BYTES
    digest = hashlib.sha256(data).hexdigest()
    receiver.add(ChunkHeader(sha256, MANIFEST, 1_000_000, 10**12, digest), data, NOW_NS)
    assert receiver.received_bytes == 0
    assert sum(path.stat().st_size for path in received.rglob("*") if path.is_file()) == 0


@pytest.mark.parametrize("sha256", ["", "../evil", "A" * 64, "0" * 63])
def test_an_announcement_without_a_sha256_is_refused(
    sender: Sender, received: Path, sha256: str
) -> None:
    with pytest.raises(BundleError, match="expected a sha256"):
        Receiver(replace(sender.announcement, sha256=sha256), received, NOW_NS)


def test_a_bundle_larger_than_the_disk_is_refused(sender: Sender, received: Path) -> None:
    with pytest.raises(BundleError, match="free"):
        Receiver(replace(sender.announcement, size=10**18), received, NOW_NS)


def test_only_the_newest_complete_bundles_are_stored(tmp_path: Path) -> None:
    (tmp_path / ".new").mkdir()
    (tmp_path / ".new" / MANIFEST).write_text("")
    for k in range(MAX_BUNDLES + 2):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / MANIFEST).write_text("")
        os.utime(tmp_path / str(k), (k, k))
    delete_old(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new", "2", "3", "4"]


def test_incomplete_bundles_of_an_earlier_process_are_deleted(
    sender: Sender, received: Path
) -> None:
    Receiver(sender.announcement, received, NOW_NS)
    [incomplete] = received.iterdir()
    (incomplete / MANIFEST).write_text("name: toy\n")
    (received / "failed.json").write_text("{}")
    delete_incomplete(received)
    assert [path.name for path in received.iterdir()] == ["failed.json"]
