"""Which template each row of a store has: told by the numbers of masked messages it holds, or by the messages.

A store written with `patterns=True` has a number for each row, so that rows are named without their messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit import schema
from logkit.analysis import rows
from logkit.stats.templates import COLUMN

if TYPE_CHECKING:
    from logkit.analysis.conditions import Condition
    from logkit.capture import Capture, EventFrame
    from logkit.sinks.scan import Namer
    from logkit.sinks.view import StoreView
    from logkit.snapshot import Snapshot
    from logkit.stats.templates import Templates


def own_name(snapshot: Snapshot, view: StoreView, name: str) -> str:
    """What a column of `snap.frame` is called in the store: a field called `pattern` makes room for the template's."""
    return COLUMN if name == moved(snapshot, view) else name


def moved(snapshot: Snapshot, view: StoreView) -> str | None:
    """What a field of the logs' own that is called `pattern` is shown as; None where there is none, or no need."""

    def find() -> str | None:
        names, free = view.fields(), COLUMN
        while free in names:
            free += "_"
        return free if free != COLUMN else None

    return None if snapshot.named is None else snapshot._once("field called pattern", find)


def ids(snapshot: Snapshot, view: StoreView) -> pl.DataFrame | None:
    """What the rows' numbers of masked messages (`schema.MASK`) stand for: the id of each one's template.

    None where there are rows without a number: of those only the message tells.
    """
    return snapshot._once("ids of numbers", lambda: _ids(view, snapshot.named or snapshot.mined[1]))


def _ids(view: StoreView, named: Templates) -> pl.DataFrame | None:
    with view.query((schema.MASK, "message")) as query:
        number = query.columns.get(schema.MASK, "NULL")
        there = query.table(f"DISTINCT {number}::BIGINT AS {schema.MASK}")
        if there[schema.MASK].null_count():
            return None
        known = there.join(named.numbers, on=schema.MASK)
        if known.height == there.height:
            return known
        # Masked messages that were not kept apart: what they count as can only be read off one of their messages.
        query.connection.register("logkit_unknown", there.join(known, on=schema.MASK, how="anti").to_arrow())
        found = query.table(
            f"{number} AS {schema.MASK}, any_value(message) AS message",
            f" AND {number} IN (SELECT {schema.MASK} FROM logkit_unknown) GROUP BY 1",
        )
    return pl.concat([known, found.select(schema.MASK, named.column(found["message"]))])


def namer(snapshot: Snapshot, view: StoreView) -> Namer | None:
    """How rows that SQL asks for get the ids of their templates, and what is needed for it."""
    named = snapshot.named
    if named is None:
        return None

    def name() -> tuple[tuple[str, ...], Callable[[pl.DataFrame], pl.Series]]:
        known = ids(snapshot, view)
        if known is None:
            return ("message",), lambda batch: named.column(batch["message"])
        return (schema.MASK,), lambda batch: batch.join(known, on=schema.MASK, how="left", maintain_order="left")[
            COLUMN
        ]

    return name


def fulfilling(condition: Condition, capture: Capture, named: Templates) -> tuple[EventFrame, ...]:
    """The capture's rows that fulfil a condition which is about their templates, as they are: not named."""
    frames = capture.frames
    numbered = [
        replace(part, frame=part.frame.with_columns(pl.lit(at).alias(_PART)).with_row_index(_NTH))
        for at, part in enumerate(frames)
    ]
    found = condition.rows(rows.named(numbered, named), capture)
    return tuple(
        replace(frames[at], frame=frames[at].frame[part.frame[_NTH]])
        for part in found
        for at in (int(part.frame[_PART][0]),)
    )


_PART: Final = "logkit part"
_NTH: Final = "logkit nth"
