"""A node that fails ends: it closes what it holds, names the cause once, and exits with 1."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from std_srvs.srv import Trigger

from dbp_ros.errors import DbpError
from dbp_ros.nodes.process import spinning

FAILING = Path(__file__).with_name("failing_node.py")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, FAILING, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("where", ["timer", "loop"])
def test_an_uncaught_exception_in_a_callback_or_loop_ends_the_process_with_its_cause(
    domain: int, where: str
) -> None:
    result = run(where)
    assert result.returncode == 1
    assert result.stdout == "running\nclosed\n"
    (line,) = [line for line in result.stderr.splitlines() if "failing failed and ends" in line]
    assert "KeyError: 'no such\\nkey' (in __main__.fail, line " in line


def test_an_error_on_shutdown_does_not_hide_the_first_one(domain: int) -> None:
    result = run("timer", "close")
    assert result.returncode == 1
    assert result.stderr.count("failing failed and ends: KeyError") == 2


def test_an_exception_in_a_constructor_ends_the_process_with_one_sentence(domain: int) -> None:
    result = run("constructor")
    assert result.returncode == 1
    assert result.stderr.startswith("error: KeyError: ")
    assert "Traceback" not in result.stderr


@pytest.fixture
def child(domain: int) -> Iterator["subprocess.Popen[str]"]:
    """The node, which does not fail by itself."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, FAILING], stdout=pipe, stderr=pipe, text=True
    ) as running:
        assert running.stdout.readline() == "running\n"
        yield running
        running.kill()


def test_a_node_ended_by_a_signal_exits_with_0(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    assert child.communicate(timeout=10)[0] == "closed\n"
    assert child.returncode == 0


def test_a_message_that_rclpy_cannot_decode_is_ignored(
    child: "subprocess.Popen[str]",
) -> None:
    with spinning(lambda: Node("other")) as other:
        client = other.create_client(SetParameters, "failing/set_parameters")
        assert client.wait_for_service(timeout_sec=20.0)
        unknown = Parameter(name="rate", value=ParameterValue(type=77))
        for _ in range(3):
            client.call_async(SetParameters.Request(parameters=[unknown]))
        fail = other.create_client(Trigger, "failing/fail")
        assert fail.wait_for_service(timeout_sec=20.0)
        fail.call_async(Trigger.Request())
        errors = child.communicate(timeout=10)[1]
    assert child.returncode == 1
    assert errors.count("a malformed message or request is ignored: ValueError: 77") == 1
    assert errors.count("failing failed and ends: KeyError") == 1


def fail_in_a_callback() -> None:
    with spinning(lambda: Node("tool")) as tool:
        failed = threading.Event()
        tool.create_timer(0.01, lambda: failed.set() or 1 // 0)
        assert failed.wait(10.0)


def test_a_failed_callback_in_a_tool_is_raised_at_its_end(domain: int) -> None:
    with pytest.raises(DbpError, match="a callback of tool failed: ZeroDivisionError"):
        fail_in_a_callback()
