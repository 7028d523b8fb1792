"""The stack as a list, and as processes that start, speak, die and end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from dbp_ros.cli.main import main
from dbp_ros.errors import ConfigError
from dbp_ros.runtime.ros_domain import DOMAINS, lease_domain
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.stack.processes import StackConfig, parse_arguments, processes

FOREVER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)"
DIES = "print('up'); raise SystemExit(3)"
SUPERVISE = """
import os, sys
from dbp_ros.runtime.supervisor import Supervisor
scripts = dict(argument.split("=", 1) for argument in sys.argv[1:])
commands = {name: [sys.executable, "-c", script] for name, script in scripts.items()}
sys.exit(Supervisor(commands, os.environ, "guard").run())
"""


def test_the_simulator_is_started_only_where_it_is_asked_for() -> None:
    assert [p.name for p in processes(StackConfig(sim=True))] == ["simulation", "guard", "policy"]
    assert [p.name for p in processes(StackConfig())] == ["guard", "policy"]


def test_the_learner_is_started_with_a_policy_that_explores_only_where_it_is_asked_for() -> None:
    plain, learning = (
        {p.name: p for p in processes(config)}
        for config in (StackConfig(), StackConfig(learner=True, checkpoint="runs/can", task="can"))
    )
    assert "learner" not in plain
    assert plain["policy"].parameters == {"model": PolicyConfig.model}
    assert learning["policy"].parameters == {
        "model": PolicyConfig.model,
        "explore": True,
        "max_limited_increase": 1.0,
    }
    assert learning["learner"].parameters == {
        "model": PolicyConfig.model,
        "checkpoint": "runs/can",
        "task": "can",
    }


def test_a_learner_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="checkpoint is empty"):
        StackConfig(learner=True)


def test_control_is_off_until_it_is_asked_for() -> None:
    guard = {p.name: p for p in processes(StackConfig())}["guard"]
    assert guard.parameters == {"enable_control": False}


def test_a_command_line_quotes_strings_and_names_the_namespace() -> None:
    policy = processes(StackConfig(model="0123", namespace="cell/left"))[-1]
    command = policy.command("cell/left")
    assert command[-4:] == ["-p", 'model:="0123"', "-r", "__ns:=/cell/left"]
    assert "-r" not in policy.command("")


@pytest.mark.parametrize("namespace", ["3cell", "a//b", "a-b", "a/", "ä"])
def test_a_namespace_that_ros_would_refuse_is_refused_at_once(namespace: str) -> None:
    with pytest.raises(ConfigError, match="namespace is"):
        StackConfig(namespace=namespace)


def test_launch_arguments_are_read_as_what_they_mean() -> None:
    values = {"sim": "False", "enable_control": "true", "model": "can", "namespace": "cell"}
    assert parse_arguments(values) == StackConfig(
        model="can", sim=False, enable_control=True, namespace="cell"
    )


def test_a_faster_world_is_everybody_s_and_puts_them_on_its_clock() -> None:
    config = parse_arguments(
        {"sim": "true", "real_time_factor": "2.5", "learner": "true", "checkpoint": "runs/can"}
    )
    told = {process.name: process.parameters for process in processes(config)}
    assert [told[name].get("real_time_factor") for name in ("simulation", "guard", "policy")] == [
        2.5
    ] * 3
    assert [told[n]["use_sim_time"] for n in ("guard", "policy", "learner")] == [True] * 3
    assert "use_sim_time" not in told["simulation"]
    for process in processes(StackConfig()):
        assert not {"real_time_factor", "use_sim_time"} & set(process.parameters)


def test_a_simulator_of_the_user_may_be_slower_than_real_time() -> None:
    config = parse_arguments({"real_time_factor": "0.25"})
    assert {process.name: process.parameters for process in processes(config)} == {
        "guard": {"enable_control": False, "use_sim_time": True, "real_time_factor": 0.25},
        "policy": {"model": PolicyConfig.model, "use_sim_time": True, "real_time_factor": 0.25},
    }


def test_a_clock_of_the_user_may_be_followed_at_real_time() -> None:
    given = {p.name: p.parameters for p in processes(StackConfig(use_sim_time=True, sim=True))}
    assert [given[name].get("use_sim_time") for name in ("guard", "policy")] == [True] * 2
    assert given["simulation"] == {"task": "lift", "publish_clock": True}
    assert all("real_time_factor" not in parameters for parameters in given.values())


@pytest.mark.parametrize("factor", ["0", "-1", "nan", "inf", "0.04", "51"])
def test_a_real_time_factor_out_of_range_is_refused(factor: str) -> None:
    with pytest.raises(ConfigError, match=r"real_time_factor = .*, expected from 0\.05 to 50\.0"):
        parse_arguments({"real_time_factor": factor})


def test_a_real_time_factor_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="real_time_factor is 'fast', expected a number"):
        parse_arguments({"real_time_factor": "fast"})


def test_a_task_of_the_simulated_cell_is_one_that_it_has() -> None:
    with pytest.raises(ConfigError, match="task is 'nope', expected one of reach, lift"):
        StackConfig(sim=True, task="nope")
    assert StackConfig(task="fold a towel").task == "fold a towel"


def test_a_folder_without_parameter_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        processes(StackConfig(config=str(tmp_path)))


def test_lease_domains_differ(tmp_path: Path) -> None:
    with lease_domain(tmp_path) as one, lease_domain(tmp_path) as other:
        assert one != other
        assert {one, other} <= set(DOMAINS)


def test_a_lease_ends_with_its_block_and_the_last_domain_is_found(tmp_path: Path) -> None:
    leases = [lease_domain(tmp_path) for _ in DOMAINS]
    assert sorted(lease.__enter__() for lease in leases) == list(DOMAINS)
    with pytest.raises(ConfigError, match="all 101 ROS domains"), lease_domain(tmp_path):
        pass
    leases[7].__exit__(None, None, None)
    with lease_domain(tmp_path) as domain:
        assert domain in DOMAINS
    for lease in leases[:7] + leases[8:]:
        lease.__exit__(None, None, None)


def test_a_lease_ends_with_its_process_however_it_dies(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from dbp_ros.runtime.ros_domain import lease_domain\n"
        "with lease_domain(pathlib.Path(sys.argv[1])) as d: print(d, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        held = int(holder.stdout.readline())
        leases = [lease_domain(tmp_path) for _ in DOMAINS[1:]]
        assert held not in {lease.__enter__() for lease in leases}
        holder.kill()
        holder.wait()
        with lease_domain(tmp_path) as domain:
            assert domain == held
        for lease in leases:
            lease.__exit__(None, None, None)


def test_the_command_knows_its_verbs_without_importing_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in ("demo", "up", "collect", "train", "export", "evaluate"))


def test_a_wrong_setting_is_one_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--namespace", "3"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: namespace is '3'")
    assert error.count("\n") == 1


def test_a_verb_without_its_library_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from dbp_ros.cli.main import main; sys.exit(main(['train', '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: dbp train needs torch; from the clone: pip install '.[learn]'\n"


class Supervised:
    """A supervisor in a process of its own, with what it has said."""

    def __init__(self, **scripts: str) -> None:
        arguments = [f"{name}={script}" for name, script in scripts.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, *arguments], stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self.wait_for(*(f"[{name}] up" for name in scripts))

    def wait_for(self, *wanted: str) -> None:
        assert self.process.stdout is not None
        while not set(wanted) <= set(self.lines):
            line = self.process.stdout.readline()
            assert line, f"ended after {self.lines}"
            self.lines.append(line.rstrip("\n"))

    def children(self) -> list[int]:
        return children_of(self.process.pid)


@pytest.fixture
def supervised() -> Iterator[list[Supervised]]:
    """Those started by a test, ended with it."""
    started: list[Supervised] = []
    yield started
    for one in started:
        one.process.kill()
        one.process.wait()


def gone(pids: list[int], limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("presses", [1, 2, 5])
def test_every_process_ends_when_told(
    supervised: list[Supervised], number: signal.Signals, presses: int
) -> None:
    supervised.append(one := Supervised(simulation=FOREVER, guard=FOREVER, policy=FOREVER))
    children = one.children()
    for _ in range(presses):
        one.process.send_signal(number)
        time.sleep(0.05)
    assert one.process.wait(timeout=20) == 0
    assert len(children) == 3
    assert gone(children)


def test_nothing_is_left_when_the_supervisor_is_killed(supervised: list[Supervised]) -> None:
    supervised.append(one := Supervised(simulation=FOREVER, guard=FOREVER))
    children = one.children()
    one.process.kill()
    assert gone(children)


def test_the_guard_outlives_the_policy(supervised: list[Supervised]) -> None:
    supervised.append(one := Supervised(guard=FOREVER, policy=DIES))
    one.wait_for(
        "[stack] policy ended (3) and is not restarted: guard still runs and holds the arms"
    )
    time.sleep(0.5)
    assert len(one.children()) == 1
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(timeout=20) == 1


def test_without_the_guard_the_stack_ends(supervised: list[Supervised]) -> None:
    supervised.append(one := Supervised(simulation=FOREVER, guard=FOREVER, policy=FOREVER))
    children = one.children()
    os.kill(children[1], signal.SIGKILL)
    one.wait_for(
        "[stack] guard was killed by SIGKILL: nothing commands the arms any more, ending the stack"
    )
    assert one.process.wait(timeout=20) == 1
    assert gone(children)


def test_a_stubborn_process_is_killed_in_the_end(supervised: list[Supervised]) -> None:
    supervised.append(one := Supervised(guard=FOREVER, policy=STUBBORN))
    children = one.children()
    one.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    one.process.send_signal(signal.SIGINT)
    one.wait_for("[stack] policy did not end within 5 s and is killed")
    assert one.process.wait(timeout=20) == 1
    assert gone(children)


def ticks_of(process: int) -> int:
    """How long a process has computed, in ticks of the clock."""
    return int(Path(f"/proc/{process}/stat").read_text().split()[13])


def test_a_reader_that_went_away_stops_nobody(supervised: list[Supervised]) -> None:
    chatty = "import time\nprint('up')\nwhile True: print('x' * 1000); time.sleep(0.0005)"
    supervised.append(one := Supervised(guard=chatty))
    assert one.process.stdout is not None
    one.process.stdout.close()
    time.sleep(1.0)
    (guard,) = one.children()
    before, deadline = ticks_of(guard), time.monotonic() + 20
    while ticks_of(guard) == before:
        assert time.monotonic() < deadline, "the guard is stopped"
        time.sleep(0.1)
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(timeout=20) == 0


def test_the_stack_runs_and_leaves_nothing_behind(domain: int) -> None:
    pytest.importorskip("rclpy")
    pytest.importorskip("mujoco")
    command = [sys.executable, "-m", "dbp_ros.cli", "up", "--sim"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        wanted = {"[guard]": "disabled", "[simulation]": "lift, seed 100000", "[policy]": "model"}
        wait_for_lines(up.stdout, wanted)
        *others, policy = children_of(up.pid)
        os.kill(policy, signal.SIGKILL)
        wait_for_lines(up.stdout, {"[stack]": "policy was killed by SIGKILL and is not restarted"})
        listed = children_of(up.pid)
        up.send_signal(signal.SIGINT)
        time.sleep(0.1)
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=30) == 1, "the policy was killed"
    assert listed == others
    assert len(listed) == 2
    assert gone(listed)


def wait_for_lines(stream: IO[str], wanted: dict[str, str]) -> None:
    """Read until each name in brackets has begun a line that has its words."""
    left = dict(wanted)
    for line in stream:
        name = line.split()[0]
        if left.get(name, "\0") in line:
            del left[name]
        if not left:
            return
    raise AssertionError(f"the stack ended before {left}")


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in listed]
