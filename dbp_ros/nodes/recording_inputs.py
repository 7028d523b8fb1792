"""Requests of an operator to the recorder: services, words on a topic, and buttons."""

from collections.abc import Callable, Mapping
from functools import partial

from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dbp_ros.errors import EpisodeError
from dbp_ros.nodes.diagnostics import trigger_callback
from dbp_ros.nodes.qos import EVENTS, SENSOR
from dbp_ros.nodes.stateful_topic import subscribe_stateful
from dbp_ros.sensing.pressed_buttons import PressedButtons

# Services and their commands, under the names that the learner has for them.
SERVICES = {
    "begin_episode": "begin",
    "end_success": "success",
    "end_failure": "failure",
    "discard_episode": "discard",
    "keep_last": "keep_last",
}


class RecordingInputs:
    """Services and topics that run commands of a recorder.

    Attributes:
        task: Task of the next episodes.
    """

    def __init__(
        self, node: Node, run: Callable[[str], str], task: str, buttons: Mapping[int, str]
    ) -> None:
        """Create the services and the subscriptions.

        Args:
            node: Owner.
            run: Executes a command and returns a sentence.
            task: Task until another one is published.
            buttons: Command of each button; without any, `joy` is not subscribed.
        """
        self.task = task
        self._node, self._run, self._buttons = node, run, buttons
        self._pressed = PressedButtons()
        for service, command in SERVICES.items():
            callback = trigger_callback(partial(run, command))
            node.create_service(Trigger, f"~/{service}", callback)
        node.create_subscription(String, "~/command", self._on_command, EVENTS)
        subscribe_stateful(node, String, "~/task", self._on_task)
        if buttons:
            node.create_subscription(Joy, "joy", self._on_joy, SENSOR)

    def _on_command(self, message: String) -> None:
        self._try_to_run(message.data)

    def _on_task(self, message: String) -> None:
        if message.data != self.task:
            self.task = message.data
            self._node.get_logger().info(f"the task of the next episodes is {self.task!r:.200}")

    def _on_joy(self, message: Joy) -> None:
        for number in self._pressed.update(message.buttons):
            if number in self._buttons:
                self._try_to_run(self._buttons[number])

    def _try_to_run(self, command: str) -> None:
        try:
            self._run(command)
        except EpisodeError as error:
            self._node.get_logger().warning(f"{command!r:.40} is rejected: {error}")
