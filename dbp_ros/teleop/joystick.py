"""Gamepad of the Linux joystick driver, read with the standard library.

Events have 8 bytes (linux/joystick.h): time in [ms], value, type, number.
"""

import errno
import os
import struct
from pathlib import Path

from dbp_ros.errors import ConfigError, DbpError

EVENT = struct.Struct("<IhBB")
BUTTON, AXIS, INITIAL = 0x01, 0x02, 0x80
LARGEST = 32767.0
READ_BYTES = 64 * EVENT.size


class Joystick:
    """State of a gamepad, with the signs of `sensor_msgs/Joy`: positive to the left and forward.

    Attributes:
        axes: Position of each axis from -1 to 1.
        buttons: 1 for each pressed button.
    """

    def __init__(self, path: str) -> None:
        """Open a device.

        Raises:
            ConfigError: If it is missing or may not be read.
        """
        self.axes: list[float] = []
        self.buttons: list[int] = []
        self._path = path
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError as error:
            found = ", ".join(sorted(map(str, Path("/dev/input").glob("js*")))) or "none"
            raise ConfigError(
                f"there is no gamepad {path}; found: {found}. Connect one; in a container, give "
                "it the device"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read ({error.strerror}): add the user to the group input"
            ) from error

    def poll(self) -> None:
        """Read the events since the last call.

        Raises:
            DbpError: If the gamepad was disconnected.
        """
        while True:
            try:
                data = os.read(self._file, READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                raise DbpError(f"the gamepad {self._path} was disconnected") from error
            if not data:
                return
            for _, value, kind, number in EVENT.iter_unpack(data[: len(data) // 8 * 8]):
                self._apply(value, kind & ~INITIAL, number)

    def close(self) -> None:
        """Close the device."""
        os.close(self._file)

    def _apply(self, value: int, kind: int, number: int) -> None:
        if kind == AXIS:
            self.axes += [0.0] * (number + 1 - len(self.axes))
            self.axes[number] = max(-1.0, -value / LARGEST)
        elif kind == BUTTON:
            self.buttons += [0] * (number + 1 - len(self.buttons))
            self.buttons[number] = int(value != 0)
