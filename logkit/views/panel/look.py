"""Pure: what a panel shows of one snapshot. Plain values, no widgets, no HTML, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.views.panel.head import Fact, Health, facts, health
from logkit.views.panel.lights import ThreadRow, thread_rows
from logkit.views.panel.traffic import Chart, ServiceRow, chart, selected, service_rows

if TYPE_CHECKING:
    from logkit.views.panel.counts import Counts
    from logkit.views.panel.errors import ErrorRow
    from logkit.views.panel.moment import Moment, Wanted


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """All that a panel shows."""

    health: Health
    facts: tuple[Fact, ...]
    where: str
    chart: Chart | None
    services: tuple[ServiceRow, ...]
    more_services: int
    errors: tuple[ErrorRow, ...]
    keeps_rows: bool
    threads: tuple[ThreadRow, ...]
    selected: tuple[int, int, int, int] | None
    """Start and end of the selection in µs, events and errors in it."""


def look(moment: Moment, counts: Counts, errors: Sequence[ErrorRow], wanted: Wanted) -> Look:
    """What is to be seen at this moment, with the window counted."""
    capture = moment.capture
    rows, more = service_rows(counts, wanted)
    return Look(
        health=Health("paused", "reading goes on", "") if wanted.paused else health(capture, moment.meter),
        facts=facts(capture, counts, moment.meter),
        where=capture.roots[0] if len(capture.roots) == 1 else f"{len(capture.roots)} paths",
        chart=chart(counts, wanted),
        services=tuple(rows),
        more_services=more,
        errors=tuple(errors),
        keeps_rows=capture.keep_events > 0 and capture.keep_bytes > 0,
        threads=thread_rows(capture, moment.before),
        selected=selected(counts, wanted),
    )


def quiet_key(moment: Moment, wanted: Wanted) -> object:
    """Equal for two moments of which the second shows nothing that the first did not; None while anything moves."""
    capture = moment.capture
    if not moment.meter.still:
        return None
    lights = tuple((row.name, row.light) for row in thread_rows(capture, moment.before))
    return capture.version, capture.state, capture.queue_depth, lights, wanted
