"""Faults of ros2_control in random order and at random times: each is reported, none jumps."""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import numpy as np
from processes.chunk_publisher import ChunkPublisher
from processes.fake_broadcasters import OtherJointStates
from processes.fake_ros2_control import (
    JOINTS_OF,
    LEFT,
    ONE_BROADCASTER,
    START,
    TRAJECTORY,
)
from processes.rig import Rig, running_rig
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from dbp_ros.nodes.qos import COMMAND_PUBLISHER
from dbp_ros.settings.dual_ur5e import DUAL_UR5E_JOINTS

SEED = 14
# Time between a fault and its end: without transition events the guard needs it to reanchor.
PAUSE_S = 1.2
CONTROLLERS = tuple(JOINTS_OF)
ARMS = np.array(["gripper" not in joint for joint in DUAL_UR5E_JOINTS])
Fault = Callable[[Rig, np.random.Generator, ExitStack], tuple[str, ...]]


def switch_off_and_on(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    name = str(rng.choice(CONTROLLERS))
    rig.robot.deactivate(name)
    time.sleep(rng.uniform(0.0, 0.3))
    rig.robot.activate(name)
    return "disabled by a fault", name


def switch_off_unseen(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    name = str(rng.choice(CONTROLLERS))
    rig.robot.controllers[name].publishes_transitions = False
    rig.robot.deactivate(name)
    return (name,)


def switch_two_off(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    first, second = (str(name) for name in rng.choice(CONTROLLERS, 2, replace=False))
    rig.robot.deactivate(first, second)
    return "disabled by a fault", first, second


def unload_and_load(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    name = str(rng.choice(CONTROLLERS))
    rig.robot.unload(name)
    time.sleep(rng.uniform(0.0, 0.3))
    rig.robot.load(name, JOINTS_OF[name])
    rig.robot.activate(name)
    return "disabled by a fault", name


def load_reordered(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.robot.unload(LEFT)
    rig.robot.load(LEFT, [str(joint) for joint in rng.permutation(JOINTS_OF[LEFT])])
    rig.robot.activate(LEFT)
    return "disabled by a fault", LEFT


def load_another_size(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.robot.unload(LEFT)
    rig.robot.load(LEFT, JOINTS_OF[LEFT][: rng.integers(1, 6)])
    rig.robot.activate(LEFT)
    return "disabled by a fault", LEFT


def restart_the_manager(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.robot.shut_down(killed=bool(rng.integers(2)))
    time.sleep(rng.uniform(0.4, 1.2))
    rig.robot.restart(START + rng.uniform(-0.4, 0.4, 14) * ARMS)
    return ("disabled by a fault",)


def move_with_another_controller(
    rig: Rig, rng: np.random.Generator, _: ExitStack
) -> tuple[str, ...]:
    rig.robot.switch(activate=[TRAJECTORY], deactivate=[LEFT])
    rig.robot.controllers[TRAJECTORY].target += rng.uniform(-0.3, 0.3, 6)
    time.sleep(rng.uniform(0.1, 0.6))
    rig.robot.switch(activate=[LEFT], deactivate=[TRAJECTORY])
    return "disabled by a fault", LEFT


def lose_joint_states(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.robot.deactivate(*ONE_BROADCASTER)
    time.sleep(rng.uniform(0.15, 1.3))
    rig.robot.activate(*ONE_BROADCASTER)
    return ("joint states",)


def stop_following(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.robot.hardware.follows = False
    rig.drive_away()
    return ("stopped",)


def command_as_well(rig: Rig, rng: np.random.Generator, stack: ExitStack) -> tuple[str, ...]:
    name = str(rng.choice(CONTROLLERS))
    node = Node("forgotten_guard", enable_rosout=False, start_parameter_services=False)
    stack.callback(node.destroy_node)
    node.create_publisher(Float64MultiArray, f"/{name}/commands", COMMAND_PUBLISHER)
    return "stopped", name


def publish_joints_as_well(rig: Rig, rng: np.random.Generator, stack: ExitStack) -> tuple[str, ...]:
    rate_hz, age_s = float(rng.choice([20.0, 500.0])), float(rng.choice([0.0, 10.0]))
    other = OtherJointStates("stale_simulator", DUAL_UR5E_JOINTS, rate_hz, age_s)
    stack.enter_context(closing(other))
    return "stopped", "joint_states"


def decide_as_well(rig: Rig, rng: np.random.Generator, stack: ExitStack) -> tuple[str, ...]:
    policy = ChunkPublisher(START + 0.3, "forgotten_policy")
    stack.enter_context(closing(policy))
    policy.start()
    return "stopped", "action_chunk"


def send_degrees(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.policy.factor = 180.0 / np.pi
    return ("degrees",)


def stop(rig: Rig, rng: np.random.Generator, _: ExitStack) -> tuple[str, ...]:
    rig.guard.stop()
    return "stopped", "e-stop"


FAULTS: tuple[Fault, ...] = (
    switch_off_and_on,
    switch_off_unseen,
    switch_two_off,
    unload_and_load,
    load_reordered,
    load_another_size,
    restart_the_manager,
    move_with_another_controller,
    lose_joint_states,
    stop_following,
    command_as_well,
    publish_joints_as_well,
    decide_as_well,
    send_degrees,
    stop,
)


def test_random_faults_are_reported_and_no_joint_jumps(domain: int) -> None:
    rng = np.random.default_rng(SEED)
    with running_rig() as rig:
        for index in rng.permutation(len(FAULTS)):
            rig.track()
            first = len(rig.guard.sentences)
            time.sleep(rng.uniform(0.0, 0.1))
            with ExitStack() as stack:
                words = FAULTS[index](rig, rng, stack)
                print(f"{FAULTS[index].__name__}: {words}")
                rig.guard.wait_for(*words, since=first)
                time.sleep(PAUSE_S)
                rig.wait_for_rest()
            rig.policy.reset(START)
            rig.robot.repair()
        rig.assert_no_jump()
        print(f"largest step: {rig.robot.largest_step(rig.first_cycle)}")
