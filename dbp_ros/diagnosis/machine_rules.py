"""Rules for the computer that runs a stack."""

from collections.abc import Iterator

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding, listed
from dbp_ros.diagnosis.machine import MachineSnapshot
from dbp_ros.diagnosis.snapshot import Snapshot

# Priority of the guard's command loop, one above that of the guard's other threads.
NEEDED_PRIORITY = 46
# Of a controller manager of ros2_control by default, and thus enough for a robot computer.
GRANTED_PRIORITY = 50
MIN_CORES = 2
NEEDED_LOCKED_BYTES = 1 << 30
MIN_MEMORY_BYTES = 1 << 30
LOW_DISK_BYTES, MIN_DISK_BYTES = 20 << 30, 2 << 30
# Receive buffer without a measured image: three raw images of 640x480, as config/fastdds.xml.
DEFAULT_BUFFER_BYTES = 4 << 20
# Images of one camera that a receive buffer should hold.
BUFFERED_IMAGES = 2
TESTED = ("jazzy", "kilted")
# Distributions whose messages are built for NumPy 1.
NUMPY_1 = ("jazzy", "kilted")
MIDDLEWARE = "rmw_fastrtps_cpp"
LIMITS_FILE = "/etc/security/limits.d/dbp_ros.conf"


def realtime(m: MachineSnapshot, _: Snapshot) -> Iterator[Finding]:
    """Find missing privileges and settings for real-time scheduling."""
    if not m.is_root and 0 <= m.max_priority < NEEDED_PRIORITY:
        yield Finding(
            WARNING,
            "real-time privileges",
            f"the largest priority is {m.max_priority}, the guard requests {NEEDED_PRIORITY}: "
            "commands have more jitter",
            f'echo "$USER - rtprio {GRANTED_PRIORITY}" | sudo tee --append {LIMITS_FILE}, and log '
            "in again",
        )
    if not m.is_root and 0 <= m.locked_memory_bytes < NEEDED_LOCKED_BYTES:
        yield Finding(
            WARNING,
            "locked memory",
            f"a process may lock {_size(m.locked_memory_bytes)}: page faults may delay commands",
            f'echo "$USER - memlock unlimited" | sudo tee --append {LIMITS_FILE}, and log in again',
        )
    if m.realtime_share < 0.9:
        yield Finding(
            WARNING,
            "real-time throttling",
            f"real-time processes may use {m.realtime_share:.0%} of the time",
            "sudo sysctl -w kernel.sched_rt_runtime_us=950000",
        )
    if not m.preempt_rt:
        yield Finding(
            NOTE,
            "kernel",
            "without PREEMPT_RT: jitter is larger under load",
            "on Ubuntu: sudo pro enable realtime-kernel",
        )


def processor(m: MachineSnapshot, _: Snapshot) -> Iterator[Finding]:
    """Find too few cores, and a governor that lowers the frequency."""
    if m.cores < MIN_CORES:
        yield Finding(
            ERROR,
            "processor",
            f"{m.cores} core for all processes: guard and policy disturb each other",
            f"give the stack at least {MIN_CORES} cores",
        )
    slow = [governor for governor in m.governors if governor not in ("performance", "")]
    if slow:
        yield Finding(
            WARNING,
            "processor",
            f"frequency governor {listed(slow)}: a core is slow when a short computation starts",
            "sudo cpupower frequency-set --governor performance",
        )


def memory(m: MachineSnapshot, _: Snapshot) -> Iterator[Finding]:
    """Find little memory, and swap in use."""
    if 0 < m.memory_available_bytes < MIN_MEMORY_BYTES:
        yield Finding(
            ERROR,
            "memory",
            f"{_size(m.memory_available_bytes)} available, expected {_size(MIN_MEMORY_BYTES)}",
            "end other programs",
        )
    if m.swap_used_bytes > MIN_MEMORY_BYTES:
        yield Finding(
            WARNING,
            "memory",
            f"{_size(m.swap_used_bytes)} are swapped out: a page may be read from the disk",
            "end other programs, or sudo swapoff --all",
        )


def disk(m: MachineSnapshot, _: Snapshot) -> Iterator[Finding]:
    """Find little space for recordings."""
    if m.disk_free_bytes < LOW_DISK_BYTES:
        full = m.disk_free_bytes < MIN_DISK_BYTES
        yield Finding(
            ERROR if full else WARNING,
            "disk",
            f"{_size(m.disk_free_bytes)} free for {m.disk_folder}; three raw cameras of 640x480 "
            "at 30 Hz take 5 GB per minute",
            "delete old recordings, lower max_bags_mb, or set out to another disk",
        )


def network(m: MachineSnapshot, s: Snapshot) -> Iterator[Finding]:
    """Find receive buffers that are too small for the images, and lost images."""
    # The policy receives the images of all cameras through one socket.
    images = sum(
        max((stream.message_bytes for stream in source.streams), default=0) for source in s.cameras
    )
    needed = BUFFERED_IMAGES * images or DEFAULT_BUFFER_BYTES
    command = f"sudo sysctl -w net.core.rmem_max={max(needed, 1 << 26)}"
    lost = [
        f"{source.topic.name} ({stream.lost_share:.0%})"
        for source in s.cameras
        for stream in source.streams
        if stream.lost_share > 0.01
    ]
    if lost:
        yield Finding(
            ERROR,
            "network",
            f"images are being lost: {listed(lost)}; net.core.rmem_max is "
            f"{_size(m.receive_buffer_bytes)}",
            f"{command}, and restart the stack; or use compressed images",
        )
    if 0 < m.receive_buffer_bytes < needed:
        what = "two images of each camera" if images else "images of three cameras"
        yield Finding(
            WARNING,
            "network",
            f"net.core.rmem_max is {_size(m.receive_buffer_bytes)}, {what} need {_size(needed)}",
            f"{command}; to keep it: echo net.core.rmem_max={max(needed, 1 << 26)} | sudo tee "
            "/etc/sysctl.d/60-dbp_ros.conf",
        )
    if m.dropped_datagrams:
        yield Finding(
            NOTE if not lost else WARNING,
            "network",
            f"{m.dropped_datagrams} UDP datagrams were dropped since the start of the computer",
            command,
        )


def clock(m: MachineSnapshot, _: Snapshot) -> Iterator[Finding]:
    """Find a clock that no time service has set."""
    if m.clock_is_synchronised is False:
        yield Finding(
            WARNING,
            "clock",
            "not synchronised: timestamps of other computers may be off",
            "timedatectl set-ntp true, and wait for timedatectl to show it",
        )


def gpu(m: MachineSnapshot, s: Snapshot) -> Iterator[Finding]:
    """Find an execution provider that is not installed, and an unused GPU."""
    provider = str(s.policy.parameters.get("execution_provider") or "cpu")
    has_gpu_build = "onnxruntime-gpu" in m.packages
    if provider != "cpu" and not m.has_nvidia:
        yield Finding(
            ERROR,
            "GPU",
            f"execution_provider is {provider}, but there is no NVIDIA driver",
            "install the driver, or set execution_provider: cpu in policy.yaml",
        )
    elif provider != "cpu" and not has_gpu_build:
        yield Finding(
            ERROR,
            "GPU",
            f"execution_provider is {provider}, but onnxruntime is the CPU build",
            "pip uninstall onnxruntime, then pip install onnxruntime-gpu",
        )
    if has_gpu_build and "onnxruntime" in m.packages:
        yield Finding(
            ERROR,
            "GPU",
            "onnxruntime and onnxruntime-gpu are installed: they contain the same files",
            "pip uninstall onnxruntime onnxruntime-gpu, then install one of them",
        )


def ros(m: MachineSnapshot, _: Snapshot) -> Iterator[Finding]:
    """Find a ROS 2 distribution, middleware or libraries that are not supported."""
    if m.ros_problem:
        yield Finding(ERROR, "ROS 2", m.ros_problem, "source a supported distribution")
    elif m.ros_distribution and m.ros_distribution not in TESTED:
        yield Finding(
            WARNING,
            "ROS 2",
            f"distribution {m.ros_distribution} was not tested; tested are {listed(TESTED)}",
            "source one of these",
        )
    if m.middleware and m.middleware != MIDDLEWARE:
        yield Finding(
            WARNING,
            "ROS 2",
            f"RMW_IMPLEMENTATION is {m.middleware}: latencies were measured with {MIDDLEWARE}",
            f"export RMW_IMPLEMENTATION={MIDDLEWARE}",
        )
    numpy = m.packages.get("numpy", "")
    if m.ros_distribution in NUMPY_1 and m.launch_is_installed and numpy.startswith("2."):
        yield Finding(
            ERROR,
            "ROS 2",
            f"numpy is {numpy}, but the messages of {m.ros_distribution} are built for 1: images "
            "may fail to convert",
            "pip install 'numpy<2'",
        )
    if not m.domain:
        shared = m.discovery_range != "LOCALHOST"
        yield Finding(
            WARNING if shared else NOTE,
            "ROS 2",
            "ROS_DOMAIN_ID is not set: the stack shares domain 0"
            + (" with the network" if shared else ""),
            "export ROS_DOMAIN_ID=7, a number of your own, in every shell of the robot",
        )


RULES = (realtime, processor, memory, disk, network, clock, gpu, ros)


def evaluate_machine(machine: MachineSnapshot, snapshot: Snapshot) -> list[Finding]:
    """Return the findings about the computer of a stack, errors first."""
    found = [finding for rule in RULES for finding in rule(machine, snapshot)]
    return sorted(found, key=lambda finding: -finding.level)


def _size(count: int) -> str:
    for unit, power in (("GB", 30), ("MB", 20), ("kB", 10)):
        if count >= 1 << power:
            return f"{count / (1 << power):.3g} {unit}"
    return f"{count} bytes"
