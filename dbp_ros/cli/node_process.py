"""Process of a verb that runs one node of the stack."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from dbp_ros.settings.fields import Settings
from dbp_ros.stack.preflight import checked_processes
from dbp_ros.stack.processes import Process, StackConfig


def node_process(
    name: str,
    stack: StackConfig,
    flags: Settings,
    given: Collection[str],
    parameters: Sequence[str],
) -> Process:
    """Return the process of one node, with checked settings.

    Args:
        name: Name of the node.
        stack: Stack that contains it.
        flags: Flags of the verb.
        given: Names of the flags on the command line; others leave a value of the parameter file.
        parameters: Names of the flags that are parameters of the node.

    Raises:
        ConfigError: If a setting, a parameter file or a folder is invalid, or a library is missing.
    """
    process = next(one for one in checked_processes(stack) if one.name == name)
    changed = {key: getattr(flags, key) for key in parameters if key in given}
    return replace(process, parameters={**process.parameters, **changed})
