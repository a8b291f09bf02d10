"""The widgets of one panel: written by one thread at a time, and only where something changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import ipywidgets

from logkit import schema
from logkit.views.panel import markup, sheet
from logkit.views.panel.chart import Timeline
from logkit.views.panel.moment import Wanted
from logkit.views.style import duration

if TYPE_CHECKING:
    from logkit.views.panel.look import Look

_WINDOWS: Final = (60, 300, 900, 3600, 6 * 3600, 24 * 3600)
_ALL: Final = 0  # a dropdown takes None for nothing chosen
_CONTROL_MARGIN: Final = "2px 18px 2px 0"


class Face:
    """Layout, controls, tables and the chart. Log text goes into escaped HTML, never into the chart."""

    def __init__(self, wanted: Wanted) -> None:
        self._html = {name: ipywidgets.HTML() for name in ("head", "legend", "selection", "sinks", "threads")}
        for name in ("services", "errors"):
            layout = ipywidgets.Layout(flex="1 1 540px", min_width="0", margin="0 2px 6px 2px")
            self._html[name] = ipywidgets.HTML(layout=layout)
        self._controls(wanted)
        self._timeline = Timeline()
        html = self._html
        tables = ipywidgets.Box(
            [html["services"], html["errors"]],
            layout=ipywidgets.Layout(flex_flow="row wrap", width="100%", grid_gap="0 30px"),
        )
        self.root = ipywidgets.VBox(
            [
                ipywidgets.HTML(sheet.style_sheet()),
                html["head"],
                self._row,
                html["legend"],
                self._timeline.figure,
                html["selection"],
                tables,
                html["sinks"],
                html["threads"],
            ],
            layout=ipywidgets.Layout(width="100%", overflow="hidden"),
        )
        self.root.add_class("logkit-panel")

    def _controls(self, wanted: Wanted) -> None:
        lengths = sorted({*_WINDOWS, *([wanted.window_us // 1_000_000] if wanted.window_us else [])})
        windows = [(duration(1_000_000 * seconds), 1_000_000 * seconds) for seconds in lengths]
        self._window = _dropdown("window", [*windows, ("all", _ALL)], wanted.window_us or _ALL)
        self._by = _dropdown("stacked by", ["level", "service"], wanted.by)
        self._level = _dropdown("lowest level", ["all", *schema.LEVELS], wanted.min_level or "all")
        self._services = ipywidgets.Text(
            wanted.services,
            description="services",
            placeholder="part of a name, …",
            continuous_update=False,
            tooltip="show services with one of these in their name; separate by commas",
            layout=ipywidgets.Layout(width="190px", margin=_CONTROL_MARGIN),
            style={"description_width": "auto"},
        )
        self._pause = ipywidgets.ToggleButton(
            wanted.paused,
            description="Pause",
            tooltip="leave the panel as it is; reading goes on",
            layout=ipywidgets.Layout(width="80px", margin="2px 0"),
        )
        self._row = ipywidgets.Box(
            [self._window, self._level, self._services, self._by, self._pause],
            layout=ipywidgets.Layout(flex_flow="row wrap", width="100%", margin="2px 0 0 2px"),
        )

    def wanted(self) -> Wanted:
        """What the controls say now. Reading a trait is one reference; any thread may."""
        return Wanted(
            window_us=self._window.value or None,
            by=self._by.value,
            min_level=None if self._level.value == "all" else self._level.value,
            services=self._services.value,
            paused=self._pause.value,
            selection=self._timeline.selection,
        )

    def show(self, look: Look) -> None:
        """Write what changed."""
        for name, make in _PARTS.items():
            self._html[name].value = make(look)
        self._html["legend"].value = markup.legend(look, self._by.value)
        self._timeline.draw(look.chart)

    def fail(self, why: str) -> None:
        """Say in the panel's place why it will not move any more."""
        self._html["head"].value = markup.failure(why)

    def freeze(self, html: str) -> None:
        """Show this instead of everything. It is what a page shows that was loaded again, and so has forgotten which
        output was the panel's."""
        before = list(_family(self.root))
        self.root.remove_class("logkit-panel")
        self.root.children = (ipywidgets.HTML(html),)
        left = {id(one) for one in _family(self.root)}
        for widget in before:
            if id(widget) not in left:
                widget.close()

    def close(self) -> None:
        """Close every widget the panel is made of, here and in the browser."""
        for widget in list(_family(self.root)):
            widget.close()


_PARTS: Final = {
    "head": markup.head,
    "selection": markup.selection,
    "services": markup.services,
    "errors": markup.errors,
    "sinks": markup.sinks,
    "threads": markup.threads,
}


def _dropdown(label: str, options: list[Any], value: object) -> ipywidgets.Dropdown:
    layout = ipywidgets.Layout(width="auto", margin=_CONTROL_MARGIN)
    return ipywidgets.Dropdown(
        options=options, value=value, description=label, layout=layout, style={"description_width": "auto"}
    )


def _family(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """A widget and all it refers to: children, layouts, styles, scales."""
    seen: dict[int, ipywidgets.Widget] = {}
    queue: list[Any] = [widget]
    while queue:
        one = queue.pop()
        if isinstance(one, list | tuple):
            queue += one
        elif isinstance(one, dict):
            queue += one.values()
        elif isinstance(one, ipywidgets.Widget) and id(one) not in seen:
            seen[id(one)] = one
            queue += [getattr(one, name) for name in one.keys]
    yield from seen.values()
