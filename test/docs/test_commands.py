"""Each command in the documentation exists, with its flags and its arguments."""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from docs_pages import PAGES, ROOT, commands, inline_code, name

from benchmarks.__main__ import BENCH
from dbp_ros.cli.command import Command, Verb
from dbp_ros.cli.main import DBP
from dbp_ros.settings.flags import from_strings
from dbp_ros.settings.policy import ModelSenderConfig
from dbp_ros.stack.processes import StackConfig, remaps_among
from docs.reference_pages import parser_of

MAKE_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
# Words of the shell and of other projects; the rest of their lines is not checked.
FOREIGN = {"cd", "cp", "echo", "rosdep", "ssh", "sudo", "."}


def verb_of(words: list[str]) -> tuple[Command, Verb, list[str]]:
    command, words = (BENCH, words[1:]) if words[0] == "bench" else (DBP, words)
    for verb in command.verbs:
        parts = verb.name.split()
        if words[: len(parts)] == parts:
            return command, verb, words[len(parts) :]
    raise AssertionError(f"{command.name} has no verb {' '.join(words)}")


PARSERS: dict[tuple[str, str], argparse.ArgumentParser] = {}


def parser(command: Command, verb: Verb) -> argparse.ArgumentParser:
    key = command.name, verb.name
    if key not in PARSERS:
        PARSERS[key] = parser_of(command, verb)
    return PARSERS[key]


def check_dbp(words: list[str]) -> None:
    command, verb, rest = verb_of(words)
    try:
        parser(command, verb).parse_args(rest)
    except SystemExit as stop:
        raise AssertionError(f"{command.name} {verb.name} does not accept {rest}") from stop


def check_make(words: list[str]) -> None:
    targets = MAKE_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    wanted = [word for word in words if "=" not in word]
    assert set(wanted) <= set(targets)


def check_ros2(words: list[str]) -> None:
    match words:
        case ["launch", "dbp_ros", file, *arguments]:
            assert (ROOT / "launch" / file).is_file()
            known = {item.name for item in fields(StackConfig)}
            pairs = dict(word.split(":=", 1) for word in arguments)
            remaps = remaps_among(arguments)
            own = {key: value for key, value in pairs.items() if key in known}
            from_strings(StackConfig, {**own, "remap": " ".join(remaps)})
        case ["topic", "echo", topic]:
            assert topic in published_topics()
        case _:
            raise AssertionError(f"ros2 {' '.join(words)} is not checked")


def published_topics() -> set[str]:
    listed = yaml.safe_load((ROOT / "docs" / "interfaces.yaml").read_text(encoding="utf-8"))
    return {
        f"/{topic.replace('~', node)}"
        for node, kinds in listed.items()
        for topic in kinds["publishes"]
    }


def check_python(words: list[str]) -> None:
    if words[0].startswith("examples/"):
        assert (ROOT / words[0]).is_file()
        return
    flag, module, *arguments = words
    assert flag == "-m"
    assert find_spec(module)
    assert module.endswith(".model_sender")
    known = {item.name for item in fields(ModelSenderConfig)}
    assert {word.partition(":=")[0] for word in arguments if ":=" in word} <= known


def check_pip(words: list[str]) -> None:
    asked = [word[2:-1].split(",") for word in words if word.startswith(".[")]
    extras = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{extra}": [' in extras for group in asked for extra in group)


def check_colcon(words: list[str]) -> None:
    assert words[-2:] == ["--packages-select", "dbp_ros"]


def check_docker(words: list[str]) -> None:
    assert (ROOT / words[words.index("--file") + 1]).is_file()


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "dbp": check_dbp,
    "make": check_make,
    "ros2": check_ros2,
    "python": check_python,
    "pip": check_pip,
    "colcon": check_colcon,
    "docker": check_docker,
}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_command_is_accepted_by_its_parser(page: Path) -> None:
    for command in commands(page):
        program, *words = shlex.split(command)
        if program not in FOREIGN:
            CHECKS[program](words)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_inline_command_names_a_verb_or_a_target(page: Path) -> None:
    for code in inline_code(page):
        words = code.split()
        if words[0] == "dbp" and len(words) > 1 and words[1].islower():
            command, verb, rest = (
                (BENCH, None, []) if words == ["dbp", "bench"] else verb_of(words[1:])
            )
            flags = [word for word in rest if word.startswith("--")]
            known = parser(command, verb).format_help() if verb else ""
            assert all(flag in known for flag in flags), code
        if words[0] == "make" and len(words) > 1:
            check_make(words[1:])


def test_a_flag_that_does_not_exist_is_found() -> None:
    with pytest.raises(AssertionError, match="does not accept"):
        check_dbp(["train", "--data", "x", "--out", "y", "--no-such-flag"])
    with pytest.raises(AssertionError, match="no verb"):
        check_dbp(["fly"])


def test_make_help_lists_the_targets_of_the_readme() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "docs"):
        assert re.search(rf"^{target}\b", listed.stdout, re.MULTILINE)


def test_the_version_is_printed() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "dbp_ros.cli", "--version"], capture_output=True, text=True
    )
    assert out.stdout.startswith("dbp_ros ")
