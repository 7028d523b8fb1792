"""Processes that split a batch compute the same updates as one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import distributed_training
import pytest
import torch

from dbp_ros.learning.checkpoint import read_checkpoint

METHODS = ("dbp", "joint_sinkhorn")
# A softmax ignores a common offset: the true gradient is zero, and Adam amplifies rounding.
WITHOUT_EFFECT = "maps.bias"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the runs of two processes."""
    folder = tmp_path_factory.mktemp("shared")
    launch = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2")
    address = ("--master_addr", "127.0.0.1", "--master_port", str(free_port()))
    script = Path(distributed_training.__file__)
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [*launch, *address, str(script), str(folder), *METHODS],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained by 2") == 2
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_compute_the_same_updates_as_one(
    shared: Path, tmp_path: Path, method: str
) -> None:
    trainer = distributed_training.train(method, tmp_path)
    assert trainer.accelerator.num_processes == 1
    one, two = (read_checkpoint(folder / method).part("weights") for folder in (tmp_path, shared))
    assert one.keys() == two.keys()
    for name in one:
        if not name.endswith(WITHOUT_EFFECT):
            torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_only_the_first_process_writes(shared: Path, method: str) -> None:
    assert len((shared / method / "log.csv").read_text().splitlines()) == 3
    assert len(list((shared / method / "tensorboard").iterdir())) == 1
