"""HTML of the page. All texts of the stack are escaped."""

from collections.abc import Sequence
from html import escape

from dbp_ros.diagnosis.findings import LEVEL_NAMES, NOTE, Finding
from dbp_ros.guard_state import (
    NO_FRESH_CHUNK,
    NOT_ENABLED,
    WAITING_FOR_CHUNK,
    GuardMode,
    GuardState,
)

COLOURS = {
    GuardMode.TRACKING: "#2f9e44",
    GuardMode.HOLDING: "#1971c2",
    GuardMode.DISABLED: "#868e96",
    GuardMode.STOPPED: "#e03131",
    None: "#868e96",
}
LEVEL_COLOURS = ("#868e96", "#e8590c", "#e03131")
FRAME = "padding:0.2em 0.8em;font-size:0.85em;line-height:1.45;overflow-wrap:anywhere"


def paragraph(text: str, colour: str = "inherit") -> str:
    """Return a paragraph of plain text."""
    return f'<div style="{FRAME};color:{colour}">{escape(text)}</div>'


def banner(state: GuardState) -> str:
    """Return mode and reason of the guard, and what to do next."""
    name = state.mode.value.upper() if state.mode else "NO GUARD"
    head = (
        f'<span style="background:{COLOURS[state.mode]};color:white;border-radius:4px;'
        f'padding:0.15em 0.6em;font-weight:700">{escape(name)}</span>'
    )
    step = next_step(state)
    reason = f" {escape(state.reason)}" if state.reason else ""
    do = f"<div><b>Next:</b> {escape(step)}</div>" if step else ""
    return f'<div style="{FRAME}">{head}{reason}{do}</div>'


def next_step(state: GuardState) -> str:
    """Return what an operator does next in a state of the guard; empty for nothing."""
    match state.mode:
        case None:
            return "start the stack with dbp up, or read the log of the guard"
        case GuardMode.STOPPED:
            return "remove the cause, then press Reset, then Enable"
        case GuardMode.DISABLED if state.cause == NOT_ENABLED:
            return "press Enable when the surroundings of the arms are clear"
        case GuardMode.DISABLED:
            return "remove the cause, then press Enable"
        case GuardMode.HOLDING if state.cause in (WAITING_FOR_CHUNK, NO_FRESH_CHUNK):
            return "press Run policy, or take over on the tab Drive"
    return ""


def findings_list(findings: Sequence[Finding]) -> str:
    """Return faults and their remedies."""
    shown = [finding for finding in findings if finding.level > NOTE]
    if not shown:
        return paragraph("No faults found.")
    rows = []
    for finding in shown:
        level = LEVEL_NAMES[finding.level].upper()
        remedy = f"<br>do: {escape(finding.action)}" if finding.action else ""
        rows.append(
            f'<li><b style="color:{LEVEL_COLOURS[finding.level]}">{level}</b> '
            f"{escape(finding.subject)}: {escape(finding.sentence)}{remedy}</li>"
        )
    return f'<ul style="{FRAME};margin:0;padding-left:2em">{"".join(rows)}</ul>'


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and values."""
    cells = "".join(
        f'<tr><td style="color:#868e96;padding-right:1em;vertical-align:top">{escape(name)}</td>'
        f"<td>{escape(value)}</td></tr>"
        for name, value in rows
    )
    return f'<div style="{FRAME}"><table>{cells}</table></div>'
