"""Image and point cloud encoders."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from dbp_ros.drift.encoders import (
    CentreCrop,
    Encoder,
    KeypointEncoder,
    PointCloudEncoder,
    ResNetEncoder,
    spatial_softmax,
)
from dbp_ros.errors import ConfigError, TrainingError


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


def image(count: int = 1, height: int = 32, width: int = 40) -> Tensor:
    return torch.randint(0, 256, (count, 3, height, width)).float()


def clouds(encoder: PointCloudEncoder, channels: int) -> Tensor:
    """Return two clouds a metre away from the origin, to which the encoder is fitted."""
    points = torch.rand(2, 50, channels) + torch.tensor([1.0, 0.0, 0.5, 0.0, 0.0, 0.0])[:channels]
    encoder.fit(points)
    return points


def resnet_18() -> ResNetEncoder:
    return ResNetEncoder(width=0.25, feature_size=12)


def test_spatial_softmax_finds_a_peak_between_pixels() -> None:
    maps = torch.full((1, 1, 21, 21), -50.0)
    maps[0, 0, 5, 10] = maps[0, 0, 5, 11] = 50.0
    across, down = spatial_softmax(maps)[0]
    assert across.item() == pytest.approx(0.05, abs=1e-6)
    assert down.item() == pytest.approx(-0.5, abs=1e-6)


def test_the_keypoint_encoder_reduces_the_resolution_to_a_quarter() -> None:
    encoder = KeypointEncoder((8, 8, 8, 8), 4)
    assert encoder.layers(torch.zeros(1, 3, 84, 84)).shape == (1, 8, 21, 21)


def test_the_keypoint_encoder_has_stable_parameter_names() -> None:
    names = {name.split(".")[0] for name in KeypointEncoder((8, 8, 8, 8), 4).state_dict()}
    assert names == {"layers", "maps"}


@pytest.mark.parametrize(
    "encoder",
    [
        KeypointEncoder((8, 8, 16, 16), 4),
        ResNetEncoder(10, 0.25, 12),
        ResNetEncoder(18, 0.25, 12, keypoints=5),
        ResNetEncoder(34, 0.25, 12),
    ],
)
def test_the_features_have_the_declared_size(encoder: Encoder) -> None:
    features = encoder(image(2))
    assert features.shape == (2, encoder.feature_size)
    assert features.isfinite().all()


def test_resnet_18_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        encoder = ResNetEncoder(feature_size=1000)
    assert sum(p.numel() for p in encoder.parameters()) == 11_689_512


@pytest.mark.parametrize("width", [0.01, 0.3, 0.5, 1.0])
def test_channels_are_a_multiple_of_the_group_size_at_any_width(width: float) -> None:
    with torch.device("meta"):
        norms = [m for m in ResNetEncoder(width=width).modules() if isinstance(m, nn.GroupNorm)]
    assert all(norm.num_channels == 16 * norm.num_groups for norm in norms)


def test_resnet_features_are_independent_of_the_batch() -> None:
    encoder, images = resnet_18(), image(3)
    torch.testing.assert_close(encoder(images)[1:2], encoder(images[1:2]), atol=1e-5, rtol=1e-5)


def test_an_unknown_resnet_is_refused() -> None:
    with pytest.raises(ConfigError, match="depth is 50"):
        ResNetEncoder(50)
    with pytest.raises(ConfigError, match="width is 0, expected a factor above 0"):
        ResNetEncoder(width=0)


def test_a_centre_crop_has_equal_margins() -> None:
    frame = torch.arange(5.0)[:, None] * 10 + torch.arange(8.0)
    expected = torch.tensor([[12.0, 13.0, 14.0, 15.0], [22, 23, 24, 25], [32, 33, 34, 35]])
    torch.testing.assert_close(CentreCrop(3, 4)(frame), expected)


def test_a_crop_of_the_whole_image_changes_nothing() -> None:
    frame = image()
    torch.testing.assert_close(CentreCrop(32, 40)(frame), frame)


@pytest.mark.parametrize("size", [(33, 40), (32, 41)])
def test_a_crop_larger_than_the_image_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="out of 32 x 40"):
        CentreCrop(*size)(image())


@pytest.mark.parametrize("channels", [3, 6])
def test_the_features_of_a_cloud_are_independent_of_the_order(channels: int) -> None:
    encoder = PointCloudEncoder(channels, 12, (16, 24))
    points = clouds(encoder, channels)
    shuffled = points[:, torch.randperm(50)]
    torch.testing.assert_close(encoder(shuffled), encoder(points), atol=1e-5, rtol=1e-5)


def test_repeated_points_do_not_change_the_features() -> None:
    encoder = PointCloudEncoder(3, 12, (16, 24))
    points = clouds(encoder, 3)
    repeated = torch.cat([points, points[:, :7], points[:, :1]], dim=1)
    torch.testing.assert_close(encoder(repeated), encoder(points), atol=1e-5, rtol=1e-5)


def test_other_points_change_the_features() -> None:
    encoder = PointCloudEncoder(3, 12, (16, 24))
    first, second = encoder(clouds(encoder, 3))
    assert (first - second).abs().max() > 1e-3


def test_a_fitted_encoder_maps_points_to_minus_one_to_one() -> None:
    encoder = PointCloudEncoder(3, 12, (16,))
    encoder.fit(torch.tensor([[[1.0, -3.0, 0.5], [2.0, 5.0, 0.5]]]))
    torch.testing.assert_close(encoder.centre, torch.tensor([1.5, 1.0, 0.5]))
    torch.testing.assert_close(encoder.half_range, torch.tensor([0.5, 4.0, 1.0]))


def test_a_fitted_encoder_is_independent_of_the_unit_of_length() -> None:
    encoder = PointCloudEncoder(3, 12, (16, 24))
    points = clouds(encoder, 3)
    in_metres = encoder(points)
    encoder.fit(1000 * points)
    torch.testing.assert_close(encoder(1000 * points), in_metres, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("points", [torch.zeros(0, 3), torch.tensor([[0.0, torch.nan, 1.0]])])
def test_clouds_that_are_empty_or_not_finite_are_refused(points: Tensor) -> None:
    with pytest.raises(TrainingError, match="drop pixels without depth"):
        PointCloudEncoder(3, 12, (16,)).fit(points)


@pytest.mark.parametrize(
    ("graph", "frame"),
    [
        (KeypointEncoder((8, 8, 8, 8), 4), image(height=16, width=16)),
        (nn.Sequential(CentreCrop(24, 32), ResNetEncoder(10, 0.25, 12)), image()),
        (PointCloudEncoder(3, 12, (16, 24)), torch.rand(1, 30, 3)),
    ],
)
def test_exported_encoder_matches_pytorch(graph: nn.Module, frame: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    torch.onnx.export(
        graph.eval(),
        (frame,),
        path,
        input_names=["frame"],
        dynamo=True,
        external_data=False,
        opset_version=20,
        verbose=False,
    )
    (exported,) = onnxruntime.InferenceSession(path).run(None, {"frame": frame.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(exported, graph(frame).numpy(), atol=1e-5)
