"""All rules of the diagnosis, in order: nodes, cameras, connections, arms."""

from dataclasses import replace

from dbp_ros.diagnosis import arm_rules, camera_rules, connection_rules, node_rules
from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding
from dbp_ros.diagnosis.snapshot import Snapshot

RULES = (*node_rules.RULES, *camera_rules.RULES, *connection_rules.RULES, *arm_rules.RULES)


def evaluate_rules(snapshot: Snapshot) -> list[Finding]:
    """Return all findings, sorted by level, errors first."""
    found: list[Finding] = []
    for rule in RULES:
        found += [finding for finding in rule(snapshot) if finding not in found]
    return sorted(found, key=lambda finding: -finding.level)


def evaluate_optional_stack(snapshot: Snapshot) -> list[Finding]:
    """Return the findings about a stack that need not run.

    Without one, they only say where another stack runs: in another domain or namespace.
    """
    findings = evaluate_rules(snapshot)
    if any(node.copies for node in snapshot.nodes.values()):
        return findings
    if not (snapshot.elsewhere or snapshot.other_stacks):
        return []
    return [replace(found, level=WARNING) for found in findings if found.subject == "stack"]


def exit_status(findings: list[Finding]) -> int:
    """Return 2 for errors, 1 for warnings, else 0."""
    worst = max((finding.level for finding in findings), default=NOTE)
    return {ERROR: 2, WARNING: 1}.get(worst, 0)
