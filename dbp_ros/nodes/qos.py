"""Qualities of service, by what a topic carries."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from dbp_ros.hotswap.transfer.messages import WINDOW

# What is only worth having when it is new; takes from reliable and best-effort publishers alike.
SENSOR = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# Several drivers may publish joint states; a queue of one would keep only that of the last.
JOINT_STATES = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=16, reliability=ReliabilityPolicy.BEST_EFFORT
)
COMMAND = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE
)
# What publishes commands keeps some, so that whoever records them with a long queue gets them all.
COMMAND_SOURCE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.RELIABLE
)
# Decisions to learn from: each one counts, and a late one too.
EVERY = QoSProfile(
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
