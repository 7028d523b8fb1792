"""Rules for the nodes of the stack."""

from collections.abc import Iterator

from dbp_ros.diagnosis.findings import ERROR, NOTE, WARNING, Finding, listed
from dbp_ros.diagnosis.snapshot import ACTIVE, REQUIRED, NodeStatus, Snapshot
from dbp_ros.guard_state import (
    NO_FRESH_CHUNK,
    NO_FRESH_OPERATOR_CHUNK,
    NOT_ENABLED,
    WAITING_FOR_CHUNK,
    WAITING_FOR_OPERATOR_CHUNK,
    GuardMode,
    GuardState,
)

# Parameters that must be equal in all nodes.
SHARED = ("use_sim_time", "real_time_factor")


def missing_nodes(s: Snapshot) -> Iterator[Finding]:
    """Find a stack that is not running, or nodes that are missing."""
    absent = [name for name in REQUIRED if not s.nodes.get(name, NodeStatus(name)).copies]
    if absent == list(REQUIRED) and not any(node.copies for node in s.nodes.values()):
        sentence = f"not running in the namespace {s.namespace or '/'}, with {s.place}"
        yield Finding(ERROR, "stack", sentence, _found_elsewhere(s) or "dbp up")
        return
    if "guard" in absent:
        sentence = "not running: the controllers hold their last command"
        yield Finding(ERROR, "guard", sentence, "read its log, and restart the stack")
    if "policy" in absent:
        yield _missing_policy(s)


def _missing_policy(s: Snapshot) -> Finding:
    """Return the finding about a policy that does not run: a stack may be started without one."""
    if drivers := _other_chunk_publishers(s):
        return Finding(NOTE, "policy", f"not running: {listed(drivers)} publishes action chunks")
    sentence = "not running: no action chunks, only an operator moves the arms"
    remedy = "if it was started, read its log, and restart the stack"
    if s.nodes.get("teleop", NodeStatus("teleop")).copies:
        return Finding(NOTE, "policy", sentence, remedy)
    return Finding(WARNING, "policy", sentence, f"{remedy}; without a policy, start it with teleop")


def _other_chunk_publishers(s: Snapshot) -> list[str]:
    """Return the nodes that publish action chunks in place of the policy, such as a leader arm."""
    publishers = s.chunks.topic.publishers if s.chunks else ()
    return sorted({one.node for one in publishers if one.node != s.full_name("policy")})


def _found_elsewhere(s: Snapshot) -> str:
    if s.other_stacks:
        return f"found in another namespace: dbp status --namespace {s.other_stacks[0] or '/'}"
    if s.elsewhere:
        return f"set ROS_DOMAIN_ID: this computer runs {listed(list(s.elsewhere))}"
    return ""


def duplicate_nodes(s: Snapshot) -> Iterator[Finding]:
    """Find several nodes with one name, e.g. of a stack that was started twice."""
    for node in s.nodes.values():
        if node.copies > 1:
            processes = f" ({listed(list(s.local_guards))})" if node.name == "guard" else ""
            yield Finding(
                ERROR,
                node.name,
                f"{node.copies} nodes have the name {s.full_name(node.name)}{processes}",
                "end all but one; a killed node is listed for up to 20 s",
            )


def silent_nodes(s: Snapshot) -> Iterator[Finding]:
    """Find nodes that are listed but do not respond."""
    for node in s.nodes.values():
        if node.silent:
            yield Finding(
                ERROR,
                node.name,
                "listed, but it publishes no diagnostics and does not respond",
                "it was killed less than 20 s ago, or hangs: check its process and its log",
            )
        elif node.copies and node.level is None:
            yield Finding(
                WARNING,
                node.name,
                "it responds, but publishes no diagnostics",
                "check the CPU load of the computer",
            )


def undiscovered(s: Snapshot) -> Iterator[Finding]:
    """Find local processes in the domain that were not discovered."""
    if s.undiscovered:
        yield Finding(
            WARNING,
            "domain",
            f"{s.undiscovered} of its processes on this computer do not respond to discovery",
            "check with ps for suspended or hanging processes; other DDS programs count too",
        )


def nodes_not_ok(s: Snapshot) -> Iterator[Finding]:
    """Find nodes whose own diagnostics are not OK."""
    for node in s.nodes.values():
        if node.level:
            level = ERROR if node.level >= 2 else WARNING
            if node.name == "policy" and node.lifecycle not in ("", ACTIVE):
                continue
            yield Finding(level, node.name, node.sentence, _advice(node))
        elif node.name == "guard" and GuardState.parse(node.sentence).cause == NOT_ENABLED:
            yield Finding(NOTE, "guard", node.sentence, "dbp enable")
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
    if state.cause in (WAITING_FOR_OPERATOR_CHUNK, NO_FRESH_OPERATOR_CHUNK):
        return "move an input of teleop, or return control to the policy: dbp give-back"
    if state.cause in (WAITING_FOR_CHUNK, NO_FRESH_CHUNK):
        return "check the policy, which publishes the chunks"
    return ""


def operator_control(s: Snapshot) -> Iterator[Finding]:
    """Find an operator who has control, and one whose chunks are missing."""
    state = GuardState.parse(s.guard.sentence)
    if not state.operator_control:
        return
    topic = s.operator_chunks.topic if s.operator_chunks else None
    if topic is None or not topic.publishers or not topic.rate_hz:
        teleop = s.nodes.get("teleop")
        running = teleop is not None and teleop.copies and not teleop.silent
        yield Finding(
            WARNING,
            "guard",
            "an operator has control, but no operator chunks arrive"
            + ("" if running else ": teleop is not running")
            + "; the arms are held, and the policy does not drive",
            "dbp give-back returns control to the policy"
            + (", see the state of teleop" if running else "; or restart teleop and take over"),
        )
        return
    yield Finding(
        NOTE,
        "guard",
        f"an operator has control, by {listed([p.node for p in topic.publishers])}",
        "dbp give-back returns control to the policy",
    )


def policy_state(s: Snapshot) -> Iterator[Finding]:
    """Find a policy that is not active."""
    label = s.policy.lifecycle
    if label and label != ACTIVE:
        yield Finding(
            WARNING,
            "policy",
            f"{label}: it publishes no chunks ({s.policy.sentence or 'no state'})",
            "restart the stack" if label == "finalized" else "dbp activate",
        )


def different_parameters(s: Snapshot) -> Iterator[Finding]:
    """Find parameters that differ between nodes."""
    guard_joints, policy_joints = (
        s.nodes[n].parameters.get("joints") if n in s.nodes else None for n in REQUIRED
    )
    guard, policy = set(guard_joints or ()), set(policy_joints or ())
    if guard_joints is not None and policy_joints is not None and guard != policy:
        extra = {"guard": sorted(guard - policy), "policy": sorted(policy - guard)}
        difference = [f"only the {node} has {listed(own)}" for node, own in extra.items() if own]
        yield Finding(
            ERROR,
            "policy",
            f"joints differ: {'; '.join(difference)}",
            "start both with the same robot, and remove joints from guard.yaml and policy.yaml",
        )
    for name in SHARED:
        values = {
            node.name: node.parameters[name]
            for node in s.nodes.values()
            # The simulated cell publishes /clock, and does not use it.
            if name in node.parameters and (name, node.name) != ("use_sim_time", "simulation")
        }
        if len(set(values.values())) > 1:
            described = ", ".join(f"{value} in {node}" for node, value in values.items())
            yield Finding(
                ERROR,
                name,
                f"different values: {described}",
                "start all nodes with one dbp up or launch",
            )


RULES = (
    missing_nodes,
    duplicate_nodes,
    silent_nodes,
    undiscovered,
    nodes_not_ok,
    operator_control,
    policy_state,
    different_parameters,
)
