"""`Pattern`: one message template of a snapshot, and the rows that have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import polars as pl

from logkit.analysis import patterns, rows
from logkit.analysis.columns import ROW, columns
from logkit.analysis.conditions import Condition
from logkit.errors import SettingError
from logkit.stats.templates import COLUMN, parameters

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Pattern:
    """A message template: the literal text of a statement, with `<*>` where its values stand.

    >>> snap.pattern("connection-from-7f3a09c1").parameters["p1"].value_counts()    # doctest: +SKIP
    """

    id: str
    template: str
    count: int
    """Events that have it, of all services and levels."""
    services: tuple[str, ...]
    """The services that logged it, sorted."""
    first_seen: datetime | None
    """UTC; None where no event has a time, and so `last_seen`."""
    last_seen: datetime | None
    example: str
    """The message with the smallest source, generation and offset."""
    _snapshot: Snapshot

    def __repr__(self) -> str:
        return f"<Pattern {self.id}: {self.count:,} events, {self.template!r}>"

    @property
    def snapshot(self) -> Snapshot:
        """The events that have it, as a Snapshot."""
        return self._snapshot.with_patterns().where(**{COLUMN: self.id})

    @property
    def parameters(self) -> pd.DataFrame:
        """What its wildcards stand for: a row per kept event that has it, a `str` column per wildcard, left to right.

        The index are the rows' positions in `events` of the snapshot. Columns are called after what stands before the
        wildcard (`user=<*>`), else p1, p2 … by its number. Put back into the template, a row's texts give its message.
        """
        found = columns(self._snapshot.with_patterns(), [ROW, "message"], Condition({COLUMN: (self.id,)}))
        made = rows.to_pandas(parameters(self.template, found["message"]).to_arrow(), nullable=())
        made.index = found[ROW].to_pandas().astype("int64").rename(None)
        return made

    @property
    def timeline(self) -> pd.DataFrame:
        """Events per time bucket and service: service, level, timestamp (start of the bucket, UTC), count."""
        counts = patterns.timeline(*self._snapshot.mined).filter(pl.col(COLUMN) == self.id)
        return rows.to_pandas(counts.drop(COLUMN).to_arrow(), nullable=())


def find(snapshot: Snapshot, pattern: str) -> Pattern:
    """The template of that id; raises SettingError where the snapshot has none."""
    table = snapshot.tables("patterns").filter(pl.col(COLUMN) == str(pattern))
    if not table.height:
        known = snapshot.tables("patterns")[COLUMN].to_list()
        near = get_close_matches(str(pattern), known, n=3) or known[:3]
        message = f"expected the id of one of snap.patterns, found {pattern!r}; try {', '.join(near) or 'other rows'}"
        raise SettingError(message, setting=COLUMN, value=pattern)
    first: dict[str, Any] = table.row(0, named=True)
    return Pattern(
        pattern,
        first["template"],
        int(table["count"].sum()),
        tuple(sorted(table["service"].unique().to_list())),
        table["first_seen"].min(),  # type: ignore[arg-type]
        table["last_seen"].max(),  # type: ignore[arg-type]
        first["example"],
        snapshot,
    )
