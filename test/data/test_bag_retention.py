"""Deletion of recorded episodes by total size and age."""

import os
import time
from pathlib import Path

from dbp_ros.data.recording.bag_retention import BagRetention
from dbp_ros.data.recording.recorder import bag_numbers, bag_path

MB = 1_000_000


def write(folder: Path, *numbers: int, hours: float = 0.0) -> None:
    for number in numbers:
        path = bag_path(folder, number)
        path.write_bytes(bytes(MB))
        stamp = time.time() - 3600 * hours
        os.utime(path, (stamp, stamp))


def test_the_oldest_episodes_beyond_the_size_are_deleted(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3, 4, 5)
    BagRetention(tmp_path, 2.5, 0.0, min_bags=4).apply()
    assert bag_numbers(tmp_path) == [2, 3, 4, 5]
    retention = BagRetention(tmp_path, 2.5, 0.0, min_bags=1)
    retention.apply()
    assert bag_numbers(tmp_path) == [4, 5]
    assert retention.deleted == 2


def test_old_episodes_are_deleted_but_not_the_newest_one(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, hours=3.0)
    write(tmp_path, 3, hours=1.0)
    BagRetention(tmp_path, 0.0, 2.0, min_bags=1).apply()
    assert bag_numbers(tmp_path) == [3]
    BagRetention(tmp_path, 0.5, 0.5, min_bags=1).apply()
    assert bag_numbers(tmp_path) == [3]


def test_without_limits_nothing_is_deleted(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, hours=1000.0)
    BagRetention(tmp_path, 0.0, 0.0, min_bags=1).apply()
    assert bag_numbers(tmp_path) == [1, 2]
