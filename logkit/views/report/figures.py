"""The report's pictures, each drawn twice as SVG: wide for a page, narrow for a phone."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from logkit.views.plots import Plots
from logkit.views.report.document import Figure, Line
from logkit.views.style import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from logkit.snapshot import Snapshot

Draw = Callable[[Plots, "Axes"], object]

_WIDE: Final = 9.2
_NARROW: Final = 4.7
_NARROW_TEXT: Final = 22
# Text as outlines: the picture looks the same wherever it is opened, and holds no text a reader could be tricked by.
_STYLE: Final[Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "logkit",
    "font.size": 9.5,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}
_SVG_DPI: Final = 72
_IMAGE_DPI: Final = 100  # of what SVG holds as pixels: the heat map
_AXES: Final = (0.12, 0.2, 0.88, 0.95)  # left, bottom, right, top: what is left of them when all is labelled, about
_PAD: Final = 0.04  # inches
_LEAST: Final = 0.1


def figure(
    snapshot: Snapshot, redact: Callable[[str], str], draw: Draw, caption: str, alt: Line, inches: tuple[float, float]
) -> Figure:
    """One picture; `inches` are its heights wide and narrow."""
    narrow_text = Plots(snapshot, lambda text: plain(redact(text), _NARROW_TEXT))
    wide = _svg(Plots(snapshot, redact), draw, _WIDE, inches[0])
    return Figure(caption, alt, wide, _svg(narrow_text, draw, _NARROW, inches[1]))


def _svg(plots: Plots, draw: Draw, width: float, height: float) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    with rc_context(_STYLE):
        canvas = Canvas(figsize=(width, height), dpi=_SVG_DPI)
        FigureCanvasSVG(canvas)
        canvas.subplots_adjust(*_AXES)
        draw(plots, canvas.add_subplot())
        _fit(canvas)
        buffer = BytesIO()
        canvas.savefig(buffer, format="svg", dpi=_IMAGE_DPI, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _fit(canvas: Canvas) -> None:
    """Move the axes' edges so that what stands around them fits, and no more.

    One look where Matplotlib's layouts take several: what stands around them keeps its size.
    """
    width, height = canvas.get_size_inches()
    axes, box = canvas.subplotpars, canvas.get_tightbbox()
    left, bottom = axes.left + (_PAD - box.x0) / width, axes.bottom + (_PAD - box.y0) / height
    right, top = axes.right + (width - _PAD - box.x1) / width, axes.top + (height - _PAD - box.y1) / height
    # Where names take all there is, what stands on the right or above is cut, not the data.
    canvas.subplots_adjust(left, bottom, max(right, left + _LEAST), max(top, bottom + _LEAST))
