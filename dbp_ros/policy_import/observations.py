"""Reproducible observations for the golden cases of an imported policy."""

from collections.abc import Mapping

import numpy as np

from dbp_ros.bundle.golden import GoldenCases
from dbp_ros.policy_import.plan import ImportPlan
from dbp_ros.policy_import.reference_policy import ReferencePolicy
from dbp_ros.types import Floats, Image

CASES = 8
SEED = 0
# Sizes of other images relative to those of the training.
OTHER_SIZES = ((1.7, 1.3), (0.6, 0.9))
# Block of one colour, so that a resized image differs from its mean.
BLOCK = 4


def golden_cases(plan: ImportPlan, reference: ReferencePolicy) -> GoldenCases:
    """Return golden cases with images of the size of the training."""
    generator = np.random.default_rng(SEED)
    sizes = {name: plan.camera_size(name) for name in plan.mapping.images}
    return _cases(plan, reference, generator, sizes, CASES)


def other_sizes(plan: ImportPlan, reference: ReferencePolicy) -> list[GoldenCases]:
    """Return cases with images of other sizes, which the encoders resize; none without images."""
    generator = np.random.default_rng(SEED + 1)
    found = []
    for factors in OTHER_SIZES if plan.mapping.images else ():
        sizes = {}
        for name in plan.mapping.images:
            height, width = plan.camera_size(name)
            sizes[name] = max(1, round(height * factors[0])), max(1, round(width * factors[1]))
        found.append(_cases(plan, reference, generator, sizes, 1))
    return found


def _cases(
    plan: ImportPlan,
    reference: ReferencePolicy,
    generator: np.random.Generator,
    sizes: Mapping[str, tuple[int, int]],
    count: int,
) -> GoldenCases:
    positions = _positions(plan, generator, count)
    cameras = {name: image.camera for name, image in plan.mapping.images.items()}
    images = {
        cameras[name]: np.stack([_images(plan.history, size, generator) for _ in range(count)])
        for name, size in sizes.items()
    }
    latent = generator.standard_normal((count, plan.horizon, plan.latent_size), np.float32)
    actions = [
        reference.predict(positions[case], {c: i[case] for c, i in images.items()}, latent[case])
        for case in range(count)
    ]
    return GoldenCases(positions, images, {}, latent, np.stack(actions))


def _positions(plan: ImportPlan, generator: np.random.Generator, count: int) -> Floats:
    """Return joint positions near those of the training. Shape (count, history, nu)."""
    mapping = plan.mapping
    values = generator.uniform(-1, 1, (count, plan.history, len(mapping.joints)))
    for joint, units in mapping.joint_units.items():
        if units.robot_range is not None:
            at, (low, high) = mapping.joints.index(joint), units.robot_range
            values[..., at] = low + (values[..., at] + 1) / 2 * (high - low)
    for item in mapping.positions.values():
        for column, joint in enumerate(mapping.columns(item)):
            factor, offset = mapping.conversion(item, joint)
            at = mapping.joints.index(joint)
            if item.mean:
                values[..., at] = values[..., at] * item.std[column] + item.mean[column]
            elif item.min:
                low, high = item.min[column], item.max[column]
                values[..., at] = low + (values[..., at] + 1) / 2 * (high - low)
            else:
                continue
            values[..., at] = values[..., at] * factor + offset
    return values.astype(np.float32)


def _images(count: int, size: tuple[int, int], generator: np.random.Generator) -> Image:
    """Return images of coloured blocks with noise. Shape (count, *size, 3)."""
    height, width = size
    blocks = (count, -(-height // BLOCK), -(-width // BLOCK), 3)
    colours = generator.integers(16, 240, blocks)
    enlarged = colours.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)[:, :height, :width]
    return (enlarged + generator.integers(-16, 16, enlarged.shape)).astype(np.uint8)
