"""The `dbp` command: list of verbs, errors and missing libraries."""

import subprocess
import sys

import pytest

from dbp_ros.cli.main import main


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
        "from dbp_ros.cli.main import main; sys.exit(main(['train', '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: dbp train needs torch; from the clone: pip install '.[learn]'\n"
