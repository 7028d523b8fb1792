"""Samples of the plots, without a server."""

from types import SimpleNamespace

from dbp_ros.diagnosis.snapshot import NodeStatus
from dbp_ros.panel.plots import LATENCIES, RATES, Curve, LivePlot
from dbp_ros.panel.snapshot import PanelSnapshot


def shown(curves: tuple[Curve, ...], **values: str) -> list[list[float]]:
    """Return the curves of a plot after one sample with some diagnostics of the guard."""
    handle = SimpleNamespace(data=())
    plot = LivePlot(
        SimpleNamespace(gui=SimpleNamespace(add_uplot=lambda *_, **__: handle)), "", curves, 60.0
    )
    guard = NodeStatus("guard", 1, values={k.replace("__", "."): v for k, v in values.items()})
    plot.update(PanelSnapshot(nodes={"guard": guard}), 0.0, True)
    return [list(column) for column in handle.data[1:]]


def test_the_rate_of_commands_is_shown_without_a_policy() -> None:
    assert shown(RATES, command_period__rate_hz="250") == [[0.0], [250.0]]


def test_an_unknown_latency_is_not_shown_as_zero() -> None:
    assert shown(LATENCIES, image_age_at_command_ms__p50="20") == []
    assert shown(RATES) == []
