"""Client of the operator's page that sends the messages of a browser, without a browser."""

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec.msgpack
import viser
import zstandard
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

LIMIT_S = 30.0
CAMERA: dict[str, Any] = {
    "type": "ViewerCameraMessage",
    "wxyz": [1.0, 0.0, 0.0, 0.0],
    "position": [1.0, 0.0, 0.0],
    "fov": 1.0,
    "near": 0.1,
    "far": 100.0,
    "image_height": 100,
    "image_width": 100,
    "look_at": [0.0, 0.0, 0.0],
    "up_direction": [0.0, 0.0, 1.0],
}


class RawBrowser:
    """A connected browser and the elements that the page has sent to it."""

    def __init__(self, port: int, **options: Any) -> None:
        """Connect; `options` are those of `websockets`, such as `origin`."""
        self.messages: list[dict[str, Any]] = []
        options = {"origin": f"http://127.0.0.1:{port}", **options}
        self._socket = connect(
            f"ws://127.0.0.1:{port}", subprotocols=[f"viser-v{viser.__version__}"], **options
        )
        threading.Thread(target=self._receive, daemon=True).start()
        self._send(CAMERA)

    def click(self, label: str) -> None:
        """Click a button."""
        self._send_update(self._uuid("GuiButtonMessage", label), True)

    def move(self, label: str, value: float) -> None:
        """Move a slider."""
        self.change("Slider", label, value)

    def change(self, kind: str, label: str, value: Any) -> None:
        """Change the value of an element, such as a `Checkbox`."""
        self._send_update(self._uuid(f"Gui{kind}Message", label), value)

    def press(self, key: str) -> None:
        """Press a key without modifiers."""
        message = self.wait_for(
            lambda m: (
                m["type"] == "RegisterCommandMessage"
                and m["props"]["hotkey"] == key
                and m["props"]["modifier"] is None
            )
        )
        self._send({"type": "CommandTriggerMessage", "uuid": message["uuid"]})

    def drag(self, name: str, position: list[float]) -> None:
        """Drag a gizmo."""
        shown = self.wait_for(
            lambda m: m["type"] == "TransformControlsMessage" and m["name"] == name
        )
        pose = {"wxyz": [1.0, 0.0, 0.0, 0.0], "position": position}
        message = {"type": "TransformControlsUpdateMessage", "name": name, **pose}
        self._send({**message, "owner": shown["owner"]})

    def wait_for(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the newest message that matches."""
        deadline, checked = time.monotonic() + LIMIT_S, 0
        while time.monotonic() < deadline:
            end = len(self.messages)
            for message in reversed(self.messages[checked:end]):
                if matches(message):
                    return message
            checked = end
            time.sleep(0.02)
        raise AssertionError(f"no such message among {len(self.messages)}")

    def wait_for_text(self, text: str) -> None:
        """Wait until a message contains a text."""
        self.wait_for(lambda message: text in str(message))

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()

    def _uuid(self, kind: str, label: str) -> str:
        message = self.wait_for(lambda m: m["type"] == kind and m["props"]["label"] == label)
        return str(message["uuid"])

    def _send_update(self, uuid: str, value: Any) -> None:
        self._send({"type": "GuiUpdateMessage", "uuid": uuid, "updates": {"value": value}})

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(msgspec.msgpack.encode(message))

    def _receive(self) -> None:
        try:
            for data in self._socket:
                size = int.from_bytes(data[8:16], "little")
                inner = zstandard.ZstdDecompressor().decompress(data[16 : 16 + size])
                self.messages += msgspec.msgpack.decode(inner)["messages"]
        except ConnectionClosed:
            return
