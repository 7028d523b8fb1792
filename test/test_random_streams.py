import numpy as np
import pytest

from dbp_ros.policy.ar1_latent import AR1Latent
from dbp_ros.random_streams import RandomStream

SEEDS = 400


def samples(stream: RandomStream) -> np.ndarray:
    return np.array([stream.generator(seed).random(4) for seed in range(SEEDS)])


@pytest.mark.parametrize("stream", RandomStream)
def test_streams_of_one_seed_are_uncorrelated(stream: RandomStream) -> None:
    for other in RandomStream:
        columns = np.corrcoef(samples(stream), samples(other), rowvar=False)[:4, 4:]
        expected = np.eye(4) if other is stream else np.zeros((4, 4))
        np.testing.assert_allclose(columns, expected, atol=0.25)


def test_a_latent_is_independent_of_the_scene_of_its_seed() -> None:
    latent = AR1Latent((16, 14), 0.2)
    latents = []
    for seed in range(SEEDS):
        latent.reset(seed)
        latents.append(latent.value.ravel())
    scenes = np.array([RandomStream.SCENE.generator(seed).random(32) for seed in range(SEEDS)])
    columns = np.corrcoef(np.array(latents), scenes, rowvar=False)[: latents[0].size, -32:]
    # 7168 coefficients of independent samples have a standard deviation of 0.05.
    assert np.abs(columns).max() < 0.3


def test_a_negative_seed_is_unpredictable() -> None:
    stream = RandomStream.LATENT
    assert stream.generator(-1).random() != stream.generator(-1).random()
