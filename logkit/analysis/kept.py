"""The rows of a snapshot that has them in memory."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import polars as pl

from logkit.analysis import rows
from logkit.analysis.conditions import Condition, own_fields
from logkit.analysis.rows import Key
from logkit.errors import SnapshotError
from logkit.stats import Limits, Stats
from logkit.stats.groups import Ints

if TYPE_CHECKING:
    from logkit.capture import Capture, EventFrame
    from logkit.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The frames of a capture, and what a snapshot asks of its rows."""

    capture: Capture
    frames: tuple[EventFrame, ...] = field(init=False)
    """The newest `keep_events` of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", rows.newest(self.capture.frames, self.capture.keep_events))

    def stats(self) -> Stats:
        """The statistics of all events, whether their rows were kept or not."""
        return Stats.sum(self.capture.parts or ())

    def dropped(self, snapshot: Snapshot) -> int:
        """How many of the snapshot's events have no row."""
        # Not the engine's own count of them: what is exact is decided by this, so it must agree with what is here.
        return max(len(snapshot) - rows.height(self.frames), 0)

    def frame(self, snapshot: Snapshot) -> pl.DataFrame:
        """See `Snapshot.frame`."""
        return rows.joined(snapshot.shown, self.capture)

    def columns(self, snapshot: Snapshot, names: Sequence[str], where: Condition | None = None) -> pl.DataFrame:
        """These columns of all rows that fulfil `where`, as far as any row has them and perhaps some more, in the
        order of `frame`."""
        asked = snapshot.shown if where is None else where.rows(snapshot.shown, self.capture)
        return rows.joined(asked, self.capture, names)

    def fields(self, snapshot: Snapshot) -> dict[str, pl.DataType]:
        """The names and dtypes of the columns of `frame`."""
        heads = tuple(replace(part, frame=part.frame.head(1)) for part in snapshot.shown)
        return dict(rows.joined(heads, self.capture).schema)

    def shown(self, snapshot: Snapshot) -> tuple[EventFrame, ...]:
        """See `Snapshot.shown`."""
        return rows.named(self.frames, snapshot.mined[1]) if self.capture.patterns else self.frames

    def mined(self, limits: Limits) -> Stats:
        """The statistics of the rows, with their masked messages."""
        return rows.stats_of(self.frames, limits, patterns=True)

    def with_patterns(self, snapshot: Snapshot) -> Capture:
        """See `Snapshot.with_patterns`."""
        found = snapshot.mined[1]
        return replace(self.capture, frames=rows.named(self.frames, found), patterns=False, templates=found)

    def rejected(self) -> pl.DataFrame:
        """The same, only of records that their file's format could not read."""
        return rows.joined(Condition({"rejected": (True,)}).rows(self.frames, self.capture), self.capture)

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of all rows, as far as any row has them, some rows at a time, in no order."""
        return (part.frame.select(name for name in names if name in part.frame.columns) for part in self.frames)

    def heights(self) -> dict[Key, int]:
        """How many rows there are of each source and generation."""
        found: dict[Key, int] = {}
        for part in self.frames:
            key = part.source, part.generation
            found[key] = found.get(key, 0) + part.frame.height
        return found

    def offsets(self, keys: Collection[Key]) -> Iterator[tuple[Key, Ints]]:
        """The offsets of all rows of these sources, in pieces, in no order."""
        for part in self.frames:
            if (part.source, part.generation) in keys:
                yield (part.source, part.generation), part.frame["offset"].to_numpy()

    def own_fields(self, snapshot: Snapshot) -> set[str] | None:
        """The columns of `snap.events` beside `rows.COLUMNS`; None before the first event."""
        return own_fields(snapshot.shown)

    def selected(self, snapshot: Snapshot, condition: Condition) -> Capture:
        """The part that fulfils `condition`; raises NeedsEvents where rows that were dropped could have told."""
        kept = condition.rows(snapshot.shown, self.capture)
        exact = not snapshot.dropped_events
        stats = rows.stats_of(kept, snapshot.stats.limits) if exact else condition.of_stats(snapshot.stats)
        return replace(
            self.capture,
            lineage=f"{self.capture.lineage} | {condition}",
            parts=(stats,),
            frames=kept,
            dropped_events=max(stats.events - rows.height(kept), 0),
            patterns=False,
            templates=snapshot.named,
        )

    def ledger(self) -> None:
        """There is no second count of what was committed."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool) -> str:
        """There is nothing to copy: raises SnapshotError."""
        raise SnapshotError(
            "expected a snapshot whose rows are in a store to save, found one in memory; "
            'try watch(paths, store="incident.duckdb"), or snap.events.to_parquet(...)'
        )
