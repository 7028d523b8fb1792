"""Formatting of a snapshot and its findings, as text and as JSON data."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dbp_ros.diagnosis.findings import LEVEL_NAMES, NOTE, Finding, listed
from dbp_ros.diagnosis.rules import exit_status
from dbp_ros.diagnosis.snapshot import NodeStatus, Snapshot, StreamSource, TopicStatus

LEVELS = ("OK", "WARN", "ERROR", "STALE")
# ANSI codes for green, yellow and red, and the reset code.
COLOURS, PLAIN = ("\033[32m", "\033[33m", "\033[31m"), "\033[0m"


def lines(snapshot: Snapshot, findings: Sequence[Finding], colour: bool = False) -> list[str]:
    """Return nodes, topics, findings and remedies as lines of text.

    Args:
        snapshot: State of the stack.
        findings: Findings of the diagnosis rules.
        colour: Whether to colour the levels with ANSI codes.
    """
    shown = [f"stack in the namespace {snapshot.namespace or '/'}, with {snapshot.place}"]
    shown += ["", *_columns([_node_row(node) for node in snapshot.nodes.values()])]
    if topics := _topic_rows(snapshot):
        shown += ["", *_columns(topics)]
    shown += ["", *finding_lines(findings, colour)]
    if snapshot.namespace and any(finding.action for finding in findings):
        shown.append(
            f"add --namespace {snapshot.namespace} to commands of dbp, and "
            f"-c {snapshot.namespace}/controller_manager to those of ros2 control"
        )
    return shown


def finding_lines(findings: Sequence[Finding], colour: bool = False) -> list[str]:
    """Return findings as lines of text.

    Args:
        findings: Findings of the diagnosis rules.
        colour: Whether to colour the levels with ANSI codes.
    """
    shown = []
    for (level, sentence, action), subjects in _grouped(findings).items():
        name = LEVEL_NAMES[level].upper()
        if colour:
            name = f"{COLOURS[level]}{name}{PLAIN}"
        shown.append(f"{name}  {', '.join(subjects)}: {sentence}")
        if action:
            shown.append(f"  do: {action}")
    if not any(finding.level > NOTE for finding in findings):
        shown.append("no faults found")
    return shown


def as_data(snapshot: Snapshot, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return snapshot and findings as data for JSON."""
    return {**findings_data(findings), **asdict(snapshot)}


def findings_data(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return findings and the exit status as data for JSON."""
    return {
        "exit_status": exit_status(list(findings)),
        "findings": [{**asdict(f), "level": LEVEL_NAMES[f.level]} for f in findings],
    }


def _grouped(findings: Sequence[Finding]) -> dict[tuple[int, str, str], list[str]]:
    """Return the subjects with the same finding, such as all cameras."""
    groups: dict[tuple[int, str, str], list[str]] = {}
    for finding in findings:
        key = (finding.level, finding.sentence, finding.action)
        groups.setdefault(key, []).append(finding.subject)
    return groups


def _node_row(node: NodeStatus) -> tuple[str, ...]:
    if not node.copies:
        return (node.name, "-", "-", "not running")
    level = "silent" if node.level is None else LEVELS[min(node.level, 3)]
    age = "-" if node.age_s is None else f"{node.age_s:.1f} s"
    name = node.name if node.copies == 1 else f"{node.name} x{node.copies}"
    lifecycle = f" [{node.lifecycle}]" if node.lifecycle else ""
    return (name, level, age, f"{node.sentence or 'no state'}{lifecycle}")


def _topic_rows(snapshot: Snapshot) -> list[tuple[str, ...]]:
    sources = [snapshot.joint_states, *snapshot.cameras, snapshot.chunks]
    if snapshot.operator_chunks and snapshot.operator_chunks.topic.publishers:
        sources.append(snapshot.operator_chunks)
    rows = [_topic_row(s.topic, _stamp_age(s)) for s in sources if s]
    rows += [_topic_row(controller.topic, "") for controller in snapshot.controllers]
    if snapshot.clock:
        factor = snapshot.clock.real_time_factor
        rows.append(_topic_row(snapshot.clock.topic, "" if factor is None else f"x{factor:.2f}"))
    return rows


def _topic_row(topic: TopicStatus, age: str) -> tuple[str, ...]:
    rate = "" if topic.rate_hz is None else f"{topic.rate_hz:.1f}/s"
    publishers = listed(sorted(p.node for p in topic.publishers), 4) or "none"
    subscribers = listed(sorted(p.node for p in topic.subscribers), 4) or "none"
    return (topic.name, rate, age, f"{publishers} -> {subscribers}")


def _stamp_age(source: StreamSource) -> str:
    ages = [stream.stamp_age_s for stream in source.streams if stream.stamp_age_s is not None]
    return f"{1e3 * max(ages):.0f} ms old" if ages else ""


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
