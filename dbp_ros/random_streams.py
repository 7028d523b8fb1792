"""Independent random streams of one seed."""

from enum import IntEnum

import numpy as np


class RandomStream(IntEnum):
    """Uses of the random numbers of a seed.

    Each use has a stream of its own: two generators of one seed and one stream return the same
    numbers, so an episode's initial latent would depend on its scene.
    """

    # The numbers of `default_rng(seed)`.
    SCENE = 0
    COMMAND_NOISE = 1
    VARIATION = 2
    DISTURBANCE = 3
    RANDOMISATION = 4
    TAKEOVER = 5
    LATENT = 6
    EXPLORATION = 7

    def generator(self, seed: int) -> np.random.Generator:
        """Return the generator of a seed; a negative seed is unpredictable."""
        return np.random.default_rng(None if seed < 0 else (seed, self))
