"""One unit for rewards, whatever the task pays in."""

import torch
from torch import Tensor


class RewardScaler:
    """Divides rewards by the standard deviation of the discounted return so far.

    The statistics are those of the whole run, so the unit comes to rest; it is of returns and not
    of rewards, so a policy that becomes steady does not make its rewards grow. Nothing is
    subtracted: that would change which policy is best.
    """

    def __init__(self, clip: float) -> None:
        """Begin without statistics.

        Args:
            clip: Largest scaled reward.
        """
        self._clip = clip
        self._count, self._mean, self._squares = torch.zeros(3, dtype=torch.float64)
        self._running = torch.zeros(0, dtype=torch.float64)

    @property
    def scale(self) -> float:
        """What rewards are divided by; 1 until returns differ."""
        if self._count < 2 or self._squares <= 0:
            return 1.0
        return float((self._squares / self._count).sqrt())

    def __call__(self, reward: Tensor, span: Tensor, ended: Tensor) -> Tensor:
        """Take in a batch and return it scaled.

        Args:
            reward: Of decisions. Shape (T, N).
            span: `gamma^n` of each. Shape (T, N).
            ended: Whether the episode ended with it; the next one's return begins at nothing.
                Shape (T, N).
        """
        if len(self._running) != reward.shape[1]:
            self._running = torch.zeros(reward.shape[1], dtype=torch.float64)
        seen = []
        for paid, kept, over in zip(reward.double(), span.double(), ended, strict=True):
            self._running = kept * self._running + paid
            seen.append(self._running)
            self._running = torch.where(over, 0.0, self._running)
        self._merge(torch.stack(seen))
        return (reward / self.scale).clamp(-self._clip, self._clip)

    def _merge(self, values: Tensor) -> None:
        """Add values to the count, the mean and the sum of squares (Chan et al., 1979)."""
        count = values.numel()
        mean, total = values.mean(), self._count + count
        apart = mean - self._mean
        self._squares = (
            self._squares
            + (values - mean).square().sum()
            + apart.square() * self._count * count / total
        )
        self._mean = self._mean + apart * count / total
        self._count = total

    def state_dict(self) -> dict[str, Tensor]:
        """Return the statistics and the returns that are under way."""
        moments = torch.stack([self._count, self._mean, self._squares])
        return {"moments": moments, "running": self._running.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._count, self._mean, self._squares = state["moments"].clone()
        self._running = state["running"].clone()
