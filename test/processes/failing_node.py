"""A node that fails in the way that its argument names, to be run as a process."""

import sys

from rclpy.node import Node
from std_srvs.srv import Trigger

from dbp_ros.nodes.process import run_node
from dbp_ros.runtime.rate_loop import RateThread


class FailingNode(Node):
    """Fails in its constructor, a service, a timer, a loop, or when it is closed."""

    def __init__(self) -> None:
        super().__init__("failing")
        if "constructor" in sys.argv:
            self.fail()
        self.create_service(Trigger, "~/fail", self.fail)
        self.loop = RateThread("loop", 100.0, self.fail if "loop" in sys.argv else lambda _: None)
        self.loop.start()
        if "timer" in sys.argv:
            self.create_timer(0.1, self.fail)
        print("running", flush=True)

    def fail(self, *_: object) -> None:
        raise KeyError("no such\nkey")

    def close(self) -> None:
        print("closed", flush=True)
        self.loop.stop()
        if "close" in sys.argv:
            self.fail()


if __name__ == "__main__":
    sys.exit(run_node(FailingNode))
