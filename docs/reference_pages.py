"""The generated part of the reference: tables that Sphinx inserts while it reads a page.

A page names a table by a comment, such as `<!-- parameters -->`. Nothing is written to disk.
"""

import argparse
import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_origin

import yaml
from rclpy.qos import QoSProfile

from benchmarks.__main__ import BENCH
from dbp_ros.bundle.manifest import Manifest
from dbp_ros.cli.command import Command, Verb
from dbp_ros.cli.main import DBP
from dbp_ros.data.formats import FORMATS
from dbp_ros.data.recording.recording_manifest import RecordingManifest
from dbp_ros.evaluation import report
from dbp_ros.hotswap.swap_status import SwapPhase, SwapStatus
from dbp_ros.nodes import qos
from dbp_ros.settings.denoiser import Denoiser
from dbp_ros.settings.fields import leaves
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.policy import ModelSenderConfig, PolicyConfig
from dbp_ros.settings.policy_mapping import (
    ActionOutput,
    ConstantInput,
    ImageInput,
    PolicyMapping,
    PositionsInput,
    RecurrentInput,
)
from dbp_ros.settings.recorder import RecorderConfig
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.settings.teleop import TeleopConfig
from dbp_ros.settings.view import ViewConfig
from dbp_ros.stack.processes import StackConfig
from dbp_ros.telemetry.policy_step import PolicyStep

MARKER = re.compile(r"^<!-- (\w+) -->$", re.MULTILINE)
INTERFACES = Path(__file__).with_name("interfaces.yaml")
NODES = {
    "guard": GuardConfig,
    "policy": PolicyConfig,
    "learner": LearnerConfig,
    "recorder": RecorderConfig,
    "simulation": SimulationConfig,
    "teleop": TeleopConfig,
    "view": ViewConfig,
    "panel": PanelConfig,
    "model_sender": ModelSenderConfig,
}
LONGEST_DEFAULT = 40
POLICY_MAPPING = (
    *(PolicyMapping, PositionsInput, ImageInput, Denoiser, ConstantInput, RecurrentInput),
    ActionOutput,
)


def fill_markers(text: str) -> str:
    """Return a page with its generated tables.

    Raises:
        KeyError: If a table is unknown.
    """
    return MARKER.sub(lambda match: "\n".join(PAGES[match[1]]()), text)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table in Markdown, with an empty line before and after it."""
    lines = [titles, ["---"] * len(titles), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return ["", *(f"| {' | '.join(line)} |" for line in cells), ""]


def literal(text: str) -> str:
    """Return a text in backticks; nothing for an empty one."""
    return f"`{text}`" if text else ""


def escaped(text: str) -> str:
    """Return plain text as Markdown in which nothing but backticks is markup."""
    return re.sub(r"([*_<>\[\]$])(?=(?:[^`]*`[^`]*`)*[^`]*$)", r"\\\1", text)


def parameters() -> Iterator[str]:
    """Yield a table of ROS parameters for each node, from its settings dataclass."""
    for node, config in NODES.items():
        yield from ("", f"## {node}", "", f"`{config.__module__}.{config.__name__}`")
        yield from settings_table(config, "parameter")


def launch_arguments() -> list[str]:
    """Return the table of launch arguments."""
    return settings_table(StackConfig, "argument")


def settings_table(config: Any, title: str) -> list[str]:
    """Return one row for each setting of a dataclass and of the groups in it."""
    rows = [
        (
            *(literal(leaf.name), _type(leaf.kind), _default(leaf.value), leaf.bounds),
            escaped(leaf.doc),
        )
        for leaf in leaves(config())
    ]
    return table((title, "type", "default", "allowed", "description"), rows)


def _type(kind: Any) -> str:
    kind = str if get_origin(kind) is Literal else kind
    text = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    text = re.sub(r"\b(?:[a-z_]+\.)+(?=\w)", "", text)
    text = re.sub(r"ndarray\[.*dtype\[(\w+)\]\]", r"\1 array", text)
    return escaped(re.sub(r"tuple\[(\w+), \.\.\.\]", r"\1 list", text))


def _default(value: Any) -> str:
    if value is MISSING:
        return ""
    text = str(list(value)) if isinstance(value, tuple) else str(value)
    shown = text if len(text) <= LONGEST_DEFAULT else f"{text[:LONGEST_DEFAULT].rstrip(', ')} …"
    return literal(shown.lower() if isinstance(value, bool) else shown) or "(empty)"


def commands() -> Iterator[str]:
    """Yield a section for each verb of `dbp` and of `dbp bench`, from its parser."""
    for command in (DBP, BENCH):
        for verb in command.verbs:
            if verb.name != "bench":
                yield from _verb(command, verb)


def parser_of(command: Command, verb: Verb) -> argparse.ArgumentParser:
    """Return the parser of a verb."""
    parser = argparse.ArgumentParser(prog=f"{command.name} {verb.name}", description=verb.help)
    command.load(verb.name)(parser)
    return parser


def _verb(command: Command, verb: Verb) -> Iterator[str]:
    parser = parser_of(command, verb)
    yield from ("", f"## {command.name} {verb.name}", "", escaped(parser.description or ""), "")
    if verb.extras:
        yield f"Required extras: {', '.join(map(literal, verb.extras))}."
    yield from ("", "```text", " ".join(parser.format_usage().split()), "```", "")
    expand = parser._get_formatter()._expand_help
    rows = [
        (literal(_option(action)), escaped(expand(action) if action.help else ""))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    yield from table(("option", "description"), rows) if rows else []


def _option(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    value = (
        "{" + ",".join(map(str, action.choices)) + "}"
        if action.choices
        else str(action.metavar or action.dest.upper())
    )
    return f"{names} {value}".strip()


def interfaces() -> Iterator[str]:
    """Yield the topics and services of each node, from the table that a test compares."""
    kinds = {
        "publishes": ("Published topics", ("topic", "type", "QoS", "content")),
        "subscribes": ("Subscribed topics", ("topic", "type", "QoS", "content")),
        "services": ("Services", ("service", "type", "effect")),
    }
    for node, listed in yaml.safe_load(INTERFACES.read_text(encoding="utf-8")).items():
        yield from ("", f"## {node}")
        for kind, entries in listed.items():
            title, columns = kinds[kind]
            yield from ("", f"### {title} of `{node}`")
            yield from table(
                columns,
                [
                    (*map(literal, (name, *entry[:-1])), entry[-1])
                    for name, entry in entries.items()
                ],
            )


def qos_profiles() -> list[str]:
    """Return the table of QoS profiles."""
    rows = [
        (
            literal(name),
            profile.reliability.name.lower(),
            profile.durability.name.lower().replace("system_default", "volatile"),
            str(profile.depth),
        )
        for name, profile in vars(qos).items()
        if isinstance(profile, QoSProfile)
    ]
    return table(("profile", "reliability", "durability", "depth"), rows)


def data_formats() -> list[str]:
    """Return the table of data set formats, in the order in which they are tried."""
    return table(("format", "files"), [(one.name, escaped(one.layout)) for one in FORMATS])


def manifest() -> Iterator[str]:
    """Yield the fields of `manifest.yaml`."""
    yield from fields_of(Manifest)


def policy_mapping() -> Iterator[str]:
    """Yield the settings of a mapping of `dbp import`, and those of its inputs and outputs."""
    for kind in POLICY_MAPPING:
        yield from ("", f"`{kind.__name__}`: {escaped(_first_line(kind))}")
        rows = [
            (literal(item.name), _type(item.type), _default(item.default), item.metadata["doc"])
            for item in fields(kind)
        ]
        yield from table(("key", "type", "default", "description"), rows)


def policy_step() -> Iterator[str]:
    """Yield the fields of the JSON on `decision`."""
    yield from fields_of(PolicyStep)


def swap_status() -> Iterator[str]:
    """Yield the fields of the JSON on `policy/model`, and the phases."""
    yield from fields_of(SwapStatus)
    phases = ", ".join(literal(phase.value) for phase in SwapPhase)
    yield f"`phase` is one of {phases}."


def fields_of(kind: Any) -> Iterator[str]:
    """Yield a table of the fields of a dataclass, then those of the dataclasses in it."""
    described = attributes(kind)
    yield from ("", f"`{kind.__module__}.{kind.__name__}`")
    yield from table(
        ("field", "type", "description"),
        [
            (literal(item.name), _type(item.type), escaped(described.get(item.name, "")))
            for item in fields(kind)
        ],
    )
    for inner in _inner(kind):
        yield from ("", f"`{inner.__name__}`: {escaped(_first_line(inner))}")
        yield from list(fields_of(inner))[2:]


def _inner(kind: Any) -> Iterator[Any]:
    for item in fields(kind):
        for candidate in (item.type, *getattr(item.type, "__args__", ())):
            if is_dataclass(candidate):
                yield candidate


def _first_line(kind: Any) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def attributes(kind: Any) -> dict[str, str]:
    """Return the `Attributes:` section of a docstring in Google style, by name."""
    text = inspect.getdoc(kind) or ""
    section = re.search(r"^Attributes:\n((?:[ ]{4}.*\n?|\n)+)", text, re.MULTILINE)
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(value.split()) for name, value in found}


def recording_manifest() -> Iterator[str]:
    """Yield the metadata of a bag of the recorder."""
    yield from fields_of(RecordingManifest)


def run_report() -> list[str]:
    """Return the keys of `report.json`, from the function that builds it."""
    function = ast.parse(inspect.getsource(report.build_report)).body[0]
    (built,) = (node.value for node in ast.walk(function) if isinstance(node, ast.Return))
    assert isinstance(built, ast.Dict)
    keys = [ast.literal_eval(key) for key in built.keys if key]
    described = yaml.safe_load(Path(__file__).with_name("report.yaml").read_text("utf-8"))
    if set(keys) != set(described):
        raise ValueError(f"report.yaml differs from build_report: {set(keys) ^ set(described)}")
    return table(("key", "description"), [(literal(key), escaped(described[key])) for key in keys])


PAGES: dict[str, Callable[[], Iterable[str]]] = {
    "parameters": parameters,
    "launch_arguments": launch_arguments,
    "commands": commands,
    "interfaces": interfaces,
    "qos_profiles": qos_profiles,
    "data_formats": data_formats,
    "manifest": manifest,
    "policy_mapping": policy_mapping,
    "policy_step": policy_step,
    "swap_status": swap_status,
    "recording_manifest": recording_manifest,
    "run_report": run_report,
}
