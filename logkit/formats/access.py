"""Access logs: what the request line and the pairs behind it say, on top of any template or regular expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from logkit.formats.base import Facts, Parsed, TimeRules
from logkit.formats.block import Lines, Mask, Records
from logkit.formats.regex import Regex
from logkit.formats.template import Template
from logkit.schema import STATS_FIELDS

EXTRA: Final = "extra"
"""The field a pattern puts in what stands behind the usual ones."""

_REQUEST: Final = r"^(?P<method>[A-Z]{3,12}) (?P<path>\S+)(?: (?P<protocol>[A-Z]+/[0-9.]+))?$"
_KEYS: Final = r"(?:rt|request_time|request_duration|req_time|response_time|duration|took|elapsed)"
_SECONDS: Final = rf"(?:^|[\s,;|]){_KEYS}[=:]\x22?(?P<number>[0-9]*\.[0-9]+)(?:s|\x22|[\s,;|]|$)"
_MILLISECONDS: Final = rf"(?:^|[\s,;|]){_KEYS}(?:_ms[=:]\x22?(?P<keyed>[0-9.]+)|[=:]\x22?(?P<number>[0-9.]+)ms)"
_BARE: Final = r"^(?P<number>[0-9]+\.[0-9]+)(?:\s|$)"
_TRACE: Final = r"(?i:trace_?id|x-b3-traceid)[=:]\x22?(?P<id>[0-9A-Za-z-]+)"


@dataclass(frozen=True, slots=True)
class Access:
    """An access log read by `inner`, whose `message` is the request line: `method`, `path` and `protocol` are added
    from it, and `duration_ms` and `trace_id` from a field `extra` such as `rt=0.123 trace_id=4bf92f` (seconds where
    no unit is named; a bare number with a point is one of seconds too). A malformed request line stays a message.
    """

    inner: Template | Regex

    @property
    def name(self) -> str:
        """The inner format's name."""
        return self.inner.name

    @property
    def multiline(self) -> bool:
        """As the inner format."""
        return self.inner.multiline

    @property
    def splittable(self) -> bool:
        """As the inner format."""
        return self.inner.splittable

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the inner format's fields."""
        return self.inner.fields

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record."""
        return self.inner.starts(lines)

    def recognises(self, lines: Lines) -> Mask:
        """Which lines the inner format reads."""
        return self.inner.recognises(lines)

    def facts(self, records: Records, times: TimeRules) -> Facts | None:
        """What statistics need of the records: see `base.Counting`."""
        return self.inner.facts(records, times) if isinstance(self.inner, Template) and not self._timed else None

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read the records; see the class."""
        parsed = self.inner.parse(records, times, stats_only=stats_only and not self._timed)
        frame = _with_extra(parsed.frame) if self._timed else parsed.frame
        if stats_only:
            frame = frame.select_seq([name for name in STATS_FIELDS if name in frame.columns])
        else:
            request = frame["message"].str.extract_groups(_REQUEST).struct.unnest()
            frame = frame.hstack([request[name] for name in ("method", "path", "protocol")])
        return Parsed(frame, parsed.ok, parsed.reason, None if self._timed else parsed.facts)

    @property
    def _timed(self) -> bool:
        return EXTRA in self.fields


def _with_extra(frame: pl.DataFrame) -> pl.DataFrame:
    extra = pl.col(EXTRA)
    seconds = pl.coalesce(extra.str.extract(_SECONDS), extra.str.extract(_BARE)).cast(pl.Float64, strict=False)
    written = extra.str.extract_groups(_MILLISECONDS)
    milliseconds = pl.coalesce(written.struct.field("keyed"), written.struct.field("number"))
    return frame.with_columns_seq(
        pl.coalesce(milliseconds.cast(pl.Float64, strict=False), seconds * 1e3).alias("duration_ms"),
        extra.str.extract(_TRACE).alias("trace_id"),
    )
