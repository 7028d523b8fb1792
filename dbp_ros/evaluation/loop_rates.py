"""Rates of decisions and commands of a running stack."""

from collections.abc import Sequence
from typing import Any

from dbp_ros.nodes.model_pusher import ModelPusher

Periods = Sequence[dict[str, Any]]


def read_periods(stack: ModelPusher) -> Periods:
    """Return the statistics of the periods of decisions and of commands."""
    return [
        stack.statistics("policy")["decision_period"],
        stack.statistics("guard")["command_period"],
    ]


def rates_between(before: Periods, after: Periods) -> tuple[float, float]:
    """Return the rates of decisions and commands between two measurements in [Hz]."""
    decisions, commands = (
        (b["periods"] - a["periods"]) / max(1e-9, b["active_s"] - a["active_s"])
        for a, b in zip(before, after, strict=True)
    )
    return decisions, commands
