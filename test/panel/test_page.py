"""Buttons, keys, control of the page and snapshots, over the messages of browsers."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from panel.conftest import PageRig, StallingConnection

from dbp_ros.diagnosis.findings import ERROR, Finding
from dbp_ros.diagnosis.snapshot import NodeStatus
from dbp_ros.panel.object_scene import SceneObject
from dbp_ros.panel.snapshot import CameraImage, PanelSnapshot
from dbp_ros.settings.dual_ur5e import DUAL_UR5E

HOME = np.array(DUAL_UR5E.home_positions)
STOP = "EMERGENCY STOP (space bar)"


def show(rig: PageRig, **changes) -> None:
    rig.page.update(PanelSnapshot(**changes), time.monotonic())


def test_the_first_browser_has_control_and_its_buttons_act(rig: PageRig) -> None:
    browser = rig.open()
    browser.wait_for_text("you, browser")
    for label, action in (
        ("Enable", "enable"),
        ("Hold", "hold"),
        ("Begin episode", "begin_episode"),
    ):
        browser.click(label)
        rig.wait_for_call("request", action)
        browser.wait_for_text("request is done")


def test_keys_act_like_buttons(rig: PageRig) -> None:
    browser = rig.open()
    for key, action in (("S", "end_success"), ("F", "end_failure"), ("K", "keep_last")):
        browser.press(key)
        rig.wait_for_call("request", action)
        rig.wait(lambda: not rig.page._actions._running)


def test_a_second_browser_watches_until_it_takes_control(rig: PageRig) -> None:
    first, second = rig.open(), rig.open()
    second.wait_for_text("has control, you watch")
    second.click("Enable")
    second.wait_for_text("not done: browser")
    assert rig.link.calls == []
    second.click("Take control of the page")
    first.wait_for_text("has control, you watch")
    second.click("Enable")
    rig.wait_for_call("request", "enable")


def test_a_browser_that_watches_can_stop_the_arms(rig: PageRig) -> None:
    _, second = rig.open(), rig.open()
    second.press("space")
    rig.wait_for_call("emergency_stop")
    rig.link.calls.clear()
    second.click(STOP)
    rig.wait_for_call("emergency_stop")


def test_the_space_bar_does_not_also_press_the_button_that_has_the_focus(rig: PageRig) -> None:
    browser = rig.open()
    browser.press("space")
    rig.wait_for_call("emergency_stop")
    browser.click("Reset")
    browser.wait_for_text("the emergency stop was just pressed")
    assert ("request", "reset") not in rig.link.calls
    rig.clock.now_s += 2.0
    browser.click("Reset")
    rig.wait_for_call("request", "reset")


def test_control_does_not_pass_on_when_its_browser_leaves(rig: PageRig) -> None:
    first, second = rig.open(), rig.open()
    first.close()
    second.wait_for_text("no browser has control")
    second.click("Enable")
    second.wait_for_text("not done: no browser has control")
    assert rig.link.calls == []


def test_only_the_browser_with_control_sets_the_speed(rig: PageRig) -> None:
    first, second = rig.open(), rig.open()
    second.move("speed", 0.3)
    second.wait_for_text("Not done")
    first.move("speed", 0.5)
    rig.wait_for_call("set_speed_scaling", 0.5)
    assert ("set_speed_scaling", 0.3) not in rig.link.calls


def test_the_slider_shows_the_speed_that_another_node_has_set(rig: PageRig) -> None:
    browser = rig.open()

    # After the moves of the slider by other tests.
    start_s = time.monotonic() + 60.0

    def report(speed: float, after_s: float) -> None:
        guard = NodeStatus("guard", copies=1, values={"speed_scaling": str(speed)})
        rig.page.update(PanelSnapshot(nodes={"guard": guard}), start_s + after_s)

    def shows(message: dict[str, Any], speed: float) -> bool:
        return message["type"] == "GuiUpdateMessage" and message["updates"] == {"value": speed}

    report(0.2, 0.0)
    report(0.2, 10.0)
    browser.wait_for(lambda message: shows(message, 0.2))
    browser.move("speed", 0.5)
    rig.wait_for_call("set_speed_scaling", 0.5)
    # Made before the guard has received the new speed.
    report(0.25, 20.0)
    report(0.3, 60.0)
    browser.wait_for(lambda message: shows(message, 0.3))
    assert not any(shows(message, 0.25) for message in browser.messages)


def test_hands_are_driven_by_drags_and_the_heartbeat_ends_with_the_browser(rig: PageRig) -> None:
    browser = rig.open()
    browser.click("Take over")
    rig.wait_for_call("request", "take_over")
    rig.wait(lambda: rig.page.control.driver is not None)
    show(rig, positions=HOME)
    browser.drag("/drive/left", [0.1, 0.2, 0.3])
    rig.wait(lambda: any(call[0] == "send_hand_target" for call in rig.link.calls))
    _, arm, position, _ = next(c for c in rig.link.calls if c[0] == "send_hand_target")
    assert arm == "left"
    np.testing.assert_allclose(position, [0.1, 0.2, 0.3])
    browser.move("right gripper", 0.25)
    rig.wait_for_call("send_gripper", "right", 0.25)
    rig.wait_for_call("send_alive", "left")
    browser.close()
    rig.wait(lambda: rig.page.control.driver is None)
    rig.link.calls.clear()
    show(rig, positions=HOME)
    assert not rig.page.control.is_driving(time.monotonic())


def test_late_drags_of_a_lost_connection_have_no_effect(rig: PageRig) -> None:
    connection = StallingConnection(rig.port)
    browser = rig.open(sock=connection.socket, unix=True)
    browser.click("Take over")
    rig.wait(lambda: rig.page.control.driver is not None)
    show(rig, positions=HOME)
    browser.wait_for_text("/drive/left")
    connection.flows.clear()
    browser.drag("/drive/left", [0.1, 0.2, 0.3])
    rig.wait(lambda: rig.page.control.driver is None)
    connection.flows.set()
    browser.wait_for_text("take over to drive again")
    browser.click("Give back")
    rig.wait_for_call("request", "give_back")
    assert not any(call[0] == "send_hand_target" for call in rig.link.calls)


@pytest.mark.parametrize("key", ["space", "H"])
def test_a_stop_and_a_hold_end_driving(rig: PageRig, key: str) -> None:
    browser = rig.open()
    browser.click("Take over")
    rig.wait(lambda: rig.page.control.driver is not None)
    browser.press(key)
    rig.wait(lambda: rig.page.control.driver is None)


def test_a_browser_shows_one_report_of_a_stop_which_a_failure_replaces(rig: PageRig) -> None:
    browser = rig.open()
    for _ in range(3):
        browser.press("space")
    rig.wait(lambda: rig.link.calls.count(("emergency_stop",)) == 3)
    report = rig.link.reports[0]
    report("stopped: first")
    report("stopped: repeated")
    browser.wait_for_text("stopped: first")
    report("NOT STOPPED: no guard")
    browser.wait_for_text("NOT STOPPED: no guard")
    browser.wait_for(lambda m: m["type"] == "RemoveNotificationMessage")
    assert "stopped: repeated" not in str(browser.messages)
    rig.clock.now_s += 1.0
    report("stopped: again")
    browser.wait_for_text("stopped: again")


def test_a_watching_browser_cannot_drag_the_hands(rig: PageRig) -> None:
    first, second = rig.open(), rig.open()
    first.click("Take over")
    rig.wait(lambda: rig.page.control.driver is not None)
    show(rig, positions=HOME)
    first.wait_for_text("/drive/left")
    second.move("right gripper", 0.77)
    assert "/drive/left" not in str(second.messages)
    first.move("right gripper", 0.33)
    rig.wait_for_call("send_gripper", "right", 0.33)
    assert ("send_gripper", "right", 0.77) not in rig.link.calls


def test_a_snapshot_is_shown_with_remedies_and_without_its_markup(rig: PageRig) -> None:
    browser = rig.open()
    node = NodeStatus("guard", 1, 2, "stopped: e-stop", values={"limited_commands": "3"})
    show(
        rig,
        positions=HOME + 0.1,
        chunk=HOME + np.linspace(0.0, 0.2, 8)[:, None],
        images={"head_camera": CameraImage(1, np.zeros((48, 64, 3), np.uint8))},
        nodes={"guard": node},
        findings=(Finding(ERROR, "guard", "<script>alert(1)</script>", "dbp reset"),),
        states={"guard": "stopped: e-stop"},
        swap={"name": "lift", "version": 3, "phase": "shadowing", "candidate": "abc"},
    )
    browser.wait_for_text("remove the cause, then press Reset, then Enable")
    browser.wait_for_text("do: dbp reset")
    browser.wait_for_text("lift version 3")
    browser.wait_for_text("&lt;script&gt;")
    assert "<script>" not in str(browser.messages)
    browser.wait_for(lambda m: m["type"] == "LineSegmentsMessage" and m["name"] == "/chunk/left")
    browser.wait_for(lambda m: "_data" in str(m.get("updates", "")))


def test_objects_appear_move_and_are_replaced(rig: PageRig) -> None:
    browser = rig.open()
    cube = SceneObject("box", (0.04, 0.04, 0.04), (200, 40, 40), (0.1, 0.0, 0.02), (1, 0, 0, 0))
    show(rig, objects=(cube,))
    browser.wait_for(lambda m: m["type"] == "BoxMessage" and m["name"] == "/objects/0")
    show(rig, objects=(replace(cube, position=(0.1, 0.0, 0.3)),))
    browser.wait_for(
        lambda m: (
            m["type"] == "SetPositionMessage"
            and m["name"] == "/objects/0"
            and m["position"][2] == 0.3
        )
    )
    show(rig, objects=(replace(cube, kind="cylinder"),))
    browser.wait_for(lambda m: m["type"] == "CylinderMessage" and m["name"] == "/objects/0")
    show(rig)
    browser.wait_for(lambda m: m["type"] == "RemoveSceneNodeMessage")


def test_the_ghost_is_shown_on_request(rig: PageRig) -> None:
    browser = rig.open()
    rig.page.ghost.show(HOME)
    browser.wait_for(
        lambda m: (
            m["type"] == "SetSceneNodeVisibilityMessage" and m["name"] == "/ghost" and m["visible"]
        )
    )
    rig.page.ghost.show(None)
