"""All rules, in the order in which a person looks: nodes, arms, surroundings."""

from dbp_ros.diagnosis import arms, nodes, surroundings
from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding
from dbp_ros.diagnosis.snapshot import Snapshot

RULES = (*nodes.RULES, *surroundings.RULES, *arms.RULES)


def examine(snapshot: Snapshot) -> list[Finding]:
    """Return everything that is wrong, the worst first."""
    found: list[Finding] = []
    for rule in RULES:
        found += [finding for finding in rule(snapshot) if finding not in found]
    return sorted(found, key=lambda finding: -finding.level)


def exit_status(findings: list[Finding]) -> int:
    """Return 2 where there is an error, 1 where there is a warning, else 0."""
    worst = max((finding.level for finding in findings), default=NOTE)
    return {ERROR: 2, WARNING: 1}.get(worst, 0)
