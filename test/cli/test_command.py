"""The `dbp` command: list of verbs, errors and missing libraries."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbp_ros.cli.command import INTERRUPTED, Command, Verb
from dbp_ros.cli.main import main
from dbp_ros.files import atomic_folder


def test_the_command_lists_its_verbs_without_importing_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in ("demo", "up", "collect", "train", "export", "evaluate"))


def test_an_invalid_setting_is_one_line_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["up", "--namespace", "3"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: namespace is '3'")
    assert error.count("\n") == 1


def test_a_verb_without_its_library_names_what_to_install() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import dbp_ros.extras; dbp_ros.extras.has_system_ros = lambda: False\n"
        "from dbp_ros.cli.main import main; sys.exit(main(['train', '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: dbp train needs torch; from the clone: pip install '.[learn]'\n"


def run_verb(run) -> int:
    """Return the exit status of a command whose only verb calls `run`."""

    def register(parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(run=run)

    return Command("tool", "", (Verb("work", "", ()),), {}, lambda _: register).run(["work"])


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 143)]
)
def test_a_signal_that_becomes_another_exception_ends_the_command(
    number: signal.Signals, status: int
) -> None:
    def interrupt_in_a_c_library(_: argparse.Namespace) -> int:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise ValueError("argument 1: KeyboardInterrupt") from error
        return 0

    before = signal.getsignal(number)
    assert run_verb(interrupt_in_a_c_library) == status
    assert signal.getsignal(number) is before


def test_a_terminated_command_removes_what_it_was_writing(tmp_path: Path) -> None:
    def write(_: argparse.Namespace) -> int:
        with atomic_folder(tmp_path / "out"):
            signal.raise_signal(signal.SIGTERM)
        return 0

    assert run_verb(write) == 143
    assert list(tmp_path.iterdir()) == []


def test_a_forked_worker_is_terminated_without_an_exception() -> None:
    def fork(_: argparse.Namespace) -> int:
        if worker := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            os._exit(3)

    assert run_verb(fork) == -signal.SIGTERM


def test_an_unexpected_exception_is_raised() -> None:
    def fail(_: argparse.Namespace) -> int:
        raise ValueError("unexpected")

    with pytest.raises(ValueError, match="unexpected"):
        run_verb(fail)
