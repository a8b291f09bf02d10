"""The report's chapters: facts in, blocks out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from logkit.analysis.columns import PATTERN
from logkit.views.report.document import (
    Block,
    Document,
    Figure,
    Heading,
    Keys,
    Line,
    Log,
    Paragraph,
    Points,
    Table,
)
from logkit.views.report.endpapers import evidence, ledger, made
from logkit.views.report.figures import Draw, figure
from logkit.views.report.sentences import keys, moment, moments, subtitle, summary
from logkit.views.style import count, number, share

if TYPE_CHECKING:
    import pandas as pd

    from logkit.analysis.windows import Window
    from logkit.snapshot import Snapshot
    from logkit.views.report.facts import Facts

_MOST_ROWS: Final = 15

Draws = Callable[..., tuple[Figure, ...]]
"""Draws a figure: how, caption, what it shows in words, heights in inches, and of what, if not of the whole snapshot.
None where pictures cannot be shown."""


def drawing(snapshot: Snapshot, redact: Callable[[str], str], shown: bool) -> Draws:
    """What draws the report's figures."""

    def drawn(
        draw: Draw, caption: str, alt: Line, inches: tuple[float, float], of: Snapshot = snapshot
    ) -> tuple[Figure, ...]:
        return (figure(of, redact, draw, caption, alt, inches),) if shown else ()

    return drawn


def document(
    snapshot: Snapshot, facts: Facts, title: str, notes: tuple[str, ...], timeline: tuple[Figure, ...], drawn: Draws
) -> Document:
    """The whole report, but for what was redacted; `timeline` are the figures that `pictures` gives."""
    blocks: list[Block] = [
        Keys(keys(facts)),
        Heading("Summary", "summary"),
        Points(summary(snapshot, facts)),
        *_notes(notes),
        *_timeline(snapshot, facts, timeline),
        *_impact(facts),
        *_changes(facts, drawn),
        *_appeared(facts),
        *_spread(facts, drawn),
        *evidence(snapshot, facts),
        *ledger(snapshot, facts),
        *made(snapshot),
    ]
    by = f"Made by logkit {_version()} from the logs as they were read at {moment(snapshot.taken_at)} UTC."
    return Document(title, subtitle(facts.window), by, tuple(blocks))


def _version() -> str:
    # The front door stands above this module, which may not import it; but it is there whenever this runs.
    return str(getattr(sys.modules.get("logkit"), "__version__", ""))


def _rows(frame: pd.DataFrame) -> list[Any]:
    """The first rows of a frame, as tuples with names."""
    return list(frame.head(_MOST_ROWS).itertuples())


def _more(length: int, noun: str) -> Iterator[Block]:
    if length > _MOST_ROWS:
        yield Paragraph((f"And {count(length - _MOST_ROWS, noun)}.",), small=True)


def _clock(when: Any) -> str:
    return f"{when:%H:%M:%S}" if when is not None and when == when else ""


def _notes(notes: tuple[str, ...]) -> Iterator[Block]:
    if notes:
        yield Heading("Notes", "notes")
        yield from (Paragraph((note,)) for note in notes)


def pictures(snapshot: Snapshot, window: Window, drawn: Draws) -> tuple[Figure, ...]:
    """The figures of the timeline, which statistics alone tell."""
    height = 1.1 + 0.3 * min(max(len(snapshot.stats.services), 3), 20)
    found = (
        *drawn(
            lambda plots, ax: plots.timeline(ax, bursts=True),
            "Events over time by level; tinted where a service's error rate or latency was above its usual.",
            (f"Stacked bars of events over time by level; this report is about {moments(window)}.",),
            (2.9, 2.7),
        ),
        *drawn(
            lambda plots, ax: plots.error_rates(ax),
            "Share of errors of each service over time; whose trouble began first stands on top. Grey: no events.",
            ("A heat map of the share of errors, one row per service, from pale for none to dark for all.",),
            (height, height),
        ),
    )
    if not snapshot.stats.bins.height:
        return found
    return found + drawn(
        lambda plots, ax: plots.latency(ax),
        "Durations of all events that say one, on a logarithmic scale: median, and bands up to p95 and p99.",
        ("A line of the median duration over time, and bands up to the 95th and 99th percentile.",),
        (2.5, 2.5),
    )


def _timeline(snapshot: Snapshot, facts: Facts, figures: tuple[Figure, ...]) -> Iterator[Block]:
    yield Heading("Timeline", "timeline")
    yield from figures
    notes = [((f"{row.when:%Y-%m-%d %H:%M:%S}",), (row.text,)) for row in _rows(snapshot.marks)]
    if notes:
        yield Table("What was noted (UTC).", ("time", "note"), tuple(notes))
    yield Table(
        "Bursts: when a service's error rate or p95 latency was above its usual (UTC), the surest first.",
        ("service", "measure", "start", "peak", "end", "usual", "in the burst", "at the peak"),
        tuple(_burst(row) for row in _rows(facts.bursts)),
        frozenset({5, 6, 7}),
        "No burst was found.",
    )
    if len(facts.silences):
        yield Table(
            "Silences: services that stopped logging for longer than their usual gaps explain (UTC).",
            ("service", "from", "to", "seconds", "events missing", "cause"),
            tuple(_silence(row) for row in _rows(facts.silences)),
            frozenset({3, 4}),
        )


def _burst(row: Any) -> tuple[Line, ...]:
    is_rate = row.measure == "error_rate"
    values = [share(value) if is_rate else f"{number(value)} ms" for value in (row.baseline, row.value, row.at_peak)]
    measure = "error rate" if is_rate else "latency, p95"
    end = "lasting" if row.ongoing else _clock(row.end)
    texts = (measure, _clock(row.start), _clock(row.peak), end, *values)
    return ((Log(row.service),), *((text,) for text in texts))


def _silence(row: Any) -> tuple[Line, ...]:
    end = "lasting" if row.ongoing else _clock(row.end)
    texts = (_clock(row.start), end, f"{row.seconds:,.0f}", f"{row.missing_events:,.0f}", row.cause)
    return ((Log(row.service),), *((text,) for text in texts))


def _impact(facts: Facts) -> Iterator[Block]:
    yield Heading("Impact", "impact")
    rows: list[tuple[Line, ...]] = []
    for row in facts.impact.head(_MOST_ROWS).iter_rows(named=True):
        rates = [share(row[f"errors{at}"] / max(row[f"events{at}"], 1)) for at in ("", "_outside")]
        slow = [number(row[f"p95{at}"]) for at in ("", "_outside")]
        texts = (f"{row['events']:,}", f"{row['errors']:,}", *rates, *slow, _clock(row["first_error"]))
        rows.append(((Log(row["service"]),), *((text,) for text in texts)))
    yield Table(
        "Each service inside the window, and outside of it; times UTC.",
        ("service", "events", "errors", "error rate", "outside", "p95 ms", "outside", "first error"),
        tuple(rows),
        frozenset(range(1, 8)),
    )
    yield from _more(facts.impact.height, "more service")


def _changes(facts: Facts, drawn: Draws) -> Iterator[Block]:
    yield Heading("What changed", "changed")
    yield Table(
        "Inside the window against the rest, the surest great changes first.",
        ("field", "value", "share, or median", "odds ratio (95 % interval)", "q"),
        tuple(_change(row) for row in _rows(facts.changes)),
        frozenset({2, 3, 4}),
        "Nothing changed that could not be chance.",
    )
    yield from _more(len(facts.changes), "more change")
    ids = facts.changes[facts.changes["dimension"] == PATTERN].head(8)["key"].tolist()
    height = 0.8 + 0.42 * max(len(ids), 2)
    if ids:
        yield from drawn(
            lambda plots, ax: plots.patterns(ax, ids),
            "The messages whose share changed most, over time; each on a scale of its own.",
            ("A small bar chart over time for each of the first message templates in the table above.",),
            (height, height),
        )


def _change(row: Any) -> tuple[Line, ...]:
    is_message = row.dimension == PATTERN
    ratio = f"{_ratio(row.odds_ratio)} ({_ratio(row.low)} to {_ratio(row.high)})"
    chance = f"{row.q_value:.2g}" if row.q_value >= 0.001 else "< 0.001"
    field: Line = ("message",) if is_message else (Log(row.dimension),)
    return (field, (Log(row.value, code=is_message),), (row.change,), (ratio,), (chance,))


def _ratio(value: float) -> str:
    return number(value) if 0.01 <= value < 10_000 else "> 10,000" if value >= 10_000 else "< 0.01"


def _appeared(facts: Facts) -> Iterator[Block]:
    yield Heading("First seen", "first-seen")
    rows: list[tuple[Line, ...]] = []
    for row in _rows(facts.appeared.rename(columns={"count": "number"})):
        level = "" if row.level is None or row.level != row.level else str(row.level)
        names = ((Log(str(row.service)),), (level,), (Log(str(row.template), code=True),))
        rows.append(((_clock(row.first_seen),), *names, (f"{row.number:,}",)))
    yield Table(
        f"Message templates that first occur from {_clock(facts.since)} UTC to the end of the window, in that order.",
        ("first seen", "service", "level", "message template", "events"),
        tuple(rows),
        frozenset({4}),
        "No message that had not been seen before.",
    )
    yield from _more(len(facts.appeared), "more template")


def _spread(facts: Facts, drawn: Draws) -> Iterator[Block]:
    yield Heading("How it spread", "spread")
    found = facts.propagation
    if len(found.edges):
        yield from drawn(
            lambda plots, ax: plots.propagation(facts.window, ax),
            "From the service that erred first to the next in the same trace. Dashed: tied by time, not by trace.",
            ("A graph of services; an arrow leads from the one that erred first to the one that erred next.",),
            (3.3, 3.0),
        )
    yield Table(
        "Who erred next in the traces with errors.",
        ("from", "to", "traces", "of all", "median delay", "told by"),
        tuple(_edge(row) for row in _rows(found.edges)),
        frozenset({2, 3, 4}),
        "No trace with errors of more than one service.",
    )
    trace = facts.trace
    if trace is not None:
        yield from drawn(
            lambda plots, ax: plots.trace(trace, ax),
            "One trace, the first of those in which the most services erred. Ringed: errors.",
            ("A waterfall of the events of the trace ", Log(trace), ", a bar where an event has a duration."),
            (3.6, 3.8),
            facts.near,
        )
    wrong = facts.skew[facts.skew["certain"]] if len(facts.skew) else facts.skew
    for row in _rows(wrong):
        bounds = f"{row.skew_ms:,.0f} ms ({row.low_ms:,.0f} to {row.high_ms:,.0f})"
        ahead = ("'s clock is ahead of ", Log(row.reference), f"'s by {bounds}; times here are as logged.")
        yield Paragraph((Log(str(row.Index)), *ahead), small=True)


def _edge(row: Any) -> tuple[Line, ...]:
    lag = "" if row.lag_ms != row.lag_ms else f"{number(max(row.lag_ms, 0.0)) or '0'} ms"
    texts = (f"{row.traces:,.0f}", share(row.share), lag, row.basis)
    return ((Log(row.source),), (Log(row.target),), *((text,) for text in texts))
