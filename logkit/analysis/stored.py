"""The rows of a snapshot that has them in a store, with the held records laid over them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from logkit import schema
from logkit.analysis import conditions, rows
from logkit.analysis.conditions import Condition
from logkit.capture import EventFrame
from logkit.errors import NeedsEvents, SnapshotError, SnapshotExpired
from logkit.sinks import copying
from logkit.sinks.filters import RowFilter
from logkit.sinks.scan import Scan
from logkit.sinks.view import Kept
from logkit.stats import Limits, Stats
from logkit.stats.masks import mask
from logkit.stats.templates import COLUMN

if TYPE_CHECKING:
    from logkit.capture import Capture
    from logkit.sinks.view import StoreView
    from logkit.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class StoredRows:
    """A view of a store and the held records of a capture, and what a snapshot asks of its rows.

    A selection's statistics are those of its rows, counted when first asked for. Where retention has dropped rows,
    the statistics of all events tell more than the rows that are left: there they are asked first.
    """

    capture: Capture
    view: StoreView

    def stats(self) -> Stats:
        """The statistics of all events; of a selection that of its rows, a few of them in memory at a time."""
        capture = self.capture
        if capture.parts is not None:
            return Stats.sum(capture.parts)
        limits = capture.whole.parts[0].limits if capture.whole and capture.whole.parts else Limits()
        return self.view.stats(limits) + rows.stats_of(capture.frames, limits)

    def dropped(self, events: int) -> int:
        """How many of so many `events` have no row: retention dropped them, before the snapshot was taken or since."""
        if not self.view.expired_events():
            return 0
        return max(events - self.view.count(expired_too=True) - rows.height(self.capture.frames), 0)

    def mined(self, limits: Limits) -> Stats:
        """The statistics of the rows with their masked messages, a few rows in memory at a time."""
        names = (*schema.STATS_FIELDS, "rejected", "message", "source", "generation", "offset")
        total = rows.stats_of(self.capture.frames, limits, patterns=True)
        for batch in self.view.batches(names):
            total += Stats.of(batch, limits, mask(batch["message"]))
        return total

    def frame(self, snapshot: Snapshot) -> pl.DataFrame:
        """See `Snapshot.frame`; fields of the formats' own that none of the rows has are left out."""
        found, named = self._joined(self.view, self.capture), snapshot.named
        return found.drop(schema.MASK, strict=False) if named is None else named.named(found)

    def columns(self, snapshot: Snapshot, names: Sequence[str]) -> pl.DataFrame:
        """These columns of all rows, as far as any row has them and perhaps some more, in the order of `frame`."""
        named = snapshot.named if COLUMN in names else None
        asked = dict.fromkeys((*names, "source", "generation", "offset"))
        if named is not None:
            asked.update(dict.fromkeys(("message", schema.MASK)))
        asked.pop("file", None)
        held = rows.joined(self.capture.frames, self.capture, list(asked)).drop("file")
        found = pl.concat(
            [self.view.frame(list(asked)), held.select(asked.keys() & set(held.columns))], how="diagonal_relaxed"
        )
        found = rows.placed(found, self.capture)
        return found if named is None else named.named(found)

    def shown(self, snapshot: Snapshot) -> tuple[EventFrame, ...]:
        """See `Snapshot.shown`: all rows, a frame per source and generation."""
        frame, place = snapshot.frame, ["source", "generation"]
        own = frame.drop("file", *place)
        runs = frame.select(pl.struct(place).rle()).to_series().struct.unnest()
        parts, at = [], 0
        for length, one in runs.iter_rows():
            parts.append(EventFrame(one["source"], one["generation"], own.slice(at, length)))
            at += length
        return tuple(parts)

    def with_patterns(self, snapshot: Snapshot) -> Capture:
        """See `Snapshot.with_patterns`: a capture that has the rows in memory."""
        capture, named = replace(self.capture, templates=snapshot.mined[1]), snapshot.named
        if named is None:
            snapshot = type(snapshot)(capture)
        return replace(
            capture,
            lineage=f"{capture.lineage} | fetched",
            parts=(snapshot.stats,),
            frames=snapshot.shown,
            keep_events=max(snapshot.frame.height, capture.keep_events),
            patterns=False,
            templates=snapshot.named,
            store=None,
            store_status=None,
            whole=None,
        )

    def rejected(self) -> pl.DataFrame:
        """The same, only of records that their file's format could not read."""
        asked = Condition({"rejected": (True,)})
        held = asked.rows(self.capture.frames, self.capture)
        return self._joined(self.view.where(asked.pushed(self.capture)), replace(self.capture, frames=held))

    @staticmethod
    def _joined(view: StoreView, capture: Capture) -> pl.DataFrame:
        held = rows.joined(capture.frames, capture).drop("file")
        found = rows.placed(pl.concat([view.frame(), held], how="diagonal_relaxed"), capture)
        own = found.columns[len(rows.COLUMNS) :]
        return found.drop(name for name in own if found[name].null_count() == found.height)

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of all rows, some rows at a time, in no order."""
        yield from self.view.batches(names)
        yield from (part.frame.select(names) for part in self.capture.frames)

    def scan(self) -> Scan:
        """The stored rows as SQL takes them, with all columns the store has."""
        return Scan(
            self.view,
            (*rows.COLUMNS, *(name for name in self.view.fields() if name != schema.MASK)),
            rows.paths_of(self.capture),
        )

    def own_fields(self, snapshot: Snapshot) -> set[str] | None:
        """The columns beside `rows.COLUMNS` that events of the store, or held ones, have; None before the first."""
        whole = self.capture.whole or self.capture
        if whole.parts is not None and not any(whole.parts):
            return None
        found = {*self.view.fields(), *(conditions.own_fields(whole.frames) or ())} - {schema.MASK}
        return found if snapshot.named is None else found | {COLUMN}

    def selected(self, snapshot: Snapshot, condition: Condition) -> Capture:
        """The part that fulfils `condition`; no row is fetched for it, but where it asks for templates all are."""
        capture = self.capture
        if COLUMN in condition.fields and snapshot.named is not None:
            known = (
                snapshot.with_patterns() if capture.templates is None else type(snapshot)(self.with_patterns(snapshot))
            )
            return known.rows.selected(known, condition)
        return replace(
            capture,
            lineage=f"{capture.lineage} | {condition}",
            parts=self._told(snapshot, condition),
            frames=condition.rows(capture.frames, capture),
            store=self.view.where(condition.pushed(capture)),
            whole=capture.whole or capture,
            templates=snapshot.named,
        )

    def _told(self, snapshot: Snapshot, condition: Condition) -> tuple[Stats] | None:
        """What the statistics say of `condition`; None where the rows are to be counted.

        Statistics know a time range's first and last times only to a bucket: while all rows are there they are asked.
        """
        timed = condition.start_us is not None or condition.stop_us is not None
        if self.capture.parts is None or (timed and not self.view.expired_events()):
            return None
        try:
            return (condition.of_stats(snapshot.stats),)
        except NeedsEvents:
            return None

    def since(self, earlier: Capture) -> StoredRows:
        """What this has and `earlier` has not: the rows committed since, but for those it had as held records
        already, and the held records that are new. Statistics are left to be counted."""
        assert earlier.store is not None
        new = self.capture
        held = tuple((p.source, p.generation, at) for p in earlier.frames for at in p.frame["offset"].to_list())
        view = self.view.since(earlier.store)
        view = view.where(RowFilter(without=held)) if held else view
        frames = rows.added(new.frames, earlier.frames)
        return StoredRows(replace(new, parts=None, frames=frames, store=view, whole=new.whole or new), view)

    def height(self) -> int | None:
        """How many rows there are; None where retention has dropped some since."""
        try:
            return self.view.count() + rows.height(self.capture.frames)
        except SnapshotExpired:
            return None

    def ledger(self) -> dict[tuple[int, int], Kept]:
        """What the store and the held records have of each source and generation; filters make no difference."""
        found = self.view.ledger()
        for part in (self.capture.whole or self.capture).frames:
            kept = found.get((part.source, part.generation), Kept())
            found[part.source, part.generation] = replace(kept, events=kept.events + part.frame.height)
        return found

    def save(self, path: str | os.PathLike[str], *, overwrite: bool) -> str:
        """See `Snapshot.save`."""
        if self.capture.whole is not None:
            raise SnapshotError(
                "expected a snapshot of everything to save, found a selection; try save() on the snapshot it was made "
                "of, and logkit.open(copy).where(...)"
            )
        return copying.save(self.view, path, self._committed, overwrite=overwrite)

    def _committed(self) -> Stats:
        """The statistics of what is in the store: exactly where all rows are there, else with first and last times
        to a bucket."""
        limits = self.stats().limits
        if not self.view.expired_events():
            return self.view.stats(limits)
        return self.stats().minus(rows.stats_of(self.capture.frames, limits))
