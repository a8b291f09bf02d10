"""Pure: the newest errors among the rows that were kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit import schema

if TYPE_CHECKING:
    from logkit.capture import Capture, EventFrame

MAX_ERRORS: Final = 8
_PER_FRAME: Final = 200
_ERRORS: Final = schema.LEVELS[schema.ERROR_RANK :]
_FIRST_LINE: Final = 400


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """An error: its time in µs since 1970 if it has one, the first line of its message, and where it stands."""

    time_us: int | None
    level: str
    service: str
    message: str
    file: str
    offset: int


class Finder:
    """Finds the newest errors of captures that follow each other: each frame is looked through once.

    Not for two threads at once.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[EventFrame, pl.DataFrame]] = {}

    def newest(self, capture: Capture, services: Sequence[str] | None, min_level: str | None) -> list[ErrorRow]:
        """The newest `MAX_ERRORS` errors, newest first; of these services, and of this level or above, if given."""
        found: dict[int, tuple[EventFrame, pl.DataFrame]] = {}
        for part in capture.frames:
            # The frame is kept beside its errors, so that no other one can have the same id meanwhile.
            kept = self._found.get(id(part.frame))
            found[id(part.frame)] = kept if kept and kept[0].frame is part.frame else (part, _errors_of(part))
        self._found = found
        frames = [errors for _, errors in found.values() if errors.height]
        if not frames:
            return []
        rows = pl.concat(frames)
        if services is not None:
            rows = rows.filter(pl.col("service").is_in(list(services)))
        if min_level is not None:
            rows = rows.filter(pl.col("level") >= min_level)
        newest = rows.sort("time_us", "offset", descending=True, nulls_last=True).head(MAX_ERRORS)
        paths = {(status.source, status.generation): status.path for status in capture.sources}
        return [
            ErrorRow(
                time_us=row["time_us"],
                level=row["level"],
                service=row["service"],
                message=row["message"] or "",
                file=os.path.basename(paths.get((row["source"], row["generation"]), "")),
                offset=row["offset"],
            )
            for row in newest.iter_rows(named=True)
        ]


def _errors_of(part: EventFrame) -> pl.DataFrame:
    """The newest errors of one frame, with the first line of their messages; small, and copied."""
    return (
        part.frame.filter(part.frame["level"].is_in(list(_ERRORS)))
        .tail(_PER_FRAME)
        .select(
            pl.col("timestamp").dt.timestamp("us").alias("time_us"),
            "level",
            "service",
            pl.col("message").str.strip_chars_start().str.extract(r"^([^\r\n]*)").str.slice(0, _FIRST_LINE),
            "offset",
            source=pl.lit(part.source, pl.Int64),
            generation=pl.lit(part.generation, pl.Int64),
        )
    )
