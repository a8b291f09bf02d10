"""The live timeline: stacked bars and a brush, by bqplot. It is given numbers and colours, never text out of a log.

Its time axis is a linear one in seconds since 1970 with labels of ours: bqplot's own date scale moves its ends by the
browser's offset from UTC, and its bars not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import bqplot
import ipywidgets
import numpy as np

from logkit.views.panel.axis import ticks, top_of

if TYPE_CHECKING:
    from logkit.views.panel.traffic import Chart

_HEIGHT: Final = "180px"
_BRUSH: Final = "#2f8fd0"


class Timeline:
    """The figure of one panel. Written by one thread at a time."""

    def __init__(self) -> None:
        self._x, self._y = bqplot.LinearScale(min=0.0, max=1.0), bqplot.LinearScale(min=0.0, max=1.0)
        scales = {"x": self._x, "y": self._y}
        self._bars = bqplot.Bars(
            x=[], y=[], scales=scales, type="stacked", align="center", padding=0.12, stroke_width=0
        )
        self._brush = bqplot.interacts.BrushIntervalSelector(scale=self._x, color=_BRUSH)
        self._time = bqplot.Axis(scale=self._x, grid_lines="none", tick_values=[0.0], tick_labels={"0": ""})
        self._labels: dict[str, str] = {}
        self._count = bqplot.Axis(scale=self._y, side="left", tick_format="~s", tick_values=[0.0, 1.0])
        self.figure = bqplot.Figure(
            marks=[self._bars],
            axes=[self._time, self._count],
            interaction=self._brush,
            fig_margin={"top": 8, "bottom": 24, "left": 40, "right": 8},
            padding_x=0.0,
            padding_y=0.0,
            animation_duration=0,
            display_toolbar=False,
            background_style={"fill": "none"},
            layout=ipywidgets.Layout(width="100%", height=_HEIGHT, min_width="0", min_height=_HEIGHT),
        )

    @property
    def selection(self) -> tuple[int, int] | None:
        """What the brush covers, in µs since 1970; None where it covers nothing."""
        found = self._brush.selected
        if found is None or np.size(found) != 2:
            return None
        start, stop = sorted(round(1e6 * float(end)) for end in found)
        return (start, stop) if start < stop else None

    def draw(self, chart: Chart | None) -> None:
        """Show these counts, where they are not shown already."""
        if chart is None or not len(chart.names):
            if self._bars.x.size:
                with self._bars.hold_sync():
                    self._bars.x, self._bars.y = np.array([]), np.array([])
            return
        window = chart.window
        half = window.width_us / 2e6
        start, stop = window.start_us // 1_000_000, window.stop_us // 1_000_000
        if (self._x.min, self._x.max) != (start + half, stop - half):
            labels = {str(at): label for at, label in ticks(start, stop).items()}
            # Ticks are drawn with the labels known when their values arrive, and old ones until then.
            self._time.tick_labels = self._labels | labels
            with self._x.hold_sync():  # bqplot adds half a bar at either end
                self._x.min, self._x.max = start + half, stop - half
            self._time.tick_values = np.array(list(labels), np.float64)
            self._labels = labels
        top = top_of(float(chart.heights.sum(axis=0).max()))
        if self._y.max != top:
            self._y.max = top
            self._count.tick_values = np.array([0.0, top / 2, top] if top > 2 else [0.0, top])
        middles = window.starts.astype(np.int64) / 1e6 + half
        heights = chart.heights.astype(np.float64)
        with self._bars.hold_sync():
            if not np.array_equal(self._bars.x, middles):
                self._bars.x = middles
            if not np.array_equal(self._bars.y, heights):
                self._bars.y = heights
            if self._bars.colors != list(chart.colours):
                self._bars.colors = list(chart.colours)
