"""Pure: what a panel shows of one snapshot. Plain values, no widgets, no HTML, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.views.panel.head import Fact, Health, facts, health
from logkit.views.panel.lights import Lane, ThreadRow, thread_rows
from logkit.views.panel.sinks import SinkRow, sink_rows
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
    errors_note: str
    """Why there are no errors, or not all."""
    sinks: tuple[SinkRow, ...]
    threads: tuple[ThreadRow, ...]
    lanes: Mapping[str, Lane]
    """What each thread did last, by its name."""
    selected: tuple[int, int, int, int] | None
    """Start and end of the selection in µs, events and errors in it."""


def look(moment: Moment, counts: Counts, errors: Sequence[ErrorRow], errors_note: str, wanted: Wanted) -> Look:
    """What is to be seen at this moment, with the window counted, and the errors found."""
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
        errors_note=errors_note,
        sinks=sink_rows(capture),
        threads=thread_rows(capture, moment.before),
        lanes=moment.lanes.of,
        selected=selected(counts, wanted),
    )


def quiet_key(moment: Moment, wanted: Wanted) -> object:
    """Equal for two moments of which the second shows nothing that the first did not; None while anything moves."""
    capture = moment.capture
    if not moment.meter.still:
        return None
    lights = tuple((row.name, row.light) for row in thread_rows(capture, moment.before))
    return capture.version, capture.state, capture.queue_depth, sink_rows(capture), lights, wanted
