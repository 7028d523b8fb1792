"""Policy execution: `load_policy` returns a function from an observation to an action chunk."""

from dbp_ros.policy.chunk_policy import ChunkPolicy, PolicySpec
from dbp_ros.policy.load import load_policy

__all__ = ["ChunkPolicy", "PolicySpec", "load_policy"]
