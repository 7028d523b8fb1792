"""`--out` that cannot be written is refused with one sentence before any work."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.__main__ import main as bench
from dbp_ros.cli.command import Command, Verb
from dbp_ros.cli.main import main
from dbp_ros.errors import ConfigError
from dbp_ros.extras import missing
from dbp_ros.files import check_file, check_folder, check_new_folder, require_folder

FOLDERS = {
    "demo": "--episodes 1",
    "demo-learn": "",
    "trace": "--seconds 1",
    "collect": "--task reach --episodes 1",
    "train": "--data nowhere",
    "episodes show": "nowhere",
    "episodes merge": "nowhere",
    "episodes split": "nowhere --parts a=1.0",
    "finetune": "--env cell/reach --run nowhere",
    "bench infer": "",
    "bench rate": "--conditions 84-idle",
    "bench scale": "",
    "bench swap": "",
    "bench chunks": "",
    "bench modes": "",
    "bench sim": "--suite smoke",
    "bench rl": "",
    "bench metaworld": "",
}
BUNDLES = {
    "export": "--run nowhere --data nowhere --name x",
    "quantize": "--model lift",
}
# Not writable even by root, which may run the tests.
WRONG = ("/dev/null/x", "/proc/x", "{file}", "{file}/x", "/x" * 3000)


def places(tmp_path: Path) -> list[str]:
    file = tmp_path / "a file"
    file.write_text("precious")
    return [place.format(file=file) for place in WRONG]


def error_line(words: str, out: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a verb that must fail; return its only line of output."""
    run, verb = (bench, words[6:]) if words.startswith("bench ") else (main, words)
    assert run([*verb.split(), "--out", out]) in (1, 2)
    printed = capsys.readouterr()
    [line] = (printed.err + printed.out).splitlines()
    return line


@pytest.mark.parametrize("verb", FOLDERS)
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing("ros", "sim", "learn", "metaworld"):
        pytest.skip("not everything is installed")
    for place in places(tmp_path):
        line = error_line(f"{verb} {FOLDERS[verb]}", place, capsys)
        assert f"--out {place} cannot be written (" in line
        assert line.endswith("give another folder")
    assert (tmp_path / "a file").read_text() == "precious"


@pytest.mark.parametrize("verb", BUNDLES)
def test_a_bundle_that_cannot_be_written_is_refused_before_any_work(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing("learn", "sim"):
        pytest.skip("not everything is installed")
    for place in places(tmp_path):
        line = error_line(f"{verb} {BUNDLES[verb]}", place, capsys)
        assert (
            f"--out {place} cannot be written (" in line or f"--out {place} is not a folder" in line
        )
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("precious")
    line = error_line(f"{verb} {BUNDLES[verb]}", str(tmp_path / "home"), capsys)
    assert "contains other files and would be replaced: give another" in line
    assert (tmp_path / "home" / "letter").read_text() == "precious"


def test_an_evaluation_that_cannot_be_written_is_refused_before_the_first_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing("sim"):
        pytest.skip("not everything is installed")
    for place in ("/dev/null/x", "/proc/x", str(tmp_path)):
        line = error_line("evaluate --episodes 1", place, capsys)
        assert f"--out {place} cannot be written (" in line
        assert line.endswith("give another file")


def test_a_page_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing("learn", "sim"):
        pytest.skip("not everything is installed")
    assert bench(["page", "--page", "/proc/version"]) == 1
    assert "--page /proc/version cannot be written (" in capsys.readouterr().err


def test_an_interrupted_evaluation_keeps_its_finished_episodes(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "outcomes.json"
    words = ["evaluate", "--model", "lift", "--episodes", "100", "--seed", "7"]
    command = [sys.executable, "-m", "dbp_ros.cli", *words, "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None and not out.exists():
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
    seeds = [outcome["seed"] for outcome in json.loads(out.read_text())]
    assert seeds
    assert seeds == sorted(set(seeds) & set(range(7, 107)))


def test_a_folder_is_created_and_left_empty(tmp_path: Path) -> None:
    require_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    check_file(tmp_path / "a" / "file.json")
    check_new_folder(tmp_path / "a" / "bundle", "manifest.yaml")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text("precious")
    check_file(tmp_path / "file.json")
    assert (tmp_path / "file.json").read_text() == "precious"


def test_a_folder_of_the_same_kind_or_an_empty_one_may_be_replaced(tmp_path: Path) -> None:
    check_new_folder(tmp_path / "new" / "bundle", "manifest.yaml")
    (tmp_path / "old").mkdir()
    check_new_folder(tmp_path / "old", "manifest.yaml")
    (tmp_path / "old" / "manifest.yaml").touch()
    (tmp_path / "old" / "head.onnx").touch()
    check_new_folder(tmp_path / "old", "manifest.yaml")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="link is not a folder"):
        check_new_folder(tmp_path / "link", "manifest.yaml")


@pytest.mark.parametrize("path", [".", "..", "/", "models/.."])
def test_a_folder_without_a_name_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="has no name of its own"):
        check_new_folder(Path(path), "manifest.yaml")


def test_a_full_disk_is_reported_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def write(_: argparse.Namespace) -> int:
        raise OSError(28, "No space left on device", str(tmp_path / "x"))

    verb = Verb("write", "write a file", ())
    command = Command(
        "dbp", "", (verb,), {}, lambda _: lambda parser: parser.set_defaults(run=write)
    )
    assert command.run(["write"]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'x'}: No space left on device\n"


def test_a_closed_output_causes_no_traceback() -> None:
    dbp = f"{sys.executable} -m dbp_ros.cli inspect lift"
    assert shutil.which("bash")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{dbp} | true"], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
