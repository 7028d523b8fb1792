"""Live plots of the diagnostics, and learning curves."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser

from dbp_ros.panel.snapshot import PanelSnapshot

SAMPLE_PERIOD_S = 1.0
PLOT_HEIGHT_PX = 150
# Diagnostics arrive at about the rate of the samples: an increase is a mean over some of them.
INCREMENT_SAMPLES = 5
PALETTE = ("#1971c2", "#e8590c", "#2f9e44", "#9c36b5")


@dataclass(frozen=True)
class Curve:
    """A value of a node's diagnostics.

    Attributes:
        label: Name in the legend.
        node: Node of the stack.
        key: Key of its diagnostics.
        increment: Whether to show its increase per second in place of the value.
        absent: Value without one in the diagnostics, while other curves have one; NaN for none.
    """

    label: str
    node: str
    key: str
    increment: bool = False
    absent: float = float("nan")


RATES = (
    Curve("decisions [Hz]", "policy", "decision_period.rate_hz", absent=0.0),
    Curve("commands [Hz]", "guard", "command_period.rate_hz", absent=0.0),
)
LATENCIES = (
    Curve("image age [ms]", "guard", "image_age_at_command_ms.p50"),
    Curve("image to command [ms]", "guard", "reaction_ms.p50"),
)
LIMITED = (Curve("limited commands [1/s]", "guard", "limited_commands", increment=True),)


class LivePlot:
    """Plot of some curves over the last minutes."""

    def __init__(
        self,
        server: viser.ViserServer,
        title: str,
        curves: Sequence[Curve],
        duration_s: float,
    ) -> None:
        """Add an empty plot to the current container.

        Args:
            server: Server of the page.
            title: Its title.
            curves: The curves.
            duration_s: Duration that it shows, in [s].
        """
        self._curves = curves
        length = max(2, round(duration_s / SAMPLE_PERIOD_S))
        self._rows: deque[tuple[float, ...]] = deque(maxlen=length)
        self._values: deque[tuple[float, ...]] = deque(maxlen=INCREMENT_SAMPLES + 1)
        self._sampled_s = -float("inf")
        series: list[dict[str, Any]] = [{"label": "time [s]"}]
        series += [
            {"label": curve.label, "stroke": colour, "width": 2}
            for curve, colour in zip(curves, PALETTE, strict=False)
        ]
        empty = tuple(np.zeros(1) for _ in range(len(curves) + 1))
        self._plot = server.gui.add_uplot(
            empty,
            tuple(series),
            title=title,
            scales={"x": {"time": False}},
            height=PLOT_HEIGHT_PX,
        )

    def update(self, snapshot: PanelSnapshot, now_s: float, shown: bool) -> None:
        """Add a sample once per second.

        Args:
            snapshot: State of the stack.
            now_s: Present time, in [s].
            shown: Whether a browser shows the plot.
        """
        if now_s - self._sampled_s < SAMPLE_PERIOD_S:
            return
        self._sampled_s = now_s
        found = [snapshot.number(curve.node, curve.key) for curve in self._curves]
        values = tuple(
            curve.absent if math.isnan(value) else value
            for curve, value in zip(self._curves, found, strict=True)
        )
        # The axis of a plot with NaN has no range.
        if np.isnan(found).all() or np.isnan(values).any():
            self._values.clear()
            return
        self._values.append(values)
        duration_s = max(1, len(self._values) - 1) * SAMPLE_PERIOD_S
        self._rows.append(
            (
                now_s,
                *(
                    max(0.0, value - first) / duration_s if curve.increment else value
                    for curve, value, first in zip(
                        self._curves, values, self._values[0], strict=True
                    )
                ),
            )
        )
        if shown:
            columns = np.array(self._rows).T
            self._plot.data = (columns[0] - now_s, *columns[1:])
