"""Browsers of the operator's page that do not draw: they receive all that the page sends.

A browser on this machine would load it by drawing, which is not part of the measurement.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import viser
from viser._messages import ViewerCameraMessage
from websockets.asyncio.client import connect

from benchmarks.browser import ADDRESS
from benchmarks.rate.conditions import BROWSERS_CONNECTED
from dbp_ros.panel.page import CAMERA_POSITION, CAMERA_TARGET

POLL_S = 0.2
CAMERA = ViewerCameraMessage(
    wxyz=(1.0, 0.0, 0.0, 0.0),
    position=CAMERA_POSITION,
    fov=1.3,
    near=0.01,
    far=100.0,
    image_height=720,
    image_width=1180,
    look_at=CAMERA_TARGET,
    up_direction=(0.0, 0.0, 1.0),
)


async def receive(address: str, counts: dict[str, int]) -> None:
    """Connect as a browser does and count what arrives, until the page ends."""
    protocol: Any = f"viser-v{viser.__version__}"
    origin: Any = address
    url, received = address.replace("http", "ws", 1), False
    async with connect(url, subprotocols=[protocol], origin=origin, max_size=None) as connection:
        # A page regards a browser as connected from its first camera on.
        await connection.send(msgspec.msgpack.encode(CAMERA.as_serializable_dict()))
        async for message in connection:
            counts["browsers"] += not received
            received = True
            counts["messages"] += 1
            counts["bytes"] += len(message)


async def run(log: Path, count: int) -> None:
    """Connect some browsers to the page whose address is in a log, until SIGINT or SIGTERM."""
    while not (found := ADDRESS.search(log.read_text() if log.exists() else "")):
        await asyncio.sleep(POLL_S)
    counts, ended = {"browsers": 0, "messages": 0, "bytes": 0}, asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    tasks = [asyncio.create_task(receive(found[1], counts)) for _ in range(count)]
    end = asyncio.create_task(ended.wait())
    while counts["browsers"] < count and not any(task.done() for task in (end, *tasks)):
        await asyncio.sleep(POLL_S)
    if counts["browsers"] == count:
        print(f"{count} {BROWSERS_CONNECTED}", flush=True)
    await asyncio.wait([end, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    print(f"{counts['messages']} messages, {counts['bytes'] / 1e6:.1f} MB", flush=True)
    for task in failed:
        task.result()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
