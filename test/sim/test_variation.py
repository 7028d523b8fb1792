"""A varied cell differs from the nominal one by the given sizes, and can be restored."""

from dataclasses import replace

import numpy as np
import pytest

from dbp_ros.settings.dual_ur5e import CAMERAS
from dbp_ros.sim.camera import open_cameras
from dbp_ros.sim.control_loop import ControlLoop
from dbp_ros.sim.expert import Expert
from dbp_ros.sim.simulation import Simulation
from dbp_ros.sim.variation import NOMINAL, Variation, sample_variation

VISIBLE = (
    Variation(camera_shift_m=0.02),
    Variation(camera_turn_rad=0.05),
    Variation(light_ratio=0.6),
    Variation(light_colour=(1.1, 1.0, 0.9)),
    Variation(object_colour=0.5),
    Variation(object_texture=0.5),
    Variation(table_ratio=0.6),
)
HIDDEN = (Variation(friction_ratio=1.3), Variation(mass_ratio=1.3), Variation(stiffness_ratio=1.3))


@pytest.fixture
def simulation() -> Simulation:
    return Simulation("lift")


def images(simulation: Simulation, backend: str = "raycast") -> np.ndarray:
    simulation.reset(3)
    with open_cameras(simulation.model, CAMERAS, 48, 48, backend) as rig:
        return np.stack(list(rig.render(simulation.data).values())).astype(int)


@pytest.mark.parametrize("variation", VISIBLE)
def test_a_visible_variation_changes_open_cameras_and_is_restored(
    simulation: Simulation, variation: Variation
) -> None:
    with open_cameras(simulation.model, CAMERAS, 48, 48, "raycast") as rig:

        def render() -> np.ndarray:
            simulation.reset(3)
            return np.stack(list(rig.render(simulation.data).values()))

        nominal = render()
        simulation.vary(variation, 1)
        assert (render() != nominal).any()
        simulation.vary(NOMINAL, 1)
        assert (render() == nominal).all()


def test_each_ratio_scales_its_quantity(simulation: Simulation) -> None:
    model, cube = simulation.model, simulation.model.body("cube").id
    servo = model.actuator("left_elbow_joint").id

    def quantities() -> np.ndarray:
        return np.array(
            [
                model.body_mass[cube],
                model.body_inertia[cube, 0],
                model.geom_friction[model.geom("table").id, 0],
                model.actuator_gainprm[servo, 0],
                model.actuator_biasprm[servo, 1],
                model.actuator_biasprm[servo, 2],
                model.vis.headlight.ambient[0],
                model.light_diffuse[0, 0],
            ]
        )

    nominal = quantities()
    simulation.vary(
        Variation(mass_ratio=2.0, friction_ratio=3.0, stiffness_ratio=4.0, light_ratio=0.5), 0
    )
    np.testing.assert_allclose(quantities() / nominal, [2, 2, 3, 4, 4, 2, 0.5, 0.5])


@pytest.mark.parametrize("variation", HIDDEN)
def test_a_variation_of_the_physics_changes_the_motion_and_not_the_first_image(
    simulation: Simulation, variation: Variation
) -> None:
    def path() -> np.ndarray:
        loop = ControlLoop(simulation)
        loop.reset(3)
        expert = Expert(simulation, "left")
        positions = []
        for _ in range(60):
            loop.step(expert.command())
            positions.append(simulation.data.qpos.copy())
        return np.array(positions)

    nominal_image, nominal = images(simulation), path()
    simulation.vary(variation, 1)
    assert (images(simulation) == nominal_image).all()
    assert (path() != nominal).any()
    simulation.vary(NOMINAL, 1)
    assert (path() == nominal).all()


def test_both_renderers_show_the_same_variation(simulation: Simulation) -> None:
    simulation.vary(sample_variation(1.0, np.random.default_rng(0)), 0)
    difference = np.abs(images(simulation, "auto") - images(simulation, "raycast"))
    assert np.percentile(difference, 90) <= 1


def test_a_variation_depends_on_the_seed_alone(simulation: Simulation) -> None:
    variation = Variation(camera_shift_m=0.02, object_colour=0.5)
    first = [(simulation.vary(variation, seed), images(simulation))[1] for seed in (1, 2, 1)]
    assert (first[0] == first[2]).all()
    assert (first[0] != first[1]).any()


def test_the_scale_of_the_randomisation_bounds_each_change() -> None:
    rng = np.random.default_rng(0)
    assert sample_variation(0.0, rng) == NOMINAL
    samples = [sample_variation(1.0, rng) for _ in range(200)]
    assert max(s.camera_shift_m for s in samples) <= 0.01
    assert 0.6 <= min(s.light_ratio for s in samples) < 0.7
    assert 1.3 < max(s.light_ratio for s in samples) <= 1.4
    assert len({replace(s, light_colour=NOMINAL.light_colour) for s in samples}) == 200


def test_a_shifted_camera_is_shifted_by_the_distance(simulation: Simulation) -> None:
    nominal = simulation.model.cam_pos.copy()
    simulation.vary(Variation(camera_shift_m=0.02), 5)
    shifts = np.linalg.norm(simulation.model.cam_pos - nominal, axis=1)
    cameras = [simulation.model.camera(name).id for name in CAMERAS]
    assert shifts[cameras] == pytest.approx(0.02)
    assert np.delete(shifts, cameras) == pytest.approx(0.0)
