"""What remains of a panel when it ends: HTML with its tables and a picture, which needs no kernel, script or network.

Colours and borders work on light and dark pages alike. Everything is written into the tags themselves, and pictures
bring their data along, so that it also looks right in a notebook that is not trusted.
"""

from __future__ import annotations

import re
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

from logkit.views.panel import markup, sheet
from logkit.views.panel.axis import ticks

if TYPE_CHECKING:
    from logkit.views.panel.look import Look
    from logkit.views.panel.traffic import Chart

_GAP = '<div style="height:12px"></div>'
_GREY = "#808080"  # readable on white and on black


def html(look: Look, by: str) -> str:
    """The still panel."""
    parts = [markup.head(look), markup.legend(look, by)]
    if look.chart is not None and len(look.chart.names):
        data = b64encode(picture(look.chart)).decode()
        parts.append(
            f'<img alt="events over time, stacked by {by}" style="width:100%;margin:0" '
            f'src="data:image/png;base64,{data}">'
        )
    parts += [markup.services(look), _GAP, markup.errors(look), markup.sinks(look), markup.threads(look)]
    text = re.sub(r"<svg.*?</svg>", lambda found: sheet.as_image(found[0]), "".join(parts))
    return sheet.inlined(f'<div class="lk" style="max-width:1100px">{text}</div>')


def picture(chart: Chart) -> bytes:
    """The timeline as a PNG without a background."""
    import pandas as pd
    from matplotlib.figure import Figure

    from logkit.views import plots

    figure = Figure(figsize=(9.4, 1.8), layout="constrained")
    axes = figure.add_subplot()
    starts = pd.DatetimeIndex(chart.window.starts, tz="UTC").as_unit("us")
    plots.stack(axes, starts, chart.window.width_us, list(chart.heights), chart.colours)
    for bar in axes.patches:
        bar.set_snap(False)  # snapped to pixels, some of the gaps would close
    start, stop = chart.window.start_us // 1_000_000, chart.window.stop_us // 1_000_000
    labels = ticks(start, stop)
    axes.set_xticks([at / 86_400 for at in labels], list(labels.values()), parse_math=False)
    axes.set_xlim(start / 86_400, stop / 86_400)
    axes.set_xlabel("")  # the line above says what is shown
    axes.tick_params(colors=_GREY, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(_GREY)
    axes.grid(axis="y", color=_GREY, alpha=0.25, linewidth=0.6)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=150, transparent=True)
    return buffer.getvalue()
