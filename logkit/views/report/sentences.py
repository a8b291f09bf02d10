"""The summary in sentences, each made from a number the report shows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from logkit.views.report.document import Key, Line, Log
from logkit.views.style import count, duration, number, share

if TYPE_CHECKING:
    from logkit.analysis.windows import Window
    from logkit.snapshot import Snapshot
    from logkit.views.report.facts import Facts


def subtitle(window: Window) -> str:
    """What time the report is about."""
    return f"{moments(window)} ({duration(window.stop_us - window.start_us)})"


def moments(window: Window) -> str:
    """From when to when, UTC."""
    end = f"{window.stop:%H:%M:%S}" if window.start.date() == window.stop.date() else moment(window.stop)
    return f"{moment(window.start)} to {end} UTC"


def moment(when: datetime) -> str:
    """A day and a time of it."""
    return f"{when.day} {when:%B %Y, %H:%M:%S}"


def keys(facts: Facts) -> tuple[Key, ...]:
    """The numbers at the top."""
    inside, errors = int(facts.impact["events"].sum()), int(facts.impact["errors"].sum())
    origin = facts.propagation.origin
    hit = facts.impact.filter(facts.impact["errors"] > 0).height
    return (
        Key((Log(origin),) if origin else ("unknown",), "began in"),
        Key((duration(facts.window.stop_us - facts.window.start_us),), "lasted"),
        Key((f"{errors:,}",), f"errors of {inside:,} events"),
        Key((f"{hit} of {facts.impact.height}",), "services with errors"),
    )


def summary(snapshot: Snapshot, facts: Facts) -> tuple[Line, ...]:
    """What happened, in the order a reader asks."""
    lines = [
        _extent(facts),
        _origin(facts),
        _change(facts),
        _impact(facts),
        _appeared(facts),
        _silent(facts),
        _ledger(snapshot, facts),
    ]
    return tuple(line for line in lines if line)


def _extent(facts: Facts) -> Line:
    totals = {name: int(facts.impact[name].sum()) for name in ("events", "errors", "events_outside", "errors_outside")}
    rate, usual = (totals[f"errors{at}"] / max(totals[f"events{at}"], 1) for at in ("", "_outside"))
    said = f"From {moments(facts.window)}, {share(rate)} of all events were errors"
    end = f" ({totals['errors']:,} of {totals['events']:,}); outside of that time it was {share(usual)}."
    return (said + end,)


def _origin(facts: Facts) -> Line:
    found = facts.propagation
    if found.origin is None:
        return ("No service reported an error in that time.",)
    if found.basis == "onset":
        return (
            "The first to err was ",
            Log(found.origin),
            ". No error names a trace, so who caused whom is not known.",
        )
    began = found.services.iloc[0]
    way: list[str | Log] = []
    for name in found.chain():
        way += [" → ", Log(name)]
    interval = f"{share(began['low'])} to {share(began['high'])}"
    return (
        *("It began in ", Log(found.origin), f": of {found.traces:,} traces with errors, it erred first in "),
        f"{began['began']:,.0f} ({share(began['share'])}; 95 % interval {interval}). ",
        *(("The most common way: ", *way[1:], ". ") if len(way) > 2 else ()),
        _TIED if found.basis == "time" else "",
    )


_TIED: Final = "Its errors name no trace; they came just before those that do, far more often than by chance."


def _change(facts: Facts) -> Line:
    grown = facts.changes[(facts.changes["dimension"] == "pattern") & (facts.changes["odds_ratio"] > 1)]
    if not len(facts.changes):
        return ("Nothing else changed that could not be chance (false discovery rate 5 %).",)
    row = (grown if len(grown) else facts.changes).iloc[0]
    return (
        *("What changed most: ", Log(row["value"], code=True), f", {row['change']} of the events"),
        f" (odds ratio at least {number(row['low']) if row['odds_ratio'] > 1 else number(1 / row['high'])}).",
    )


def _impact(facts: Facts) -> Line:
    hit = facts.impact.filter(facts.impact["errors"] > 0).head(3)
    if not hit.height:
        return ()
    pieces: list[str | Log] = []
    for row in hit.iter_rows(named=True):
        rate = row["errors"] / max(row["events"], 1)
        slower = ""
        if row["p95"] is not None and row["p95_outside"] and row["p95"] > 1.5 * row["p95_outside"]:
            slower = f", and its p95 latency went from {number(row['p95_outside'])} to {number(row['p95'])} ms"
        pieces += [
            "; " if pieces else "",
            Log(row["service"]),
            f" had {count(row['errors'], 'error')} ({share(rate)}){slower}",
        ]
    return ("Hit hardest: ", *pieces, ".")


def _appeared(facts: Facts) -> Line:
    if not len(facts.appeared):
        return ()
    first = facts.appeared.iloc[0]
    came = f"{count(len(facts.appeared), 'kind')} of messages came up that had not been seen before"
    said = f"{came}; the earliest, at "
    return (said + f"{first['first_seen']:%H:%M:%S}, is ", Log(str(first["template"]), code=True), ".")


def _silent(facts: Facts) -> Line:
    if not len(facts.silences):
        return ()
    row = facts.silences.iloc[0]
    lasting = "has been silent since" if row["ongoing"] else "was silent from"
    why = ", but its reader is behind" if row["lag_bytes"] else ""
    return (
        Log(str(row["service"])),
        f" {lasting} {row['start']:%H:%M:%S}, for {duration(round(row['seconds'] * 1e6))}{why}.",
    )


def _ledger(snapshot: Snapshot, facts: Facts) -> Line:
    wrong, files = int((~facts.audit["balanced"]).sum()), count(len(facts.audit), "file")
    seen, pending = int(facts.audit["seen_bytes"].sum()), int(facts.audit["pending_bytes"].sum())
    if wrong:
        return (f"The ledger does NOT balance for {wrong} of {files}: some of the logs may be missing here.",)
    missing = f", {pending:,} bytes not yet" if pending else ""
    dropped = f" Rows of {snapshot.dropped_events:,} events were not kept." if snapshot.dropped_events else ""
    return (f"All {seen:,} bytes read from {files} are accounted for{missing}.{dropped}",)
