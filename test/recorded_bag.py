"""Bags in memory, as recorded by a robot with an exploring policy."""

from types import SimpleNamespace

import numpy as np

from dbp_ros.data.bags.bag import Bag, EpisodeEnd
from dbp_ros.errors import ObservationError
from dbp_ros.policy.exploring_runner import ExploringRunner
from dbp_ros.sensing.joint_states import JointReadings, JointStateMerger
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import NS_PER_S, Frame

START_NS = 1_700_000_000 * NS_PER_S
TICK_NS = 8_000_000
CAMERA_TICKS = 4
DRIVER_NS = 1_000_000


def header(stamp_ns):
    return SimpleNamespace(
        stamp=SimpleNamespace(sec=stamp_ns // NS_PER_S, nanosec=stamp_ns % NS_PER_S)
    )


def image_message(image, stamp_ns):
    height, width, _ = image.shape
    return SimpleNamespace(
        header=header(stamp_ns),
        height=height,
        width=width,
        encoding="rgb8",
        step=3 * width,
        data=image.tobytes(),
    )


def joint_state(joints, positions, stamp_ns):
    return SimpleNamespace(header=header(stamp_ns), name=list(joints), position=list(positions))


def record_bag(model, ticks, size, end=None, without_joint_states=(), drivers=1, **config):
    """Run a model with exploration for some ticks of 8 ms, and return the bag.

    The joints follow the last chunk. There are no joint states in the ticks of
    `without_joint_states`. Each of several drivers publishes a part of the joints, 1 ms after the
    previous driver.
    """
    explorer = ExploringRunner(model, PolicyConfig(explore=True, latent_seed=0, **config))
    manifest, rng = model.manifest, np.random.default_rng(0)
    messages = {"joint_states": [], "decision": []}
    positions = np.zeros(len(manifest.joints))
    merger, parts = JointStateMerger(manifest.joints), np.arange(len(positions)) * drivers
    parts //= len(positions)
    for tick in range(ticks):
        now_ns = START_NS + tick * TICK_NS
        if tick not in without_joint_states:
            for driver in range(drivers):
                (columns,) = np.nonzero(parts == driver)
                stamp_ns = now_ns - (drivers - 1 - driver) * DRIVER_NS
                names = [manifest.joints[k] for k in columns]
                messages["joint_states"].append(
                    (now_ns, joint_state(names, positions[columns], stamp_ns))
                )
                if merged := merger.add(
                    JointReadings(columns, positions[columns], stamp_ns), now_ns
                ):
                    explorer.add_joint_state(
                        merged.positions.astype(np.float32), merged.stamp_ns, now_ns
                    )
        for camera in manifest.camera_names if tick % CAMERA_TICKS == 0 else ():
            image = rng.integers(0, 256, (*size, 3), np.uint8)
            explorer.add_image(camera, Frame(image, now_ns), now_ns)
            messages.setdefault(f"image.{camera}", []).append(
                (now_ns, image_message(image, now_ns))
            )
        try:
            chunk = explorer.step(now_ns)
        except ObservationError:
            continue
        positions = 0.9 * positions + 0.1 * chunk.positions[0]
        if decision := explorer.execution.take_last_decision():
            messages["decision"].append((now_ns, SimpleNamespace(data=decision.to_json())))
    metadata = {
        "task": "toy",
        "joints": list(manifest.joints),
        "cameras": list(manifest.camera_names),
        "step_s": manifest.action.step_s,
    }
    last_ns = START_NS + (ticks - 1) * TICK_NS
    return Bag(metadata, messages, end or EpisodeEnd("success", "success", last_ns))
