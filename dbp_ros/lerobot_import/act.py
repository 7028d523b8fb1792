"""ACT policies of LeRobot (arXiv 2304.13705) from raw positions and images to raw actions."""

from pathlib import Path

from torch import Tensor, nn

from dbp_ros.learning.onnx_graphs import write_graph
from dbp_ros.lerobot_import.act_network import ACTIVATIONS, ActNetwork, ActShape
from dbp_ros.lerobot_import.checkpoint import Checkpoint
from dbp_ros.lerobot_import.graphs import example_observation, require_parity
from dbp_ros.lerobot_import.statistics import ACTION, STATE, Affine

PREFIX = "model."
# Weights of the training objective only.
TRAINING_ONLY = "vae_encoder"


class ActPolicy(nn.Module):
    """Network with the normalisation of its inputs and the denormalisation of its actions.

    Attributes:
        names: Names of the inputs, the state first.
    """

    def __init__(
        self, network: ActNetwork, names: tuple[str, ...], inputs: list[Affine], output: Affine
    ) -> None:
        """Join a network with its normalisation, the state first."""
        super().__init__()
        self.network, self.names = network, names
        self.inputs, self.output = nn.ModuleList(inputs), output

    def forward(self, state: Tensor, images: list[Tensor]) -> Tensor:
        """Return the actions of a chunk. Shape (1, chunk_size, action_dim).

        Args:
            state: Raw joint positions. Shape (1, state_dim).
            images: Pixels from 0 to 1. Shapes (1, 3, height, width).
        """
        state, *images = [n(x) for n, x in zip(self.inputs, (state, *images), strict=True)]
        action: Tensor = self.output(self.network(state, images))
        return action


def read_act(checkpoint: Checkpoint) -> ActPolicy:
    """Read the policy of a checkpoint.

    Raises:
        TrainingError: If the policy has an option that `ActNetwork` does not have, or a weight is
            missing.
    """
    config = checkpoint.config
    activation = config.get("feedforward_activation")
    checkpoint.refuse(
        {
            f"n_obs_steps is {config.get('n_obs_steps')}, expected 1": config.get("n_obs_steps")
            != 1,
            "replace_final_stride_with_dilation is set": bool(
                config.get("replace_final_stride_with_dilation")
            ),
            f"feedforward_activation is {activation!r}, expected one of {', '.join(ACTIVATIONS)}": (
                activation not in ACTIVATIONS
            ),
        }
    )
    network = ActNetwork(checkpoint.shape(ActShape))
    weights = checkpoint.weights()
    own = {n.removeprefix(PREFIX): w for n, w in weights.items() if n.startswith(PREFIX)}
    checkpoint.fill(network, {n: w for n, w in own.items() if not n.startswith(TRAINING_ONLY)})
    names = (STATE, *network.shape.cameras)
    return ActPolicy(network, names, *checkpoint.normalisation(names, weights)).eval()


def export_act(policy: ActPolicy, path: Path) -> float:
    """Write a policy as an ONNX graph, and compare it with PyTorch.

    Returns:
        Largest difference of an action, in its unit.

    Raises:
        TrainingError: If the graph differs too much from PyTorch.
    """
    shape = policy.network.shape
    state, images = example_observation(shape.state_dim, shape.cameras)
    write_graph(policy, (state, images), path, list(policy.names), [ACTION])
    given = dict(zip(policy.names, (state, *images), strict=True))
    return require_parity(path, given, policy(state, images))
