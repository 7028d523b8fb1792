"""Check of an environment before a command uses it: one step, and two equal resets."""

import numpy as np

from dbp_ros.envs.registry import EnvSpec


def describe_env(spec: EnvSpec) -> list[str]:
    """Make an environment, do one step, and return sentences that describe it.

    Raises:
        ConfigError: If the environment cannot be made, or raises in `reset` or `step`.
    """
    env = spec.make()
    try:
        first, again = env.reset(0), env.reset(0)
        env.step(env.clip(np.zeros(len(env.action_names))))
        own_step_s = env.step_s / env.repeats
        repeats = f", {env.repeats} repeats of {own_step_s:g} s" if env.repeats > 1 else ""
        lines = [
            f"{spec.id}: states {', '.join(env.state_names) or 'none'}; "
            f"actions {', '.join(env.action_names)}; cameras {', '.join(env.cameras) or 'none'}",
            f"control step {env.step_s:g} s{repeats} from {env.step_source}; "
            f"success from {env.success_source}",
        ]
    finally:
        env.close()
    if not np.array_equal(first, again):
        lines.append(
            "two resets with seed 0 returned different states, so episodes cannot be repeated: "
            "draw all random numbers from self.np_random"
        )
    return lines
