"""`dbp episodes check`: find faults in the episodes of a data set."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dbp_ros.cli.data_flags import PATH_HELP, STRIDE, add_selection, selection_of
from dbp_ros.cli.terminal import progress_of, terminal
from dbp_ros.data.checks.check_set import check_set
from dbp_ros.data.checks.finding import EpisodeFinding
from dbp_ros.data.formats import open_episodes, open_recordings
from dbp_ros.data.labels import LABELS_FILE, labels_path, read_labels, unused_labels
from dbp_ros.data.selection import Selection
from dbp_ros.diagnosis.findings import LEVEL_NAMES, Finding, listed
from dbp_ros.diagnosis.text import finding_lines
from dbp_ros.robots.arm_solver import ArmSolver


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.description = (
        "Find dropped frames and clock steps, frozen and black cameras, joints that never move, "
        "jump or do not follow their action, values beyond the limits of a robot, episodes unlike "
        "the others or without an outcome, and unreadable ones. The lag from action to state is "
        "measured. Exit status 1 if something is wrong."
    )
    parser.epilog = "example: dbp episodes check data/transport --robot ur5e_dual"
    parser.add_argument("path", metavar="PATH", type=Path, help=PATH_HELP)
    add_selection(parser, without=STRIDE)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings.

    Raises:
        ConfigError: If the description of the robot cannot be read.
        EpisodeError: If the set cannot be opened.
    """
    console, selection = terminal(), selection_of(arguments, without=STRIDE)
    episodes = open_episodes(arguments.path, selection, ArmSolver)
    with progress_of(console, disable=arguments.json or not console.is_terminal) as progress:
        bar = progress.add_task("check", total=len(episodes))
        findings = check_set(episodes, selection, lambda: progress.advance(bar))
    findings += unused_label_findings(arguments.path, selection)
    status = int(any(finding.level != "note" for finding in findings))
    if arguments.json:
        found = [asdict(finding) for finding in findings]
        print(json.dumps({"exit_status": status, "findings": found}, indent=1))
        return status
    print(f"{len(episodes)} episodes of {episodes.origin}")
    for line in finding_lines(grouped(findings), console.is_terminal):
        print(line)
    return status


def unused_label_findings(path: Path, selection: Selection) -> list[EpisodeFinding]:
    """Return a finding for each label whose episode does not exist."""
    labels = read_labels(path)
    names = open_recordings(path, selection).names if labels else ()
    return [
        EpisodeFinding(
            "warning",
            name,
            LABELS_FILE,
            "it has a label, but the set has no such episode",
            f"remove it from {labels_path(path)}",
        )
        for name in unused_labels(labels, names)
    ]


def grouped(findings: Sequence[EpisodeFinding]) -> list[Finding]:
    """Return the findings, errors first, with one line for the same fault of several episodes."""
    groups: dict[tuple[int, str, str, str], list[str]] = {}
    for one in findings:
        level = LEVEL_NAMES.index(one.level)
        groups.setdefault((level, one.field, one.sentence, one.fix), []).append(_where(one))
    return [
        Finding(level, f"{field} {listed(where)}".strip(), sentence, fix)
        for (level, field, sentence, fix), where in sorted(
            groups.items(), key=lambda group: -group[0][0]
        )
    ]


def _where(finding: EpisodeFinding) -> str:
    """Return episode, time and value of a finding as text."""
    text = f"of {finding.episode}" if finding.episode else ""
    if finding.time_s is not None:
        text += f" at {finding.time_s:.2f} s"
    return f"{text} ({finding.value})".strip() if finding.value else text
