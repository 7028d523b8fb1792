"""Leases of ROS domains."""

import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.errors import ConfigError
from dbp_ros.runtime import ros_domain
from dbp_ros.runtime.ros_domain import (
    DOMAINS,
    FIRST_PORT,
    PORTS_PER_DOMAIN,
    UNICAST_OFFSET,
    lease_domain,
    local_participants,
)


def test_lease_domains_differ(tmp_path: Path) -> None:
    with lease_domain(tmp_path) as one, lease_domain(tmp_path) as other:
        assert one != other
        assert {one, other} <= set(DOMAINS)


def test_a_domain_of_others_is_the_last_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets = tmp_path / "udp"
    port = FIRST_PORT + PORTS_PER_DOMAIN * 7 + UNICAST_OFFSET
    sockets.write_text(f"  sl  local_address\n   0: 0100007F:{port:04X} 00000000:0000 07\n")
    monkeypatch.setattr(ros_domain, "SOCKETS", sockets)
    assert [local_participants(domain) for domain in (6, 7, 8)] == [0, 1, 0]
    leases = [lease_domain(tmp_path) for _ in DOMAINS]
    assert [lease.__enter__() for lease in leases][-1] == 7
    for lease in leases:
        lease.__exit__(None, None, None)


def test_a_lease_ends_with_its_block_and_the_last_domain_is_found(tmp_path: Path) -> None:
    leases = [lease_domain(tmp_path) for _ in DOMAINS]
    assert sorted(lease.__enter__() for lease in leases) == list(DOMAINS)
    with pytest.raises(ConfigError, match="all 101 ROS domains"), lease_domain(tmp_path):
        pass
    leases[7].__exit__(None, None, None)
    with lease_domain(tmp_path) as domain:
        assert domain in DOMAINS
    for lease in leases[:7] + leases[8:]:
        lease.__exit__(None, None, None)


def test_a_lease_ends_with_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from dbp_ros.runtime.ros_domain import lease_domain\n"
        "with lease_domain(pathlib.Path(sys.argv[1])) as d: print(d, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        leased = int(holder.stdout.readline())
        leases = [lease_domain(tmp_path) for _ in DOMAINS[1:]]
        assert leased not in {lease.__enter__() for lease in leases}
        holder.kill()
        holder.wait()
        with lease_domain(tmp_path) as domain:
            assert domain == leased
        for lease in leases:
            lease.__exit__(None, None, None)
