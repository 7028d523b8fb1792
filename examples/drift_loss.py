"""The drift loss on three modes, in a plain loop, with a plot."""

import argparse
import math

import torch
from matplotlib.figure import Figure

from dbp_ros.drift import OneStepGenerator, TemperatureSchedule, drift_loss

HORIZON = 4


def demonstrations(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return observations in [-1, 1] and, for each, a path to one of three goals."""
    observation = 2 * torch.rand(count, 1) - 1
    goal = torch.randint(3, (count, 1))
    angle = 0.5 * observation + 2 * math.pi / 3 * goal
    end = 0.8 * torch.cat([angle.cos(), angle.sin()], dim=1)
    path = torch.linspace(0.25, 1.0, HORIZON)[:, None] * end[:, None]
    return observation, path + 0.02 * torch.randn(count, HORIZON, 2)


def between_modes(observation: torch.Tensor, chunks: torch.Tensor) -> float:
    """Return the fraction of chunks that do not end near a goal."""
    angle = 0.5 * observation + 2 * math.pi / 3 * torch.arange(3)
    goals = 0.8 * torch.stack([angle.cos(), angle.sin()], dim=-1)
    distance = torch.cdist(chunks[:, :, -1], goals).min(-1).values
    return float((distance > 0.2 * 0.8 * math.sqrt(3)).float().mean())


def main() -> None:
    """Train a generator, and print and plot its samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-steps", type=int, default=2_000)
    parser.add_argument("--plot", default="", help="file for a plot of the samples")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    observations, actions = demonstrations(5_000)
    generator = OneStepGenerator.mlp(1, HORIZON, 2, width=128)
    optimizer = torch.optim.Adam(generator.parameters(), 2e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.num_steps)
    temperatures = TemperatureSchedule()
    for step in range(arguments.num_steps):
        rows = torch.randint(len(observations), (128,))
        samples = generator(observations[rows], generator.noise(128))
        progress = step / arguments.num_steps
        loss = drift_loss(samples, actions[rows], temperatures=temperatures(progress))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    with torch.no_grad():
        chunks = generator(observations[:500], generator.noise(500))
    print(f"between modes: {100 * between_modes(observations[:500], chunks):.1f} %")
    if arguments.plot:
        figure = Figure(figsize=(4, 4))
        axes = figure.add_subplot()
        axes.plot(*chunks[:, 0].permute(2, 1, 0), color="tab:blue", alpha=0.2)
        axes.set_aspect("equal")
        figure.savefig(arguments.plot, dpi=100)


if __name__ == "__main__":
    main()
