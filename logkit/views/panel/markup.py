"""Pure: a look as HTML. Log text is escaped here, and stands between tags or in attributes, never in a script or style.

The same markup serves the live panel, where a style sheet goes with it, and the frozen one, where the declarations
are written into each tag: a notebook that is not trusted loses its style sheets.
"""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from logkit.views.panel.head import rate
from logkit.views.style import LEVEL_COLOURS, count, duration, escaped, number, share

if TYPE_CHECKING:
    from logkit.views.panel.errors import ErrorRow
    from logkit.views.panel.head import Fact, Health
    from logkit.views.panel.lights import ThreadRow
    from logkit.views.panel.look import Look
    from logkit.views.panel.traffic import ServiceRow

_GOOD, _BUSY, _WARN, _BAD = "#0f9d75", "#2f8fd0", "#d98c00", LEVEL_COLOURS["ERROR"]
_TONES: Final = {"good": _GOOD, "busy": _BUSY, "warn": _WARN, "bad": _BAD}
_LIGHTS: Final = {
    "reading": "#56b4e9",
    "parsing": "#0072b2",
    "committing": "#cc79a7",
    "scanning": "#8fa3b5",
    "planning": "#8fa3b5",
    "retrying": _BAD,
    "blocked": _WARN,
    "died": _BAD,
}
"""A colour for what a thread is doing; the word stands beside it. What has none is at rest: an empty ring."""

_FAINT: Final = "opacity:0.68"
_LINE: Final = "rgba(128, 128, 128, 0.28)"
_STYLES: Final = {
    "lk": "color:var(--jp-ui-font-color1, inherit);font-size:13px;line-height:1.45;font-variant-numeric:tabular-nums;"
    "font-family:var(--jp-ui-font-family, system-ui, sans-serif)",
    "lk-top": "margin:0 0 6px 0",
    "lk-state": "font-size:16px;font-weight:600;margin:0 10px 0 0",
    "lk-faint": _FAINT,
    "lk-bar": f"height:4px;border-radius:2px;background:{_LINE};margin:2px 0 6px 0;overflow:hidden",
    "lk-fill": f"height:4px;border-radius:2px;background:{_BUSY}",
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
    "lk-text": "text-align:left;padding-left:0;overflow:hidden;text-overflow:ellipsis;max-width:190px",
    "lk-message": "text-align:left;overflow:hidden;text-overflow:ellipsis;max-width:0;width:99%",
    "lk-alarm": f"color:{_BAD};font-weight:600",
    "lk-silent": f"color:{_WARN};font-weight:600",
    "lk-track": f"display:inline-block;width:40px;height:5px;border-radius:2px;background:{_LINE};overflow:hidden;"
    "margin:0 0 0 8px;vertical-align:middle;text-align:left",
    "lk-rate": f"height:5px;background:{_BAD};border-radius:2px",
    "lk-spark": "display:inline-block;width:110px;height:18px;vertical-align:middle;margin:0",
    "lk-thread": "display:inline-block;min-width:215px;margin:0 18px 3px 0;white-space:nowrap;font-size:12px",
}
_SPARK_HEIGHT: Final = 18
_NONE: Final = "\u2013"


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
.logkit-panel .widget-label{color:var(--jp-ui-font-color2,#757575);font-size:12px}
"""


def inlined(html: str) -> str:
    """The same with each class replaced by its declarations. Text is not taken for a class: its quotes are escaped."""
    return re.sub(r'class="([^"]*)"(?: style="([^"]*)")?', _declared, html)


def _declared(found: re.Match[str]) -> str:
    declarations = [_STYLES[name] for name in found[1].split()]
    return f'style="{";".join([*declarations, found[2]] if found[2] else declarations)}"'


# -- the parts of a panel --------------------------------------------------------------------------------


def head(look: Look) -> str:
    """State, health and figures."""
    health = look.health
    why = f'<span class="lk-faint">{escaped(_why(health), 200)} \u00b7 </span>' if _why(health) else ""
    bar = ""
    if health.share is not None:
        bar = f'<div class="lk-bar"><div class="lk-fill" style="width:{100 * health.share:.1f}%"></div></div>'
    return (
        f'<div class="lk"><div class="lk-top">{_dot(_TONES.get(health.tone))}'
        f'<span class="lk-state">{escaped(health.state)}</span>{why}'
        f'<span class="lk-faint">{escaped(look.where, 90)}</span></div>{bar}{"".join(map(_fact, look.facts))}</div>'
    )


def failure(why: str) -> str:
    """Instead of the head: why the panel does not move any more."""
    return (
        f'<div class="lk"><div class="lk-top">{_dot(_BAD)}<span class="lk-state">this panel has failed</span>'
        f'<span class="lk-faint">{escaped(why, 300)}; reading goes on, display the monitor again</span></div></div>'
    )


def _why(health: Health) -> str:
    if health.share is None:
        return health.why
    return f"{100 * health.share:.0f} % read"


def _fact(fact: Fact) -> str:
    colour = f' style="color:{_TONES[fact.tone]}"' if fact.tone in ("warn", "bad") else ""
    return (
        f'<div class="lk-fact"><div class="lk-name">{fact.name}</div>'
        f'<div class="lk-figure"><span{colour}>{escaped(fact.figure)}</span></div>'
        f'<div class="lk-beside">{escaped(fact.beside) or "&nbsp;"}</div></div>'
    )


def legend(look: Look, by: str) -> str:
    """What the timeline shows, of when, and which colour is what."""
    if look.chart is None:
        return '<div class="lk lk-title"><span class="lk-faint">no events with a time yet</span></div>'
    window = look.chart.window
    keys = zip(reversed(look.chart.names), reversed(look.chart.colours), strict=True)
    named = "".join(
        f'<span class="lk-key"><span class="lk-swatch" style="background:{colour}"></span>{escaped(name, 28)}</span>'
        for name, colour in keys
    )
    said = f"events per {duration(window.width_us)} by {by}, {_range(window.start_us, window.stop_us)} UTC"
    return f'<div class="lk lk-title"><span class="lk-faint">{said}</span>{named}</div>'


def selection(look: Look) -> str:
    """What is selected on the timeline, and how to get at it."""
    if look.selected is None:
        return ""
    start, stop, events, errors = look.selected
    return (
        f'<div class="lk lk-title"><b>{_range(start, stop)}</b> selected: {count(events, "event")}, '
        f'{count(errors, "error")}. <span class="lk-faint">The timeline waits meanwhile; '
        "<code>panel.selected()</code> is a Snapshot of it.</span></div>"
    )


def services(look: Look) -> str:
    """The services table."""
    titles = ("events", "per s", "errors", "error rate", "p95 ms", "last seen", "activity")
    top = '<th class="lk-th lk-left">service</th>' + "".join(f'<th class="lk-th">{title}</th>' for title in titles)
    newest = max((row.last_us or 0 for row in look.services), default=0)
    body = "".join(_service(row, newest) for row in look.services)
    if not look.services:
        body = _empty(8, "no service")
    more = f'<div class="lk-title"><span class="lk-faint">and {look.more_services:,} more</span></div>'
    table = f'<table class="lk-table"><thead><tr class="lk-row">{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="lk">{table}{more if look.more_services else ""}</div>'


def _empty(columns: int, why: str) -> str:
    cell = f'<td class="lk-td lk-left" colspan="{columns}"><span class="lk-faint">{why}</span></td>'
    return f'<tr class="lk-row">{cell}</tr>'


def _service(row: ServiceRow, newest_us: int) -> str:
    alarm = ' class="lk-alarm"' if row.errors else ""
    silent = ""
    if row.silent_us is not None:
        silent = f' <span class="lk-silent">silent {duration(_rounded(row.silent_us))}</span>'
    width = max(2.0, 40 * row.error_rate) if row.errors else 0
    bar = f'<span class="lk-track"><div class="lk-rate" style="width:{width:.0f}px"></div></span>'
    cells = (
        f"{row.events:,}",
        rate(row.per_second),
        f"<span{alarm}>{row.errors:,}</span>",
        f"<span{alarm}>{share(row.error_rate)}</span>{bar}",
        number(row.p95_ms) or _NONE,
        f"{_time(row.last_us, newest_us)}",
        _spark(row),
    )
    rest = "".join(f'<td class="lk-td">{cell}</td>' for cell in cells)
    name = escaped(row.name, 40) or "(no name)"
    return (
        f'<tr class="lk-row"><td class="lk-td lk-text" title="{escaped(row.name, 200)}">{name}{silent}</td>{rest}</tr>'
    )


def _rounded(us: int) -> int:
    """To whole seconds, or minutes where there are many."""
    unit = 1_000_000 if us < 600_000_000 else 60_000_000
    return max(unit, us // unit * unit)


def _spark(row: ServiceRow) -> str:
    """The service's events over the window as small bars, the errors among them in their colour."""
    bars, high = len(row.spark), max(row.spark, default=0)
    if not high:
        return ""
    box = f'viewBox="0 0 {bars} {_SPARK_HEIGHT}" preserveAspectRatio="none" aria-hidden="true"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lk-spark" {box}>'
        f'<path d="{_bars(row.spark, high)}" fill="#8a97a5"></path>'
        f'<path d="{_bars(row.spark_errors, high)}" fill="{_BAD}"></path></svg>'
    )


def _bars(heights: tuple[int, ...], high: int) -> str:
    return "".join(
        f"M{at} {_SPARK_HEIGHT}v-{max(1.0, _SPARK_HEIGHT * height / high):.1f}h.8V{_SPARK_HEIGHT}z"
        for at, height in enumerate(heights)
        if height
    )


def errors(look: Look) -> str:
    """The newest errors."""
    top = "".join(
        f'<th class="lk-th lk-left">{title}</th>'
        if not at
        else f'<th class="lk-th" style="text-align:left">{title}</th>'
        for at, title in enumerate(("newest errors", "service", "message", "at byte"))
    )
    newest = max((row.time_us or 0 for row in look.errors), default=0)
    body = "".join(_error(row, newest) for row in look.errors)
    if not look.errors:
        why = "no errors" if look.keeps_rows else "no rows are kept: keep_events=0"
        body = _empty(4, why)
    table = f'<table class="lk-table"><thead><tr class="lk-row">{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="lk">{table}</div>'


def _error(row: ErrorRow, newest_us: int) -> str:
    place = f'{escaped(row.file, 28)} <span class="lk-faint">{row.offset:,}</span>'
    cells = (
        f'<td class="lk-td lk-left"><span class="lk-faint">{_time(row.time_us, newest_us)}</span></td>',
        f'<td class="lk-td" style="text-align:left">{escaped(row.service, 20)}</td>',
        f'<td class="lk-td lk-message" title="{escaped(row.message, 400)}">{escaped(row.message, 160)}</td>',
        f'<td class="lk-td" style="text-align:left">{place}</td>',
    )
    return f'<tr class="lk-row">{"".join(cells)}</tr>'


def threads(look: Look) -> str:
    """The threads, each with its light."""
    shown = "".join(map(_thread, look.threads))
    return f'<div class="lk"><div class="lk-title"><span class="lk-faint">threads</span></div>{shown}</div>'


def _thread(row: ThreadRow) -> str:
    doing = escaped(row.doing.rsplit("/", 1)[-1], 24) if row.light not in ("waiting", "stopped") else ""
    busy = f"{100 * row.busy:.0f} % busy" if row.busy >= 0.01 else ""
    said = " \u00b7 ".join(part for part in (escaped(row.light), doing, busy) if part)
    name = escaped(row.name.removeprefix("logkit-"), 24)
    return f'<span class="lk-thread">{_dot(_LIGHTS.get(row.light))}{name} <span class="lk-faint">{said}</span></span>'


def _dot(colour: str | None) -> str:
    fill = f"background:{colour}" if colour else "border:2px solid rgba(128, 128, 128, 0.6)"
    return f'<span class="lk-dot" style="{fill}"></span>'


# -- times -----------------------------------------------------------------------------------------------

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _time(us: int | None, newest_us: int) -> str:
    """The time of day, with the date where it is not the newest's."""
    if us is None:
        return _NONE
    moment = _moment(us)
    return f"{moment:%H:%M:%S}" if moment.date() == _moment(newest_us).date() else f"{moment:%Y-%m-%d %H:%M}"


def _range(start_us: int, stop_us: int) -> str:
    start, stop = _moment(start_us), _moment(stop_us)
    end = f"{stop:%H:%M:%S}" if start.date() == stop.date() else f"{stop:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} {_NONE} {end}"


def as_image(svg: str) -> str:
    """An `<svg>` as an image that brings its data along: notebooks that are not trusted lose inline SVG."""
    return f'<img alt="" class="lk-spark" src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">'
