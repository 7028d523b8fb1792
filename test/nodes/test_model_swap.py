"""Block list and model history by namespace; guard counters from diagnostics."""

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node
from toy_bundle import JOINTS, write_toy_bundle

from dbp_ros.bundle.bundle import read_bundle
from dbp_ros.errors import BundleError, ObservationError
from dbp_ros.hotswap.blocklist import FAILED, Blocklist
from dbp_ros.nodes.ignored_messages import IgnoredMessages
from dbp_ros.nodes.model_swap import RECEIVED, ModelSwap, guard_counts
from dbp_ros.nodes.process import spinning
from dbp_ros.settings.policy import PolicyConfig

CONFIG = PolicyConfig(joints=JOINTS)


def load_in(namespace: str, directory: Path) -> int:
    """Return the version that a policy of a namespace starts with."""
    with spinning(lambda: Node("policy", namespace=namespace)) as node:
        swap = ModelSwap(node, CONFIG, IgnoredMessages(print))
        return swap.load_initial_model(directory).model.manifest.version


def test_each_namespace_has_its_own_block_list_and_history(domain: int, tmp_path: Path) -> None:
    directory = write_toy_bundle(tmp_path / "models" / "toy", version=4)
    failed = tmp_path / "models" / RECEIVED / "line.cell_1" / FAILED
    Blocklist(failed).add(read_bundle(directory).sha256, "rolled back: asked for")
    with pytest.raises(BundleError, match="not tried again: rolled back: asked for"):
        load_in("/line/cell_1", directory)
    assert load_in("/line/cell_2", directory) == 4
    assert load_in("/", directory) == 4


def status(**values: str) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(name="guard", values=pairs)


def test_the_counters_of_the_guard_are_read() -> None:
    assert guard_counts(status(commands="12", limited_commands="3", other="x")) == (12, 3)


@pytest.mark.parametrize("commands", ["", "many", "-1", "1.5", "٣", "²", "9" * 5000])
def test_a_status_of_the_same_name_without_the_counters_is_refused(commands: str) -> None:
    with pytest.raises(ObservationError, match="a status named guard has commands"):
        guard_counts(status(commands=commands, limited_commands="0"))
