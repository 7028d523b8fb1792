"""Services of teleoperation to take over and give back, which call the guard."""

from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.background_spinner import BackgroundSpinner
from dbp_ros.nodes.diagnostics import trigger_callback
from dbp_ros.nodes.service_calls import ServiceCalls

OPERATOR_CONTROL = "guard/operator_control"
RESPONSE_S, DISCOVERY_S = 3.0, 5.0


class ControlServices:
    """Services `~/take_over` and `~/give_back` on a node of their own, which may block.

    Attributes:
        node: That node; its callbacks run one at a time.
    """

    def __init__(self, owner: Node, begin: Callable[[], str], end: Callable[[], str]) -> None:
        """Create the services.

        Args:
            owner: Node of teleoperation, spun by another thread.
            begin: Called after the guard has granted control; returns a message.
            end: Called before control is returned; returns a message.
        """
        self._owner, self._begin, self._end = owner, begin, end
        self._calls = ServiceCalls(owner)
        self._calls.client(SetBool, OPERATOR_CONTROL)
        self.node = Node(
            f"{owner.get_name()}_operator",
            namespace=owner.get_namespace(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        for name in ("take_over", "give_back"):
            service = owner.resolve_service_name(f"~/{name}")
            callback = trigger_callback(partial(self._request, name))
            self.node.create_service(Trigger, service, callback)

    def start(self) -> None:
        """Run the callbacks of the node."""
        self._spinner = BackgroundSpinner("operator", (self.node,))

    def close(self) -> None:
        """End the services."""
        self._spinner.close()

    def run(self, action: str) -> None:
        """Execute `take_over` or `give_back` for a button; log the outcome."""
        try:
            self._owner.get_logger().info(self._request(action))
        except DbpError as error:
            self._owner.get_logger().warning(f"{action} failed: {error}")

    def _request(self, action: str) -> str:
        """Take over or give back; return a message.

        Raises:
            DbpError: If the guard does not respond.
        """
        if action == "take_over":
            self._call(True)
            return self._begin()
        message = self._end()
        self._call(False)
        return message

    def _call(self, operator_control: bool) -> None:
        request = SetBool.Request(data=operator_control)
        self._calls.call(SetBool, OPERATOR_CONTROL, request, RESPONSE_S, DISCOVERY_S)
