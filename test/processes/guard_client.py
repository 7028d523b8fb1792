"""Client of the guard: services, and all messages on its `~/state`."""

import json
import time
from typing import Any

from processes.fake_robot import wait_until
from rclpy.client import Client
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from dbp_ros.nodes.qos import LATCHED

DISABLED_BY_FAULT = "control was disabled by a fault"


class GuardClient(Node):
    """Calls the guard's services and records its state.

    Attributes:
        sentences: Steady time in [ns] and text of each message on `guard/state`.
    """

    def __init__(self) -> None:
        super().__init__("operator", enable_rosout=False)
        self.sentences: list[tuple[int, str]] = []
        self._guard_clients: dict[str, Client] = {}
        self.create_subscription(String, "guard/state", self._record, LATCHED)

    def _record(self, message: String) -> None:
        self.sentences.append((time.monotonic_ns(), message.data))

    @property
    def state(self) -> str:
        """Newest state; empty before the first."""
        return self.sentences[-1][1] if self.sentences else ""

    def enable(self) -> tuple[bool, str]:
        return self._call("guard/enable_control", True)

    def disable(self) -> tuple[bool, str]:
        return self._call("guard/enable_control", False)

    def reset(self) -> tuple[bool, str]:
        return self._call("guard/reset")

    def stop(self) -> tuple[bool, str]:
        return self._call("guard/emergency_stop")

    def statistics(self) -> dict[str, Any]:
        """Return the statistics of the guard."""
        return json.loads(self._call("guard/statistics")[1])

    def _call(self, service: str, data: bool | None = None) -> tuple[bool, str]:
        kind = Trigger if data is None else SetBool
        if service not in self._guard_clients:
            self._guard_clients[service] = self.create_client(kind, service)
        client = self._guard_clients[service]
        assert client.wait_for_service(timeout_sec=20.0), f"no node offers {service}"
        future = client.call_async(kind.Request() if data is None else kind.Request(data=data))
        wait_until(future.done, f"the response of {service}")
        return future.result().success, future.result().message

    def seen(self, *words: str, since: int = 0) -> bool:
        """Whether a state from an index on has all words."""
        return any(all(w in text for w in words) for _, text in self.sentences[since:])

    def wait_for(self, *words: str, since: int | None = None, limit_s: float = 5.0) -> None:
        """Wait for a state with all words: the present one, or any from an index on."""
        first = len(self.sentences) - 1 if since is None else since
        wait_until(
            lambda: self.seen(*words, since=max(0, first)),
            f"the guard's state to have {words}",
            lambda: str([text for _, text in self.sentences[-8:]]),
            limit_s,
        )

    def engage(self, limit_s: float = 10.0) -> None:
        """Enable control until it is granted, and reset a latched stop."""
        deadline = time.monotonic() + limit_s
        while True:
            granted, why = self.enable()
            if granted:
                return
            if "latched" in why:
                self.reset()
            assert time.monotonic() < deadline, f"enabling is refused: {why}; state {self.state}"
            time.sleep(0.05)
