"""QoS profiles by kind of topic."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from dbp_ros.hotswap.transfer.messages import WINDOW

# Only the newest message counts; matches reliable and best-effort publishers.
SENSOR = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Several drivers may publish joint states between two polls.
JOINT_STATES = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=16, reliability=ReliabilityPolicy.BEST_EFFORT
)
COMMAND = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE
)
# Publishers of commands have a queue, so that a recorder with a queue receives all commands.
COMMAND_PUBLISHER = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.RELIABLE
)
# Depth for recording every message; matches reliable and best-effort publishers.
RECORDED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Every message counts, even a late one.
EVENTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=50, reliability=ReliabilityPolicy.RELIABLE
)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# Chunks of a model bundle: the queue holds two requested windows.
MODEL_CHUNKS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=2 * WINDOW, reliability=ReliabilityPolicy.RELIABLE
)
