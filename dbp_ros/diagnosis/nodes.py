"""Rules about the nodes of the stack: missing, doubled, silent, not OK, inactive, at odds."""

from collections.abc import Iterator

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding, listed
from dbp_ros.diagnosis.snapshot import ACTIVE, REQUIRED, NodeStatus, Snapshot
from dbp_ros.guard_state import (
    NO_FRESH_CHUNK,
    NOT_ENABLED,
    WAITING_FOR_CHUNK,
    GuardMode,
    GuardState,
)

# Parameters that must be the same in every node that has them.
SHARED = ("use_sim_time", "real_time_factor")


def missing_nodes(s: Snapshot) -> Iterator[Finding]:
    """Find that the stack does not run, or that a part of it is missing."""
    absent = [name for name in REQUIRED if not s.nodes.get(name, NodeStatus(name)).copies]
    if absent == list(REQUIRED) and not any(node.copies for node in s.nodes.values()):
        where = f"no stack in the namespace {s.namespace or '/'}, with {s.place}"
        yield Finding(ERROR, "stack", where, _elsewhere(s) or "start it: dbp up")
        return
    for name in absent:
        if name == "guard":
            sentence = "it does not run: nothing commands the arms, controllers hold their command"
        else:
            sentence = "it does not run: nothing decides, the guard holds the arms"
        yield Finding(ERROR, name, sentence, "see the log why it ended, and start the stack again")


def _elsewhere(s: Snapshot) -> str:
    if s.other_stacks:
        return f"there is one: dbp status --namespace {s.other_stacks[0] or '/'}"
    if s.elsewhere:
        return f"set ROS_DOMAIN_ID: a guard runs on this computer, {listed(list(s.elsewhere))}"
    return ""


def doubled_nodes(s: Snapshot) -> Iterator[Finding]:
    """Find two nodes of one name: a stack that was started twice."""
    for node in s.nodes.values():
        if node.copies > 1:
            known = f" ({listed(list(s.local_guards))})" if node.name == "guard" else ""
            yield Finding(
                ERROR,
                node.name,
                f"{node.copies} nodes have the name {s.full_name(node.name)}{known}",
                "end all but one; one that was killed is listed for up to 20 s",
            )


def silent_nodes(s: Snapshot) -> Iterator[Finding]:
    """Find nodes that are listed but show no sign of life."""
    for node in s.nodes.values():
        if node.silent:
            yield Finding(
                ERROR,
                node.name,
                "it is listed, but publishes no diagnostics and does not answer",
                "it was killed less than 20 s ago, or hangs: look at its process and its log",
            )
        elif node.copies and node.level is None:
            yield Finding(
                WARNING,
                node.name,
                "it answers, but publishes no diagnostics",
                "is the computer overloaded? compare with top",
            )


def undiscovered(s: Snapshot) -> Iterator[Finding]:
    """Find processes that are in the domain and cannot be seen."""
    if s.undiscovered:
        yield Finding(
            WARNING,
            "domain",
            f"{s.undiscovered} of its processes on this computer do not answer",
            "one that is suspended or hangs does not: see ps; one that is no ROS node counts too",
        )


def nodes_not_ok(s: Snapshot) -> Iterator[Finding]:
    """Find what the nodes report about themselves."""
    for node in s.nodes.values():
        if node.level:
            level = ERROR if node.level >= 2 else WARNING
            if node.name == "policy" and node.lifecycle not in ("", ACTIVE):
                continue
            yield Finding(level, node.name, node.sentence, _advice(node))
        elif node.name == "guard" and GuardState.parse(node.sentence).cause == NOT_ENABLED:
            yield Finding(NOTE, "guard", node.sentence, "dbp enable lets it command the arms")
    for sentence in s.foreign:
        yield Finding(WARNING, "controller manager", sentence)


def _advice(node: NodeStatus) -> str:
    if node.name != "guard":
        return ""
    state = GuardState.parse(node.sentence)
    if state.mode is GuardMode.STOPPED:
        return "remove the cause, then dbp reset and dbp enable"
    if state.mode is GuardMode.DISABLED:
        return "remove the cause, then dbp enable"
    if state.cause in (WAITING_FOR_CHUNK, NO_FRESH_CHUNK):
        return "see the policy, which publishes chunks"
    return ""


def policy_state(s: Snapshot) -> Iterator[Finding]:
    """Find a policy that is not active."""
    label = s.policy.lifecycle
    if label and label != ACTIVE:
        yield Finding(
            WARNING,
            "policy",
            f"it is {label} and publishes no chunks ({s.policy.sentence or 'no state'})",
            "restart the stack" if label == "finalized" else "dbp activate",
        )


def parameters_at_odds(s: Snapshot) -> Iterator[Finding]:
    """Find parameters of one node that contradict those of another."""
    ours, policys = (
        s.nodes[n].parameters.get("joints") if n in s.nodes else None for n in REQUIRED
    )
    if ours is not None and policys is not None and set(ours) != set(policys):
        here, there = sorted(set(ours) - set(policys)), sorted(set(policys) - set(ours))
        difference = [f"only the guard has {listed(here)}"] if here else []
        difference += [f"only the policy has {listed(there)}"] if there else []
        yield Finding(
            ERROR,
            "policy",
            f"joints differ: {'; '.join(difference)}",
            "give guard.yaml and policy.yaml the same joints",
        )
    for name in SHARED:
        values = {
            node.name: node.parameters[name]
            for node in s.nodes.values()
            # The simulated cell makes /clock, and does not follow it.
            if name in node.parameters and (name, node.name) != ("use_sim_time", "simulation")
        }
        if len(set(values.values())) > 1:
            described = ", ".join(f"{value} in {node}" for node, value in values.items())
            yield Finding(
                ERROR, name, f"it differs: {described}", "start all nodes with one dbp up or launch"
            )


RULES = (
    missing_nodes,
    doubled_nodes,
    silent_nodes,
    undiscovered,
    nodes_not_ok,
    policy_state,
    parameters_at_odds,
)
