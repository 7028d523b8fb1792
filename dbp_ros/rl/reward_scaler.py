"""Reward normalisation."""

import torch
from torch import Tensor


class RewardScaler:
    """Reward normalisation by the standard deviation of the discounted return.

    The statistics cover the whole run, so the scale converges. They are of returns, so a policy
    with constant rewards does not increase the scaled reward. The mean is not subtracted, since
    that would change the optimal policy.
    """

    def __init__(self, clip: float) -> None:
        """Start without statistics.

        Args:
            clip: Largest scaled reward.
        """
        self._clip = clip
        self._count, self._mean, self._squares = torch.zeros(3, dtype=torch.float64)
        self._running = torch.zeros(0, dtype=torch.float64)

    @property
    def scale(self) -> float:
        """Divisor of rewards; 1 until returns differ."""
        if self._count < 2 or self._squares <= 0:
            return 1.0
        return float((self._squares / self._count).sqrt())

    def __call__(self, reward: Tensor, discount: Tensor, ended: Tensor, valid: Tensor) -> Tensor:
        """Update the statistics with a batch and return it scaled.

        Args:
            reward: Of decisions. Shape (T, N).
            discount: `gamma^n` of each decision. Shape (T, N).
            ended: Whether the episode ended with the decision. Shape (T, N).
            valid: Whether the decision counts; others begin a new return. Shape (T, N).
        """
        reward = reward * valid
        if len(self._running) != reward.shape[1]:
            self._running = torch.zeros(reward.shape[1], dtype=torch.float64)
        returns = []
        ends = ended | ~valid
        for row, factor, end in zip(reward.double(), discount.double(), ends, strict=True):
            self._running = factor * self._running + row
            returns.append(self._running)
            self._running = torch.where(end, 0.0, self._running)
        if bool(valid.any()):
            self._merge(torch.stack(returns)[valid])
        return self.scaled(reward)

    def scaled(self, reward: Tensor) -> Tensor:
        """Return rewards scaled by the current statistics."""
        return (reward / self.scale).clamp(-self._clip, self._clip)

    def _merge(self, values: Tensor) -> None:
        """Add values to the count, the mean and the sum of squares (Chan et al., 1979)."""
        count = values.numel()
        mean, total = values.mean(), self._count + count
        difference = mean - self._mean
        self._squares = (
            self._squares
            + (values - mean).square().sum()
            + difference.square() * self._count * count / total
        )
        self._mean = self._mean + difference * count / total
        self._count = total

    def state_dict(self) -> dict[str, Tensor]:
        """Return the statistics and the running returns."""
        moments = torch.stack([self._count, self._mean, self._squares])
        return {"moments": moments, "running": self._running.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a state."""
        self._count, self._mean, self._squares = state["moments"].clone()
        self._running = state["running"].clone()
