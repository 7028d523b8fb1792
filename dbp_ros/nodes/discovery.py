"""Join a ROS domain so that what is there already is discovered soon.

Fast DDS announces a new participant before it reads what arrives (`RTPSParticipantImpl::enable`
starts the announcements, then registers the receivers). A participant on the same computer answers
within 0.3 ms and only once: an answer that is received too early is dropped, and the next one is
the periodic announcement, 3 s later by default. Measured on two cores: next to an idle guard a new
process lost the answer in four of five tries, and with `prompt_discovery` in none of twelve; next
to a busy stack it loses some all the same. So the processes of the stack announce themselves twice
a second (config/fastdds.xml), and the participants of this computer can be counted.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rclpy.node import Node

# Numbers of UDP ports by domain and participant, as the RTPS standard defines them.
FIRST_PORT, PORTS_PER_DOMAIN, PORTS_PER_PARTICIPANT, PARTICIPANTS = 7400, 250, 2, 120
UNICAST_OFFSET = 10
SOCKETS = Path("/proc/net/udp")
# Of a GUID, what names the participant.
PREFIX_BYTES = 12
# Every ROS participant publishes it, below the names of ROS.
PARTICIPANTS_TOPIC = "ros_discovery_info"


@contextmanager
def prompt_discovery() -> Iterator[None]:
    """Keep the threads that receive from running before they are registered, mostly.

    On one core and under SCHED_BATCH a thread that wakes up does not interrupt the one that runs:
    the receiving threads, which inherit both, get the core after the calling thread has registered
    them, unless a real-time thread interrupts that. Needs no privileges. Create the first node of
    a process inside, and nothing else: in the end every thread of the process gets the affinity
    and the policy that the caller had before.
    """
    cores = os.sched_getaffinity(0)
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    if policy == os.SCHED_OTHER:
        _set_threads({min(cores)}, os.SCHED_BATCH, parameters)
    try:
        yield
    finally:
        if policy == os.SCHED_OTHER:
            _set_threads(cores, policy, parameters)


def undiscovered_participants(node: Node) -> int:
    """Return how many participants of this computer are in the domain, and not known to a node.

    Those of other computers are not counted, nor those in a network namespace of their own.
    """
    infos = node.get_publishers_info_by_topic(PARTICIPANTS_TOPIC, no_mangle=True)
    known = {bytes(info.endpoint_gid)[:PREFIX_BYTES] for info in infos}
    return max(0, local_participants(node.context.get_domain_id()) - len(known))


def local_participants(domain: int) -> int:
    """Return how many participants of a ROS domain run on this computer; 0 if that is unknown."""
    try:
        lines = SOCKETS.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return 0
    first = FIRST_PORT + PORTS_PER_DOMAIN * domain + UNICAST_OFFSET
    wanted = set(range(first, first + PARTICIPANTS * PORTS_PER_PARTICIPANT, PORTS_PER_PARTICIPANT))
    return len(wanted & {int(line.split()[1].rpartition(":")[2], 16) for line in lines})


def _set_threads(cores: set[int], policy: int, parameters: os.sched_param) -> None:
    """Set every thread of this process; where that is not allowed, discovery takes longer."""
    for thread in map(int, os.listdir("/proc/self/task")):
        # The thread may have ended.
        with suppress(OSError):
            os.sched_setaffinity(thread, cores)
            os.sched_setscheduler(thread, policy, parameters)
