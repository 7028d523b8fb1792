"""Every weight of a policy is found in its graphs."""

import pytest
import torch

from dbp_ros.errors import TrainingError
from dbp_ros.learning.config import TrainConfig
from dbp_ros.learning.graph_weights import name_weights, read_weights
from dbp_ros.learning.onnx_graphs import export_encoder, export_head
from dbp_ros.learning.policy_network import PolicyNetwork, PolicyShape

JOINTS = ("left_a_joint", "left_b_joint", "left_gripper_joint")
CAMERA = "head_camera"
SHAPE = PolicyShape(JOINTS, JOINTS, {CAMERA: (48, 48)}, {}, 0.1)


def policy(**changes) -> PolicyNetwork:
    """Return a policy whose parameters all differ, as after training."""
    torch.manual_seed(0)
    small = {"width": 32, "branch_width": 16, "unet_widths": (16, 32, 64), "resnet_width": 0.25}
    network = PolicyNetwork(SHAPE, TrainConfig(**{**small, **changes})).eval()
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize(
    "changes", [{}, {"head": "unet"}, {"encoder": "resnet"}, {"num_components": 3}]
)
def test_the_weights_of_a_one_step_policy_are_found(tmp_path, changes):
    network = policy(**changes)
    encoder = network.encoder(CAMERA)
    export_head(network, tmp_path / "head.onnx")
    export_encoder(encoder, (48, 48), tmp_path / "encoder.onnx")
    head = {
        f"policy.{name}": value
        for name, value in network.named_parameters()
        if not name.startswith("encoders.")
    }
    for file, weights in (
        ("head.onnx", head),
        ("encoder.onnx", dict(encoder.named_parameters(prefix="encoder"))),
    ):
        name_weights(tmp_path / file, weights)
        found = read_weights(tmp_path / file, {n: w.shape for n, w in weights.items()})
        for name, weight in weights.items():
            assert torch.equal(found[name], weight), name


def test_a_weight_that_is_not_in_the_graph_is_named(tmp_path):
    export_head(policy(), tmp_path / "head.onnx")
    with pytest.raises(TrainingError, match=r"no weight policy\.other: give the checkpoint"):
        read_weights(tmp_path / "head.onnx", {"policy.other": torch.Size([2])})
