"""Leases of ROS domain ids, so that two runs on one computer are isolated."""

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbp_ros.errors import ConfigError

# The ports of higher domains overlap Linux's ephemeral ports.
DOMAINS = range(1, 102)
# UDP ports by domain and participant, as defined by the RTPS standard; Fast DDS numbers its
# shared-memory ports likewise.
FIRST_PORT, PORTS_PER_DOMAIN, PORTS_PER_PARTICIPANT, PARTICIPANTS = 7400, 250, 2, 120
UNICAST_OFFSET = 10
SOCKETS = Path("/proc/net/udp")
SHARED_MEMORY = Path("/dev/shm")
WORLD_WRITABLE = 0o1777
READ_WRITE = 0o666


@contextmanager
def lease_domain(directory: Path | None = None) -> Iterator[int]:
    """Lease a ROS domain id that no other process of this machine has leased.

    The lease is a file lock, which ends with the block or with the process.

    Args:
        directory: Folder of the lock files; by default one in the temporary folder.

    Yields:
        The domain id, for `ROS_DOMAIN_ID`.

    Raises:
        ConfigError: If every domain is leased.
    """
    folder = directory or Path(tempfile.gettempdir()) / "dbp_ros_domains"
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(WORLD_WRITABLE)
    # A random start avoids reusing a domain right after its release. Others, such as a robot, take
    # no lease: a domain in which they are is the last choice.
    start, bound = random.randrange(len(DOMAINS)), _bound_ports()
    rotated = (*DOMAINS[start:], *DOMAINS[:start])
    for domain in sorted(rotated, key=lambda domain: len(bound & _participant_ports(domain))):
        descriptor = _lock(folder / f"{domain}.lock")
        if descriptor is None:
            continue
        try:
            if _remove_stale_ports(domain):
                yield domain
                return
        finally:
            os.close(descriptor)
    raise ConfigError(f"all {len(DOMAINS)} ROS domains are leased in {folder}: end other runs")


def local_participants(domain: int) -> int:
    """Return the number of participants of a domain on this computer; 0 if unknown."""
    return len(_bound_ports() & _participant_ports(domain))


def _bound_ports() -> set[int]:
    """Return the UDP ports in use on this computer; none if unknown."""
    try:
        lines = SOCKETS.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return set()
    return {int(line.split()[1].rpartition(":")[2], 16) for line in lines}


def _participant_ports(domain: int) -> set[int]:
    first = FIRST_PORT + PORTS_PER_DOMAIN * domain + UNICAST_OFFSET
    return set(range(first, first + PARTICIPANTS * PORTS_PER_PARTICIPANT, PORTS_PER_PARTICIPANT))


def _remove_stale_ports(domain: int) -> bool:
    """Remove the shared-memory ports that killed processes left in a leased domain.

    Returns:
        Whether none is left. A new process would block on one of another user.
    """
    first = FIRST_PORT + PORTS_PER_DOMAIN * domain
    ports = {str(port) for port in range(first, first + PORTS_PER_DOMAIN)}
    for path in SHARED_MEMORY.glob("*fastrtps_port*"):
        if path.name.partition("fastrtps_port")[2].partition("_")[0] in ports:
            try:
                path.unlink(missing_ok=True)
            except PermissionError:
                return False
    return True


def _lock(path: Path) -> int | None:
    try:
        descriptor = _open(path)
    except PermissionError:
        # The file belongs to another user, who leases the domain or did.
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _open(path: Path) -> int:
    try:
        # In a sticky folder Linux refuses O_CREAT on a file of another user.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, READ_WRITE)
