"""The newest errors: among the rows that were kept, or in the store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl

from logkit import schema
from logkit.errors import SnapshotExpired, StoreError

if TYPE_CHECKING:
    import numpy.typing as npt

    from logkit.capture import Capture, EventFrame
    from logkit.sinks.view import StoreView

MAX_ERRORS: Final = 8
_NO_TIME: Final = -1
_FIRST_LINE: Final = 400
_STORED: Final = ("timestamp", "offset", "source", "generation", "level", "service", "message")


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error: its time in µs since 1970 if it has one, the first line of its message, and where it stands."""

    time_us: int | None
    level: str
    service: str
    message: str
    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Which errors are asked for: of these services (None: all), and of this level or above."""

    services: tuple[str, ...] | None = None
    min_level: str | None = None

    @property
    def rank(self) -> int:
        """Of the lowest level, in the order of `schema.LEVELS`."""
        return max(schema.ERROR_RANK, schema.LEVELS.index(self.min_level) if self.min_level else 0)


class _Place(NamedTuple):
    """Where an error stands, to be compared by its time; no two are equal."""

    time_us: int
    offset: int
    source: int
    generation: int


_Text = tuple[str, str, str | None]
"""The level, service and message of an error."""

_Found = tuple["EventFrame", dict[_Place, int]]
"""A frame, and the rows of its newest errors, the newest last."""


@dataclass(slots=True)
class Finder:
    """Finds the newest errors of captures that follow each other: each frame, and each commit, is looked through once.

    Not for two threads at once.
    """

    trouble: str = ""
    """Why the store could not be asked; what it had said before is shown on."""
    _asked: Asked = field(default_factory=Asked)
    _frames: dict[int, _Found] = field(default_factory=dict)
    _store: StoreView | None = None
    _stored: dict[_Place, _Text] = field(default_factory=dict)

    def newest(self, capture: Capture, asked: Asked) -> list[ErrorRow]:
        """The newest `MAX_ERRORS` errors that are asked for, newest first."""
        if asked != self._asked:
            self._asked, self._frames, self._store, self._stored = asked, {}, None, {}
        known, self._frames = self._frames, {}
        fresh = []
        for part in capture.frames:
            # The frame is kept beside its errors, so that no other one can have the same id meanwhile.
            same = known.get(id(part.frame))
            if same is not None and same[0].frame is part.frame:
                self._frames[id(part.frame)] = same
            else:
                fresh.append(part)
        for part, levels in zip(fresh, _levels(fresh), strict=True):
            self._frames[id(part.frame)] = part, _errors_of(part, levels, asked)
        if capture.store is not None:
            self._ask(capture.store, asked)
        # A frame whose newest error is older than those of eight others has none of the newest.
        heads = sorted((next(reversed(places)), key) for key, (_, places) in self._frames.items() if places)
        found = [self._frames[key] for _, key in heads[-MAX_ERRORS:]]
        newest = nlargest(MAX_ERRORS, chain(self._stored, *(places for _, places in found)))
        texts = self._stored | {
            place: _text(part.frame, places[place]) for part, places in found for place in newest if place in places
        }
        paths = {(one.source, one.generation): one.path for one in capture.sources} if newest else {}
        return [_row(place, texts[place], paths.get((place.source, place.generation), "")) for place in newest]

    def _ask(self, store: StoreView, asked: Asked) -> None:
        """Look through what was committed since it was asked last."""
        if self._store is not None and self._store.seq == store.seq:
            return
        try:
            fresh = _errors_in(store if self._store is None else store.since(self._store), asked)
        except SnapshotExpired:
            return  # retention has just run: the next capture knows of it
        except StoreError as error:
            self.trouble = f"the store cannot be asked: {error}"
            return
        self.trouble, self._store = "", store
        fresh |= self._stored
        self._stored = {place: fresh[place] for place in nlargest(MAX_ERRORS, fresh)}


def _row(place: _Place, text: _Text, path: str) -> ErrorRow:
    level, service, message = text
    first = re.split(r"[\r\n]", (message or "").lstrip()[:_FIRST_LINE], maxsplit=1)[0]
    time_us = None if place.time_us == _NO_TIME else place.time_us
    return ErrorRow(time_us, level, service, first, os.path.basename(path), place.offset)


def _levels(parts: list[EventFrame]) -> list[npt.NDArray[Any]]:
    """The ranks of each frame's levels, NaN where there is none: made of all at once, as most frames are small."""
    if not parts:
        return []
    ranks = pl.concat([part.frame["level"] for part in parts]).to_physical().to_numpy()
    return np.split(ranks, np.cumsum([part.frame.height for part in parts[:-1]]))


def _errors_of(part: EventFrame, levels: npt.NDArray[Any], asked: Asked) -> dict[_Place, int]:
    """The newest errors of one frame, each with its row, the newest last.

    By NumPy, as most frames are small: one query of Polars takes longer than all of this.
    """
    frame = part.frame
    wanted = levels >= asked.rank
    if asked.services is not None:
        wanted &= frame["service"].is_in(list(asked.services)).to_numpy()
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return {}
    times = frame["timestamp"].to_numpy()[rows].view(np.int64)  # no time: NaT, which is the least
    newest = np.argsort(times, kind="stable")[-MAX_ERRORS:]  # of equal times the last in the file
    rows, times = rows[newest], np.maximum(times[newest], _NO_TIME)
    found = zip(times.tolist(), frame["offset"].to_numpy()[rows].tolist(), rows.tolist(), strict=True)
    return {_Place(time_us, offset, part.source, part.generation): row for time_us, offset, row in found}


def _text(frame: pl.DataFrame, row: int) -> _Text:
    return frame["level"][row], frame["service"][row], frame["message"][row]


def _errors_in(store: StoreView, asked: Asked) -> dict[_Place, _Text]:
    """The newest errors of a view of the store."""
    from logkit.sinks.filters import RowFilter

    fields: list[tuple[str, tuple[object, ...]]] = [("level", schema.LEVELS[asked.rank :])]
    if asked.services is not None:
        fields.append(("service", asked.services))
    with store.where(RowFilter(tuple(fields))).query(_STORED) as query:
        newest = query.ask(
            f'coalesce(epoch_us("timestamp"), {_NO_TIME}) AS time_us, "offset", source, generation, level::VARCHAR, '
            f"service, left(message, {_FIRST_LINE})",
            rest=f' ORDER BY time_us DESC, "offset" DESC LIMIT {MAX_ERRORS}',
        ).fetchall()
    return {_Place(*row[:4]): (row[4], row[5], row[6]) for row in newest}
