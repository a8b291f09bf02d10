"""Pure: the looks of a panel: a declaration per class, as a style sheet or written into the tags themselves."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from logkit.views.style import LEVEL_COLOURS

GOOD, BUSY, WARN, BAD = "#0f9d75", "#2f8fd0", "#d98c00", LEVEL_COLOURS["ERROR"]

_FAINT: Final = "opacity:0.68"
_LINE: Final = "rgba(128, 128, 128, 0.28)"
_STYLES: Final = {
    "lk": "color:var(--jp-ui-font-color1, inherit);font-size:13px;line-height:1.45;font-variant-numeric:tabular-nums;"
    "font-family:var(--jp-ui-font-family, system-ui, sans-serif)",
    "lk-top": "margin:0 0 6px 0",
    "lk-state": "font-size:16px;font-weight:600;margin:0 10px 0 0",
    "lk-faint": _FAINT,
    "lk-bar": f"height:4px;border-radius:2px;background:{_LINE};margin:2px 0 6px 0;overflow:hidden",
    "lk-fill": f"height:4px;border-radius:2px;background:{BUSY}",
    "lk-fact": "display:inline-block;min-width:92px;margin:0 26px 4px 0;vertical-align:top",
    "lk-name": f"font-size:11px;letter-spacing:0.04em;{_FAINT}",
    "lk-figure": "font-size:20px;line-height:1.2;font-weight:500",
    "lk-beside": f"font-size:12px;{_FAINT}",
    "lk-title": "font-size:11px;letter-spacing:0.02em;margin:8px 0 2px 0",
    "lk-key": "display:inline-block;margin:0 0 0 14px;white-space:nowrap",
    "lk-swatch": "display:inline-block;width:9px;height:9px;border-radius:2px;margin:0 5px 0 0",
    "lk-dot": "display:inline-block;width:9px;height:9px;border-radius:5px;margin:0 7px 0 0;box-sizing:border-box",
    "lk-table": "border-collapse:collapse;width:100%;margin:0;font-size:13px;border:none;table-layout:auto",
    "lk-row": "background:none",
    "lk-th": f"text-align:right;font-weight:400;font-size:11px;padding:2px 0 3px 14px;border:none;"
    f"border-bottom:1px solid {_LINE};white-space:nowrap;background:none;{_FAINT}",
    "lk-td": f"text-align:right;padding:3px 0 3px 14px;border:none;border-bottom:1px solid {_LINE};white-space:nowrap;"
    "vertical-align:middle;max-width:none",
    "lk-left": "text-align:left;padding-left:0",
    "lk-text": "text-align:left;padding-left:0;max-width:0;width:34%",
    "lk-named": "display:flex;min-width:0",
    "lk-cut": "overflow:hidden;text-overflow:ellipsis",
    "lk-message": "text-align:left;overflow:hidden;text-overflow:ellipsis;max-width:0;width:99%",
    "lk-alarm": f"color:{BAD};font-weight:600",
    "lk-silent": f"color:{WARN};font-weight:600;flex:none;margin:0 0 0 8px",
    "lk-track": f"display:inline-block;width:40px;height:5px;border-radius:2px;background:{_LINE};overflow:hidden;"
    "margin:0 0 0 8px;vertical-align:middle;text-align:left",
    "lk-rate": f"height:5px;background:{BAD};border-radius:2px",
    "lk-spark": "display:inline-block;width:110px;height:18px;vertical-align:middle;margin:0",
    "lk-sink": "font-size:12px;margin:8px 0 0 0",
    "lk-thread": "display:flex;align-items:center;margin:0;white-space:nowrap;font-size:12px;line-height:19px",
    "lk-label": "flex:0 0 290px;overflow:hidden;text-overflow:ellipsis;margin:0 14px 0 0",
    "lk-lane": "flex:1 1 0;min-width:0;height:16px",
}


def style_sheet() -> str:
    """The `<style>` of a live panel."""
    rules = "".join(f".{name}{{{declarations}}}" for name, declarations in _STYLES.items())
    return f"<style>{rules}{_CHROME}</style>"


_CHROME: Final = """
.logkit-panel{container-type:inline-size}
.logkit-panel .widget-html,.logkit-panel .widget-html-content{overflow:hidden;line-height:1.45}
.logkit-panel .bqplot text,.logkit-panel .bqplot .axis text{fill:var(--jp-ui-font-color2,#757575)!important;
font:11px var(--jp-ui-font-family,system-ui,sans-serif)!important;font-variant-numeric:tabular-nums!important}
.logkit-panel .bqplot .axis path,.logkit-panel .bqplot .axis line.tick{stroke:rgba(128,128,128,.28)!important}
.logkit-panel .bqplot .axis .tick line,.logkit-panel .bqplot .grid_lines{stroke:rgba(128,128,128,.2)!important}
@container (max-width:660px){.logkit-panel .lk-fact{min-width:70px;margin-right:18px}
.logkit-panel .lk-spark{width:60px}.logkit-panel .lk-track{width:24px}
.logkit-panel .lk-td,.logkit-panel .lk-th{padding-left:10px}
.logkit-panel .lk-left,.logkit-panel .lk-text{padding-left:0}}
.logkit-panel .widget-label{color:var(--jp-ui-font-color2,#757575);font-size:12px}
"""


def inlined(html: str) -> str:
    """The same with each class replaced by its declarations. Text is not taken for a class: its quotes are escaped."""
    return re.sub(r'class="([^"]*)"(?: style="([^"]*)")?', _declared, html)


def _declared(found: re.Match[str]) -> str:
    declarations = [_STYLES[name] for name in found[1].split()]
    return f'style="{";".join([*declarations, found[2]] if found[2] else declarations)}"'


def as_image(svg: str) -> str:
    """An `<svg>` as an image that brings its data along: notebooks that are not trusted lose inline SVG."""
    kind = "lk-lane" if 'class="lk-lane"' in svg else "lk-spark"
    return f'<img alt="" class="{kind}" src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">'
