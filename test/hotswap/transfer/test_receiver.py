"""A bundle arrives whole or not at all, whatever happens to its pieces."""

import hashlib
import os
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_bundle import write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle, sha256_of
from dbp_ros.bundle.manifest import MANIFEST
from dbp_ros.errors import BundleError
from dbp_ros.hotswap.transfer.messages import (
    PIECE_BYTES,
    WINDOW,
    Announcement,
    ChunkHeader,
    Request,
    pieces_of,
)
from dbp_ros.hotswap.transfer.receiver import (
    MOST_ATTEMPTS,
    PATIENCE_NS,
    RECEIVED_KEPT,
    RETRY_NS,
    Receiver,
    delivered,
    forget_old,
    is_file_name,
)
from dbp_ros.hotswap.transfer.sender import Sender
from dbp_ros.types import NS_PER_S

Piece = tuple[ChunkHeader, bytes]
NOW_NS = 50_000_000_000


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a file of one and a half windows, and an empty one."""
    directory = write_toy_bundle(tmp_path / "sent" / "toy")
    big = np.random.default_rng(0).bytes(PIECE_BYTES * WINDOW * 3 // 2 + 5)
    (directory / "big.bin").write_bytes(big)
    (directory / "empty.bin").write_bytes(b"")
    rename(directory, "head.onnx", "head.onnx", "big.bin", "empty.bin")
    return directory


def rename(directory: Path, old: str, new: str, *more: str) -> None:
    """Name a file of a bundle otherwise, and more files, in its manifest alone."""
    document = yaml.safe_load((directory / MANIFEST).read_text())
    document["files"][new] = document["files"].pop(old)
    document["files"] |= {name: sha256_of(directory / name) for name in more}
    (directory / MANIFEST).write_text(yaml.safe_dump(document))


@pytest.fixture
def offer(bundle: Path) -> Sender:
    return Sender(bundle, 1, "learner:1", share_path=False)


@pytest.fixture
def received(tmp_path: Path) -> Path:
    return tmp_path / "models" / ".received"


def deliver(
    offer: Sender,
    delivery: Receiver,
    spoil: Callable[[list[Piece]], Iterable[Piece]] = iter,
    rounds: int = 300,
) -> Path | None:
    """Ask and take until the bundle is whole, or for so many rounds of half a second."""
    for k in range(rounds):
        now_ns = NOW_NS + k * RETRY_NS
        request = delivery.request(now_ns)
        for label, data in spoil(offer.pieces(request)) if request else ():
            if whole := delivery.take(label, data, now_ns):
                return whole
    return None


def assert_same(received: Path, sent: Path) -> None:
    assert read_bundle(received).sha256 == read_bundle(sent).sha256
    for path in sent.iterdir():
        assert (received / path.name).read_bytes() == path.read_bytes()


def test_a_bundle_arrives_as_it_was_sent(offer: Sender, bundle: Path, received: Path) -> None:
    delivery = Receiver(offer.announcement, received, NOW_NS)
    whole = deliver(offer, delivery)
    assert whole == delivered(offer.announcement, received)
    assert_same(whole, bundle)
    assert delivery.arrived_bytes == offer.announcement.size
    assert [path.name for path in received.iterdir()] == [whole.name]


def lose(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    return [piece for piece in pieces if rng.random() > 0.3]


def double(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    return pieces + rng.sample(pieces, len(pieces) // 2)


def shuffle(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    return rng.sample(pieces, len(pieces))


def corrupt(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    return [
        (label, data[:-1] + bytes([data[-1] ^ 1]) if data and rng.random() < 0.3 else data)
        for label, data in pieces
    ]


def truncate(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    return [(label, data[:-1] if rng.random() < 0.3 else data) for label, data in pieces]


def mislabel(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    wrong = [
        replace(label, file=rng.choice(["../evil", "other.bin", "/etc/passwd", ".hidden", ""]))
        for label, _ in pieces
    ]
    wrong += [replace(label, index=label.index + 10_000) for label, _ in pieces]
    wrong += [replace(label, sha256="0" * 64) for label, _ in pieces]
    return [(label, b"evil") for label in wrong] + pieces


@pytest.mark.parametrize("harm", [lose, double, shuffle, corrupt, truncate, mislabel])
def test_a_bundle_arrives_through_a_bad_connection(
    offer: Sender, bundle: Path, received: Path, harm: Callable[..., list[Piece]]
) -> None:
    rng = random.Random(1)
    delivery = Receiver(offer.announcement, received, NOW_NS)
    whole = deliver(offer, delivery, lambda pieces: harm(pieces, rng))
    assert whole is not None
    assert_same(whole, bundle)
    assert {path.name for path in received.parent.rglob("*") if path.is_file()} == {
        path.name for path in bundle.iterdir()
    }


def test_until_it_is_whole_nothing_but_a_hidden_folder_is_there(
    offer: Sender, received: Path
) -> None:
    delivery = Receiver(offer.announcement, received, NOW_NS)
    assert deliver(offer, delivery, lambda pieces: pieces[:1], rounds=10) is None
    (only,) = received.iterdir()
    assert only.name.startswith(".")


def test_one_window_is_asked_for_at_a_time(offer: Sender, received: Path) -> None:
    delivery = Receiver(offer.announcement, received, NOW_NS)
    request = delivery.request(NOW_NS)
    assert request == Request(offer.announcement.sha256, MANIFEST, 0, WINDOW)
    assert delivery.request(NOW_NS + RETRY_NS - 1) is None
    assert delivery.request(NOW_NS + RETRY_NS) == request
    for label, data in offer.pieces(request):
        delivery.take(label, data, NOW_NS)
    assert delivery.request(NOW_NS + RETRY_NS + 1).file != MANIFEST


def test_no_more_than_a_window_is_sent_whatever_is_asked_for(offer: Sender) -> None:
    sha256 = offer.announcement.sha256
    assert len(offer.pieces(Request(sha256, "big.bin", 0, 10**9))) == WINDOW
    assert len(offer.pieces(Request(sha256, "big.bin", 20, 10**9))) == WINDOW * 3 // 2 + 1 - 20
    assert offer.pieces(Request(sha256, "big.bin", 10**9, 1)) == []


@pytest.mark.parametrize("name", ["../secret", "secret", "/etc/passwd", "", "."])
def test_only_files_of_the_bundle_are_handed_out(offer: Sender, bundle: Path, name: str) -> None:
    (bundle / "secret").write_text("a key")
    assert offer.pieces(Request(offer.announcement.sha256, name, 0, 1)) == []


def test_another_bundle_is_not_handed_out(offer: Sender) -> None:
    assert offer.pieces(Request("0" * 64, MANIFEST, 0, 1)) == []


def test_a_file_that_vanished_is_an_error_of_one_sentence(offer: Sender, bundle: Path) -> None:
    (bundle / "big.bin").unlink()
    with pytest.raises(BundleError, match=r"big.bin cannot be sent"):
        offer.pieces(Request(offer.announcement.sha256, "big.bin", 0, 1))


def test_a_damaged_bundle_is_not_offered(bundle: Path) -> None:
    os.truncate(bundle / "big.bin", 10)
    with pytest.raises(BundleError, match=r"big.bin was changed or truncated"):
        Sender(bundle, 1, "learner:1", share_path=False)


def test_a_silent_sender_is_given_up_and_another_one_completes_the_bundle(
    offer: Sender, bundle: Path, received: Path
) -> None:
    delivery = Receiver(offer.announcement, received, NOW_NS)
    deliver(offer, delivery, lambda pieces: pieces[:3], rounds=8)
    before = delivery.arrived_bytes
    assert before > PIECE_BYTES
    late_ns = NOW_NS + 8 * RETRY_NS + PATIENCE_NS
    assert delivery.silent(late_ns)
    delivery.resume(late_ns)
    assert not delivery.silent(late_ns)
    assert delivery.arrived_bytes == before
    again = Sender(bundle, 1, "learner:2", share_path=False)
    sent: list[Piece] = []

    def note(pieces: list[Piece]) -> list[Piece]:
        sent.extend(pieces)
        return pieces

    whole = deliver(again, delivery, note)
    assert whole is not None
    assert_same(whole, bundle)
    assert sum(len(data) for _, data in sent) < offer.announcement.size


def test_a_silent_sender_is_asked_seldom_and_heard_when_it_speaks_again(
    offer: Sender, received: Path
) -> None:
    delivery = Receiver(offer.announcement, received, 0)
    asked_ns = [now for now in range(0, 60 * NS_PER_S, NS_PER_S // 10) if delivery.request(now)]
    pauses_ns = np.diff(asked_ns)
    assert pauses_ns[:10].tolist() == [NS_PER_S // 2] * 10
    assert (pauses_ns[-4:] >= 10 * NS_PER_S).all()
    request = delivery.request(now_ns := 80 * NS_PER_S)
    assert request is not None
    for label, data in offer.pieces(request):
        delivery.take(label, data, now_ns)
    assert not delivery.silent(now_ns)


def test_a_delivery_begun_anew_owes_nothing_to_what_was_left(
    offer: Sender, bundle: Path, received: Path
) -> None:
    deliver(offer, Receiver(offer.announcement, received, NOW_NS), lambda p: p[:3], rounds=8)
    whole = deliver(offer, Receiver(offer.announcement, received, NOW_NS))
    assert whole is not None
    assert_same(whole, bundle)


def test_a_liar_about_a_files_size_is_forgotten_when_the_sender_comes_back(
    offer: Sender, bundle: Path, received: Path
) -> None:
    delivery = Receiver(offer.announcement, received, NOW_NS)
    lie = b"x" * 10
    digest = hashlib.sha256(lie).hexdigest()
    label = ChunkHeader(offer.announcement.sha256, MANIFEST, 2, 2 * PIECE_BYTES + 10, digest)
    delivery.take(label, lie, NOW_NS)
    assert deliver(offer, delivery, rounds=30) is None
    delivery.resume(NOW_NS)
    whole = deliver(offer, delivery)
    assert whole is not None
    assert_same(whole, bundle)


def test_files_that_are_not_what_the_manifest_says_never_become_a_bundle(
    offer: Sender, bundle: Path, received: Path
) -> None:
    (bundle / "big.bin").write_bytes(b"other")
    delivery = Receiver(offer.announcement, received, NOW_NS)
    with pytest.raises(BundleError, match=f"big.bin arrived {MOST_ATTEMPTS} times with another"):
        deliver(offer, delivery)
    assert not delivered(offer.announcement, received).exists()


def test_another_manifest_than_announced_never_becomes_a_bundle(
    offer: Sender, bundle: Path, received: Path
) -> None:
    with (bundle / MANIFEST).open("a") as file:
        file.write("# changed\n")
    larger = replace(offer.announcement, size=2 * offer.announcement.size)
    with pytest.raises(BundleError, match=f"{MANIFEST} arrived {MOST_ATTEMPTS} times"):
        deliver(offer, Receiver(larger, received, NOW_NS))


@pytest.mark.parametrize("name", ["../evil.onnx", "a/b", "/evil", ".evil", "..", ""])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    bundle: Path, received: Path, name: str
) -> None:
    rename(bundle, "empty.bin", name)
    data = (bundle / MANIFEST).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    news = Announcement("toy", sha256, len(data), "", 1, "learner:1")
    delivery = Receiver(news, received, NOW_NS)
    with pytest.raises(BundleError, match="expected bare file names"):
        delivery.take(ChunkHeader(sha256, MANIFEST, 0, len(data), sha256), data, NOW_NS)
    assert is_file_name("head.onnx")


def test_a_piece_that_would_make_a_file_larger_than_announced_is_refused(
    offer: Sender, received: Path
) -> None:
    delivery = Receiver(offer.announcement, received, NOW_NS)
    sha256, data = offer.announcement.sha256, b"x" * PIECE_BYTES
    digest = hashlib.sha256(data).hexdigest()
    delivery.take(ChunkHeader(sha256, MANIFEST, 1_000_000, 10**12, digest), data, NOW_NS)
    assert delivery.refused == 1
    assert sum(path.stat().st_size for path in received.rglob("*") if path.is_file()) == 0


@pytest.mark.parametrize("sha256", ["", "../evil", "A" * 64, "0" * 63])
def test_an_announcement_without_a_sha256_is_refused(
    offer: Sender, received: Path, sha256: str
) -> None:
    with pytest.raises(BundleError, match="expected a sha256"):
        Receiver(replace(offer.announcement, sha256=sha256), received, NOW_NS)


def test_a_bundle_for_which_there_is_no_room_is_refused(offer: Sender, received: Path) -> None:
    with pytest.raises(BundleError, match="has no room"):
        Receiver(replace(offer.announcement, size=10**18), received, NOW_NS)


def test_old_bundles_are_forgotten_and_the_newest_kept(tmp_path: Path) -> None:
    for k in range(RECEIVED_KEPT + 2):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / MANIFEST).write_text("")
        os.utime(tmp_path / str(k), (k, k))
    forget_old(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4"]


NOTES = (
    Announcement("toy", "0" * 64, 10, "/models/toy", 3, "learner:1"),
    Request("0" * 64, MANIFEST, 0, WINDOW),
    ChunkHeader("0" * 64, MANIFEST, 0, 10, "1" * 64),
)


@pytest.mark.parametrize("note", NOTES)
def test_a_note_is_read_as_it_was_written(note) -> None:
    assert type(note).from_json(note.to_json()) == note


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
def test_a_note_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="a note is no request"):
        Request.from_json(text)


@pytest.mark.parametrize(
    ("size", "pieces"), [(0, 1), (1, 1), (PIECE_BYTES, 1), (PIECE_BYTES + 1, 2)]
)
def test_a_file_has_as_many_pieces_as_it_needs(size: int, pieces: int) -> None:
    assert pieces_of(size) == pieces
