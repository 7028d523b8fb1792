"""Recurrent inputs of a policy as one vector, the state of a bundle's head."""

from collections.abc import Sequence

import numpy as np

from dbp_ros.bundle.manifest import STATE, RecurrentSpec
from dbp_ros.policy_import.graph_builder import GraphBuilder
from dbp_ros.policy_import.plan import ImportPlan
from dbp_ros.policy_import.static_graph import POLICY


def recurrent_spec(plan: ImportPlan) -> RecurrentSpec | None:
    """Return size and initial values of the state; None without recurrent inputs."""
    if not plan.mapping.recurrent:
        return None
    initial = [float(v) for name in plan.mapping.recurrent for v in plan.initial_value(name).flat]
    return RecurrentSpec(len(initial), tuple(initial[:1] if len(set(initial)) == 1 else initial))


def feed_states(builder: GraphBuilder, plan: ImportPlan) -> None:
    """Define the recurrent inputs of the policy from the state."""
    start = 0
    for name in plan.mapping.recurrent:
        shape = plan.shape_of(name)
        end = start + int(np.prod(shape))
        values = builder.reshape(builder.take(STATE, start, end, 1), shape)
        builder.rename(builder.cast(values, plan.inputs[name].dtype), f"{POLICY}{name}")
        start = end


def next_state(builder: GraphBuilder, outputs: Sequence[str]) -> str:
    """Return the next state from the outputs of the policy, in the order of the inputs."""
    parts = [builder.reshape(builder.cast(name, np.dtype(np.float32)), (1, -1)) for name in outputs]
    return builder.apply("Concat", *parts, axis=1)
