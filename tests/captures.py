"""Captures made by hand: what the engine would hand to a snapshot, without an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from logkit import schema
from logkit.capture import Capture, EventFrame, SourceStatus, ThreadStatus
from logkit.snapshot import Snapshot
from logkit.stats import Stats

NOON = 1_772_366_400_000_000
"""2026-03-01 12:00:00 UTC in µs."""

SECOND = 1_000_000
MINUTE = 60 * SECOND

Row = dict[str, Any]


def rows(*events: Row, offset: int = 0, **own: pl.DataType) -> pl.DataFrame:
    """A batch's frame: each event takes 10 bytes; what it does not say is a plain INFO event of service "app"."""
    full = [
        {
            "timestamp": NOON,
            "level": "INFO",
            "service": "app",
            "message": "hello",
            "offset": offset + 10 * at,
            "length_bytes": 10,
            "rejected": False,
            **event,
        }
        for at, event in enumerate(events)
    ]
    names = dict.fromkeys(name for event in full for name in event)
    known = {name: {**schema.NUMBERS, **own}.get(name, pl.String()) for name in names}
    return pl.DataFrame(full, schema={**schema.COMMON, **{n: t for n, t in known.items() if n not in schema.COMMON}})


def part(frame: pl.DataFrame, source: int = 1, generation: int = 0, held: bool = False) -> EventFrame:
    """A frame of events as it lies in a capture."""
    return EventFrame(source, generation, frame, held)


def source(number: int = 1, path: str = "/logs/app.log", **facts: Any) -> SourceStatus:
    """A source whose ledger balances, read to its end."""
    size = facts.pop("size_bytes", 100)
    status = SourceStatus(
        source=number,
        generation=0,
        path=path,
        format="logback",
        compression=None,
        size_bytes=size,
        offset_bytes=size,
        seen_bytes=size,
        committed_bytes=size,
        skipped_bytes=0,
        pending_bytes=0,
        events=size // 10,
        rejects=0,
        cuts=0,
        state="idle",
        attempts=1,
        error=None,
        skipped_reason=None,
        modified=NOON / 1e6,
    )
    return replace(status, **facts)


def thread(name: str = "logkit-worker-1", **facts: Any) -> ThreadStatus:
    """A worker that has been waiting for 2 s."""
    status = ThreadStatus(name, True, "waiting", "a span", 98.0, 3, 30, 300, 0.5, 0, None)
    return replace(status, **facts)


def capture(*parts: EventFrame, lost: Sequence[pl.DataFrame] = (), **facts: Any) -> Capture:
    """A capture of these parts; `lost` are events that count although their rows are gone."""
    numbers = sorted({(p.source, p.generation) for p in parts}) or [(1, 0)]
    made = Capture(
        lineage="monitor-1",
        version=len(parts) + len(lost),
        taken_at=NOON / 1e6 + 60,
        clock=100.0,
        state="running",
        roots=("/logs",),
        timezone="UTC",
        parts=tuple(Stats.of(frame) for frame in [*lost, *(p.frame for p in parts)]),
        frames=tuple(parts),
        keep_events=1_000_000,
        keep_bytes=1 << 30,
        dropped_events=sum(frame.height for frame in lost),
        sources=tuple(source(n, f"/logs/app{n}.log", generation=g) for n, g in numbers),
        threads=(thread(),),
        queue_depth=0,
        queue_size=64,
    )
    return replace(made, **facts)


def snapshot(*parts: EventFrame, lost: Sequence[pl.DataFrame] = (), **facts: Any) -> Snapshot:
    """The snapshot of such a capture."""
    return Snapshot(capture(*parts, lost=lost, **facts))
