"""The rows of a snapshot that has them in a store, with the held records laid over them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from logkit import schema
from logkit.analysis import conditions, naming, rows
from logkit.analysis.conditions import Condition, one_of
from logkit.analysis.rows import Key
from logkit.capture import EventFrame
from logkit.errors import NeedsEvents, SnapshotError, SnapshotExpired
from logkit.sinks import copying
from logkit.sinks.filters import KEYS, RowFilter, dtype_of
from logkit.sinks.scan import Scan
from logkit.sinks.view import Kept
from logkit.stats import Limits, Stats
from logkit.stats.groups import Ints
from logkit.stats.masks import mask
from logkit.stats.templates import COLUMN, added

if TYPE_CHECKING:
    from logkit.capture import Capture
    from logkit.sinks.view import StoreView
    from logkit.snapshot import Snapshot
    from logkit.stats.templates import Templates


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

    def dropped(self, snapshot: Snapshot) -> int:
        """How many of the snapshot's events have no row: retention dropped them, before it was taken or since."""
        if not self.view.expired_events():
            return 0
        return max(len(snapshot) - self.view.count(expired_too=True) - rows.height(self.capture.frames), 0)

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

    def columns(self, snapshot: Snapshot, names: Sequence[str], where: Condition | None = None) -> pl.DataFrame:
        """These columns of all rows that fulfil `where`, as far as any row has them and perhaps some more, in the
        order of `frame`."""
        if where is not None:
            narrowed = type(snapshot)(self.selected(snapshot, where))
            return narrowed.rows.columns(narrowed, names)
        named = snapshot.named if COLUMN in names else None
        asked = dict.fromkeys((*names, *KEYS, "offset"))
        asked.pop("file", None)
        held = self.capture.frames if named is None else rows.named(self.capture.frames, named)
        own = rows.joined(held, self.capture, list(asked)).drop("file")
        if named is None:
            stored = self.view.frame(list(asked))
        else:
            del asked[COLUMN]
            stored = self._named(snapshot, named, [naming.own_name(snapshot, self.view, name) for name in asked])
        return rows.placed(pl.concat([stored, own], how="diagonal_relaxed"), self.capture)

    def _named(self, snapshot: Snapshot, named: Templates, names: list[str]) -> pl.DataFrame:
        """These columns of the stored rows, and the ids of their templates."""
        ids = naming.ids(snapshot, self.view)
        if ids is None:
            return named.named(self.view.frame(list(dict.fromkeys((*names, "message", schema.MASK)))))
        found = self.view.frame([*names, schema.MASK])
        if not found.height:
            return added(found.drop(schema.MASK, strict=False), pl.Series(COLUMN, [], pl.String))
        numbers = found.select(schema.MASK).join(ids, on=schema.MASK, how="left", maintain_order="left")
        return added(found.drop(schema.MASK), numbers[COLUMN])

    def shown(self, snapshot: Snapshot) -> tuple[EventFrame, ...]:
        """See `Snapshot.shown`: all rows, a frame per source and generation."""
        return _frames(snapshot.frame)

    def with_patterns(self, snapshot: Snapshot) -> Capture:
        """See `Snapshot.with_patterns`: the rows stay in the store, and are named as they are fetched."""
        stats, named = snapshot.mined
        counted = (stats,) if not snapshot.dropped_events else self.capture.parts
        return replace(self.capture, parts=counted, templates=snapshot.named or named)

    def held(self, snapshot: Snapshot) -> pl.DataFrame:
        """The rows that are not in the store, in the order of `frame`."""
        named, frames = snapshot.named, self.capture.frames
        found = rows.joined(frames if named is None else rows.named(frames, named), self.capture)
        return found.drop(schema.MASK, strict=False)

    def fields(self, snapshot: Snapshot) -> dict[str, pl.DataType]:
        """The names and dtypes of the columns that its rows may have, as `frame` has them."""
        moved = naming.moved(snapshot, self.view)
        names = [moved if name == COLUMN and moved else name for name in self.view.fields() if name != schema.MASK]
        own = {name: dtype_of(name) for name in names}
        held = rows.joined(self.capture.frames, self.capture).drop(schema.MASK, strict=False)
        found = {**dict(rows.joined((), self.capture).schema), **own, **dict(held.schema)}
        return found if snapshot.named is None else {**found, COLUMN: pl.String()}

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
        """These columns of all rows, as far as any row has them, some rows at a time, in no order."""
        yield from self.view.batches(names)
        for part in self.capture.frames:
            yield part.frame.select(name for name in names if name in part.frame.columns)

    def heights(self) -> dict[Key, int]:
        """How many rows there are of each source and generation."""
        with self.view.query(()) as query:
            found = query.table("source, generation, count(*) AS n", " GROUP BY ALL")
        heights = {(source, generation): n for source, generation, n in found.iter_rows()}
        for part in self.capture.frames:
            key = part.source, part.generation
            heights[key] = heights.get(key, 0) + part.frame.height
        return heights

    def offsets(self, keys: Collection[Key]) -> Iterator[tuple[Key, Ints]]:
        """The offsets of all rows of these sources, in pieces, in no order."""
        found = self.view.where(RowFilter(sources=tuple(keys))).frame((*KEYS, "offset"))
        for (source, generation), part in found.partition_by(*KEYS, as_dict=True).items():
            yield (source, generation), part["offset"].to_numpy()
        for held in self.capture.frames:
            if (held.source, held.generation) in keys:
                yield (held.source, held.generation), held.frame["offset"].to_numpy()

    def scan(self, snapshot: Snapshot) -> Scan:
        """The stored rows as SQL takes them, with all columns the store has, and the template where events name it."""
        stored = (*rows.COLUMNS, *self.view.fields())
        shown = [name for name in self.fields(snapshot) if naming.own_name(snapshot, self.view, name) in stored]
        own = {
            name: naming.own_name(snapshot, self.view, name)
            for name in shown
            if snapshot.named is None or name != COLUMN
        }
        return Scan(self.view, own, rows.paths_of(self.capture), naming.namer(snapshot, self.view))

    def own_fields(self, snapshot: Snapshot) -> set[str] | None:
        """The columns beside `rows.COLUMNS` that events of the store, or held ones, have; None before the first."""
        whole = self.capture.whole or self.capture
        if whole.parts is not None and not any(whole.parts):
            return None
        found = {*self.view.fields(), *(conditions.own_fields(whole.frames) or ())} - {schema.MASK}
        moved = naming.moved(snapshot, self.view)
        return found if snapshot.named is None else found | {COLUMN, *([moved] if moved else [])}

    def selected(self, snapshot: Snapshot, condition: Condition) -> Capture:
        """The part that fulfils `condition`; no row is fetched for it, but where only messages tell their templates."""
        capture, held = self.capture, self.capture.frames
        fields = {
            naming.own_name(snapshot, self.view, name): values
            for name, values in condition.fields.items()
            if name != COLUMN
        }
        if COLUMN in condition.fields and (named := snapshot.named) is not None:
            ids = naming.ids(snapshot, self.view)
            if ids is None:
                return self._collected(snapshot, named, condition)
            numbers = ids.filter(one_of(COLUMN, condition.fields[COLUMN], ids))[schema.MASK].to_list()
            fields[schema.MASK] = tuple(numbers)
            held = naming.fulfilling(condition, capture, named)
        elif snapshot.named is not None:
            held = naming.fulfilling(condition, capture, snapshot.named)
        else:
            fields, held = dict(condition.fields), condition.rows(held, capture)
        return replace(
            capture,
            lineage=f"{capture.lineage} | {condition}",
            parts=self._told(snapshot, condition),
            frames=held,
            store=self.view.where(replace(condition, fields=fields).pushed(capture)),
            whole=capture.whole or capture,
            templates=snapshot.named,
        )

    def _collected(self, snapshot: Snapshot, named: Templates, condition: Condition) -> Capture:
        """The part that fulfils `condition`, which asks for templates that only messages tell: its rows in memory."""
        ids = condition.fields[COLUMN]
        others = {name: values for name, values in condition.fields.items() if name != COLUMN}
        rest = type(snapshot)(self.selected(snapshot, replace(condition, fields=others))).rows
        assert isinstance(rest, StoredRows)
        with rest.view.query() as query:
            names = list(query.columns)
        held = rows.joined(rest.capture.frames, self.capture).drop("file")
        own = [named.named(part) for part in (*rest.view.batches(names), held)]
        found = pl.concat([part.filter(one_of(COLUMN, ids, part)) for part in own], how="diagonal_relaxed")
        frames = _frames(rows.placed(found, self.capture))
        return replace(
            self.capture,
            lineage=f"{self.capture.lineage} | {condition}",
            parts=(rows.stats_of(frames, snapshot.stats.limits),),
            frames=frames,
            keep_events=max(found.height, self.capture.keep_events),
            patterns=False,
            templates=named,
            store=None,
            store_status=None,
            whole=None,
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


def _frames(placed: pl.DataFrame) -> tuple[EventFrame, ...]:
    """Rows in the order of `Snapshot.frame` as frames, one per source and generation."""
    own = placed.drop("file", *KEYS)
    runs = placed.select(pl.struct(KEYS).rle()).to_series().struct.unnest()
    parts, at = [], 0
    for length, one in runs.iter_rows():
        parts.append(EventFrame(one["source"], one["generation"], own.slice(at, length)))
        at += length
    return tuple(parts)
