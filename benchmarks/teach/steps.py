"""Steps of the path of teaching, by the buttons of the page."""

import time
from collections.abc import Callable

from benchmarks.teach.person import Person, Scene
from dbp_ros.errors import DbpError
from dbp_ros.panel.teach_tab import TeachTab
from dbp_ros.teach.jobs import JobStatus

ARM = "left"
JOB_LIMIT_S = 3600.0
POLL_S = 0.2
PRESSES, PRESS_LIMIT_S = 3, 10.0
MAX_ATTEMPTS = 2


def record(tab: TeachTab, person: Person, count: int, task: str, log: Callable[[str], None]) -> int:
    """Record demonstrations; return how many attempts it took.

    Raises:
        DbpError: If too many fail.
    """
    scene, successes, attempts = Scene(task, ARM), 0, 0
    log(person.request("take_over"))
    while successes < count:
        attempts += 1
        if attempts > MAX_ATTEMPTS * count:
            raise DbpError(f"{successes} of {attempts - 1} demonstrations succeed: see stack.log")
        log(tab.press("New scene"))
        log(press_until(tab, "Begin", person.is_recording))
        solved = person.demonstrate(scene, ARM)
        label = "Success" if solved else "Discard"
        log(press_until(tab, label, lambda: not person.is_recording()))
        successes += solved
    person.wait_for(lambda: len(tab.session.review.episodes()) >= count, "the bags on the disk")
    log(person.request("give_back"))
    return attempts


def press_until(tab: TeachTab, label: str, condition: Callable[[], bool]) -> str:
    """Press a button until a condition holds, as its response may be lost on a busy machine.

    Raises:
        DbpError: If it does not hold after some attempts.
    """
    for _ in range(PRESSES):
        sentence = tab.press(label)
        deadline = time.monotonic() + PRESS_LIMIT_S
        while time.monotonic() < deadline:
            if condition():
                return sentence
            time.sleep(POLL_S)
    raise DbpError(f"{label} has no effect: {sentence}")


def review(tab: TeachTab) -> None:
    """Look at the first and the last moment of each episode, and label, delete and restore one."""
    tab.refresh()
    entries = tab.session.review.episodes()
    for entry in entries:
        tab.review.choose(entry.number)
        for time_s in (0.0, entry.duration_s):
            tab.review.show_at(time_s)
    for label in ("Label failure", "Undo", "Delete", "Restore"):
        tab.press(label)


def press_and_wait(tab: TeachTab, label: str, log: Callable[[str], None]) -> JobStatus:
    """Press the button of a job and wait for its end.

    Raises:
        DbpError: If it fails.
    """
    log(tab.press(label))
    deadline = time.monotonic() + JOB_LIMIT_S
    while (status := tab.session.poll(time.monotonic_ns())) and status.outcome == "running":
        if time.monotonic() > deadline:
            raise DbpError(f"{label} took more than {JOB_LIMIT_S:g} s: {status.message}")
        tab.refresh()
        time.sleep(POLL_S)
    if status is None or status.outcome != "done":
        raise DbpError(f"{label} failed: {status.message if status else tab.message}")
    log(f"{label}: {status.message}")
    return status


def watch(tab: TeachTab, person: Person, episodes: int, log: Callable[[str], None]) -> int:
    """Deploy the model and watch the policy; return the number of solved episodes."""
    log(tab.press("Deploy"))
    person.wait_for(lambda: "deciding" in person.states.get("policy", ""), "the policy to start")
    solved = 0
    for _ in range(episodes):
        tab.press("New scene")
        success = person.watch()
        solved += success
        log(f"the policy {'solves' if success else 'does not solve'} the task")
    return solved
