"""Temperature annealing: wide kernels find every mode, narrow ones sharpen them."""

from dataclasses import dataclass

from dbp_ros.drift.fields import WIDE_TEMPERATURES


@dataclass(frozen=True)
class TemperatureSchedule:
    """Kernel widths that shrink geometrically from a multiple of their final values.

    Attributes:
        final: Kernel widths at the end, in units of the mean distance.
        initial_scale: Factor on them at the start; 1 for no annealing.
        anneal_until: Progress at which they reach their final values.
    """

    final: tuple[float, ...] = WIDE_TEMPERATURES
    initial_scale: float = 5.0
    anneal_until: float = 0.5

    def __call__(self, progress: float) -> tuple[float, ...]:
        """Return the kernel widths for a progress of the training from 0 to 1."""
        scale = self.initial_scale ** max(0.0, 1.0 - progress / self.anneal_until)
        return tuple(scale * width for width in self.final)
