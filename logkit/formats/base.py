"""What a format is: which lines start a record, and what a record says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats.block import Lines, Mask, Records


@dataclass(frozen=True, slots=True)
class TimeRules:
    """What a written time leaves unsaid.

    `timezone` is where times without a zone were written (an IANA name); `reference_us` is the instant
    (µs since 1970, UTC) that times without a year, or without a date, are put nearest to, and not more
    than a day after. A time is then a pure function of its text and these two.
    """

    timezone: str = "UTC"
    reference_us: int = 0


NO_TIME: Final = -(2**63)
"""In place of a time in µs, of a record that has none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What statistics need of `n` records, and no more: no frame is made, no string of every record.

    `us` are times since 1970 in UTC, `NO_TIME` where a record has none; `level` ranks in `schema.LEVELS`,
    `levels.NONE` for none. `service` is each record's place in `services`, the different names, -1 where it names none.
    `duration_ms` is NaN where a record has none, and None where no record can have one. Rows where `ok` is false hold
    nothing to be trusted; `reason` says why those were refused.
    """

    us: npt.NDArray[np.int64]
    level: npt.NDArray[np.uint8]
    services: list[str]
    service: npt.NDArray[np.int64]
    duration_ms: npt.NDArray[np.float64] | None
    ok: Mask
    reason: str

    def __len__(self) -> int:
        return len(self.ok)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a format read from `n` records.

    `frame` has `n` rows: `timestamp`, `level`, `service`, `message` (see `schema`) and the format's own
    fields; rows where `ok` is false hold nothing to be trusted. `reason` says why those were refused.
    With `stats_only`, only the columns of `schema.STATS_FIELDS` are there (`duration_ms` where the
    format has it). `facts` are the same rows' where the format came upon them: statistics need no frame then.
    """

    frame: pl.DataFrame
    ok: Mask
    reason: str
    facts: Facts | None = None


@runtime_checkable
class Counting(Protocol):
    """A format that gives statistics what they need without a frame: the same as `parse` does, sooner."""

    def facts(self, records: Records, times: TimeRules) -> Facts | None:
        """Read the records column-wise; the whole pattern is verified. None where that takes a frame."""
        ...


@runtime_checkable
class Format(Protocol):
    """A way to read records. Immutable, hashable, picklable: it travels with a span to other processes.

    `multiline`: lines that start no record belong to the record before (stack traces). Otherwise every
    line that is not blank is a record. `splittable`: whether a line starts a record is decided by that
    line alone, so that a file can be cut anywhere; if not, the file is one serial span.
    """

    @property
    def name(self) -> str: ...
    @property
    def multiline(self) -> bool: ...
    @property
    def splittable(self) -> bool: ...

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record."""
        ...

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read the records column-wise. Any bytes are allowed; never raises for what a log says."""
        ...
