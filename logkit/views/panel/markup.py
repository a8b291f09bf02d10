"""Pure: a look as HTML. Log text is escaped here, and stands between tags or in attributes, never in a script or style.

The same markup serves the live panel, where a style sheet goes with it, and the frozen one, where the declarations
are written into each tag (`sheet`): a notebook that is not trusted loses its style sheets. A row is made only where it
says something else than the last time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from logkit.views.panel.head import rate
from logkit.views.panel.lights import LANE_SECONDS
from logkit.views.panel.sheet import BAD, BUSY, GOOD, WARN
from logkit.views.style import count, duration, escaped, number, share

if TYPE_CHECKING:
    from logkit.views.panel.errors import ErrorRow
    from logkit.views.panel.head import Fact, Health
    from logkit.views.panel.lights import Lane, ThreadRow
    from logkit.views.panel.look import Look
    from logkit.views.panel.sinks import SinkRow
    from logkit.views.panel.traffic import ServiceRow

_TONES: Final = {"good": GOOD, "busy": BUSY, "warn": WARN, "bad": BAD}
_LIGHTS: Final = {
    "reading": "#56b4e9",
    "parsing": "#0072b2",
    "committing": "#cc79a7",
    "sending": "#cc79a7",
    "probing": "#56b4e9",
    "scanning": "#8fa3b5",
    "planning": "#8fa3b5",
    "working": "#8fa3b5",
    "holding": "#8fa3b5",
    "expiring": "#8fa3b5",
    "closing": "#8fa3b5",
    "retrying": BAD,
    "blocked": WARN,
    "died": BAD,
}
"""A colour for what a thread is doing; the word stands beside it. What has none is at rest: an empty ring."""

_SPARK_HEIGHT: Final = 18
_SPARK_BARS: Final = ["m1 0", *(f"v-{high}m1 {high}" for high in range(1, _SPARK_HEIGHT + 1))]
"""The stroke of a bar by its height, and the way to the next one."""

_KEPT_ROWS: Final = 128
_NONE: Final = "\u2013"


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
        f'<div class="lk"><div class="lk-top">{_dot(BAD)}<span class="lk-state">this panel has failed</span>'
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
    today = _date(row.last_us for row in look.services)
    body = "".join(_service(row, today) for row in look.services)
    if not look.services:
        body = _empty(8, "no service yet")
    more = f'<div class="lk-title"><span class="lk-faint">and {look.more_services:,} more</span></div>'
    table = f'<table class="lk-table"><thead><tr class="lk-row">{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="lk">{table}{more if look.more_services else ""}</div>'


def _empty(columns: int, why: str) -> str:
    cell = f'<td class="lk-td lk-left" colspan="{columns}"><span class="lk-faint">{why}</span></td>'
    return f'<tr class="lk-row">{cell}</tr>'


@lru_cache(_KEPT_ROWS)
def _service(row: ServiceRow, today: date) -> str:
    alarm = ' class="lk-alarm"' if row.errors else ""
    silent = ""
    if row.silent_us is not None:
        silent = f'<span class="lk-silent">silent {duration(_rounded(row.silent_us))}</span>'
    width = max(5.0, 100 * row.error_rate) if row.errors else 0
    bar = f'<span class="lk-track"><div class="lk-rate" style="width:{width:.0f}%"></div></span>'
    cells = (
        f"{row.events:,}",
        rate(row.per_second),
        f"<span{alarm}>{row.errors:,}</span>",
        f"<span{alarm}>{share(row.error_rate)}</span>{bar}",
        number(row.p95_ms) or _NONE,
        f"{_time(row.last_us, today)}",
        _spark(row),
    )
    rest = "".join(f'<td class="lk-td">{cell}</td>' for cell in cells)
    name = f'<div class="lk-named"><span class="lk-cut">{_named(row.name, 60)}</span>{silent}</div>'
    first = f'<td class="lk-td lk-text" title="{escaped(row.name, 200)}">{name}</td>'
    return f'<tr class="lk-row">{first}{rest}</tr>'


def _named(service: str, limit: int) -> str:
    return escaped(service, limit) or "(no name)"


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
        f'<path d="{_bars(row.spark, high)}" stroke="#8a97a5" stroke-width=".8"></path>'
        f'<path d="{_bars(row.spark_errors, high)}" stroke="{BAD}" stroke-width=".8"></path></svg>'
    )


def _bars(heights: tuple[int, ...], high: int) -> str:
    """What is there at all is at least as high as one pixel."""
    return f"M.5 {_SPARK_HEIGHT}" + "".join([_SPARK_BARS[-(-_SPARK_HEIGHT * height // high)] for height in heights])


def errors(look: Look) -> str:
    """The newest errors."""
    top = "".join(
        f'<th class="lk-th lk-left">{title}</th>'
        if not at
        else f'<th class="lk-th" style="text-align:left">{title}</th>'
        for at, title in enumerate(("newest errors", *(("service", "message", "at byte") if look.errors else ())))
    )
    today = _date(row.time_us for row in look.errors)
    body = "".join(_error(row, today) for row in look.errors)
    if look.errors_note:
        body += _empty(4, escaped(look.errors_note, 300))
    table = f'<table class="lk-table"><thead><tr class="lk-row">{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="lk">{table}</div>'


@lru_cache(_KEPT_ROWS)
def _error(row: ErrorRow, today: date) -> str:
    place = f'{escaped(row.file, 18)} <span class="lk-faint">{row.offset:,}</span>'
    cells = (
        f'<td class="lk-td lk-left"><span class="lk-faint">{_time(row.time_us, today)}</span></td>',
        f'<td class="lk-td" style="text-align:left">{_named(row.service, 18)}</td>',
        f'<td class="lk-td lk-message" title="{escaped(row.message, 400)}">{escaped(row.message, 160)}</td>',
        f'<td class="lk-td" style="text-align:left">{place}</td>',
    )
    return f'<tr class="lk-row">{"".join(cells)}</tr>'


def sinks(look: Look) -> str:
    """Where events go to stay: a line for each sink."""
    return "".join(map(_sink, look.sinks))


def _sink(row: SinkRow) -> str:
    said = f'<b>{escaped(row.name, 40)}</b> {escaped(row.state)} <span class="lk-faint">{escaped(row.said, 300)}</span>'
    return f'<div class="lk lk-sink">{_dot(_TONES.get(row.tone))}{said}</div>'


def threads(look: Look) -> str:
    """The threads, each with its light and what it did last."""
    shown = "".join(_thread(row, look.lanes.get(row.name, ())) for row in look.threads)
    title = f"threads, and what each did in the {LANE_SECONDS:.0f} s up to the last change"
    return f'<div class="lk"><div class="lk-title"><span class="lk-faint">{title}</span></div>{shown}</div>'


@lru_cache(_KEPT_ROWS)
def _thread(row: ThreadRow, lane: Lane) -> str:
    doing = escaped(row.doing.rsplit("/", 1)[-1], 24) if row.light not in ("waiting", "sleeping", "stopped") else ""
    busy = f"{100 * row.busy:.0f} % busy" if row.busy >= 0.01 and row.light not in ("stopped", "died") else ""
    said = " \u00b7 ".join(part for part in (escaped(row.light), doing, busy) if part)
    name = escaped(row.name.removeprefix("logkit-"), 24)
    words = f'{_dot(_LIGHTS.get(row.light))}{name} <span class="lk-faint">{said}</span>'
    return f'<div class="lk-thread"><span class="lk-label">{words}</span>{_lane(lane)}</div>'


def _lane(lane: Lane) -> str:
    """A thread's last seconds as a strip, time to the right: a colour per state, as high as it was busy."""
    pieces, at = [], 0
    for (state, high), run in groupby((state, max(2, round(14 * busy)) if state else 0) for state, busy in lane):
        length = len(list(run))
        if colour := _LIGHTS.get(state):
            pieces.append(f'<path d="M{at} 15v-{high}h{length}v{high}z" fill="{colour}"></path>')
        at += length
    box = f'viewBox="0 0 {at or 1} 16" preserveAspectRatio="none" aria-hidden="true"'
    line = f'<path d="M0 15h{at}v.6h-{at}z" fill="#8a97a5" fill-opacity="0.6"></path>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="lk-lane" {box}>{"".join(pieces)}{line}</svg>'


def _dot(colour: str | None) -> str:
    fill = f"background:{colour}" if colour else "border:2px solid rgba(128, 128, 128, 0.6)"
    return f'<span class="lk-dot" style="{fill}"></span>'


# -- times -----------------------------------------------------------------------------------------------

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _date(times: Iterable[int | None]) -> date:
    """That of the newest."""
    return _moment(max((us or 0 for us in times), default=0)).date()


def _time(us: int | None, today: date) -> str:
    """The time of day, with the date where it is not today's."""
    if us is None:
        return _NONE
    moment = _moment(us)
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M}"


def _range(start_us: int, stop_us: int) -> str:
    start, stop = _moment(start_us), _moment(stop_us)
    end = f"{stop:%H:%M:%S}" if start.date() == stop.date() else f"{stop:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} {_NONE} {end}"
