"""`Stats`: a summary that adds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from logkit.formats.base import Facts
from logkit.stats import frames, tally
from logkit.stats.masks import Masked
from logkit.stats.patterns import EMPTY as EMPTY_PATTERNS
from logkit.stats.patterns import PatternTable
from logkit.stats.totals import (
    DEFAULT_LIMITS,
    EMPTY,
    ERROR_CODE,
    LEVEL_NAMES,
    OTHER,
    Limits,
    Tables,
    merge,
    select,
    subtract,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Stats:
    """What is known about a set of events: counts by service, level and time, and latencies by the same.

    A commutative monoid, exactly: all it holds are integers, so `a + b == b + a`, `(a + b) + c == a + (b + c)`
    and `a + Stats.empty() == a` to the last digit, whoever counted what in which order. It never changes;
    any thread may use it.

    Time buckets are as narrow as `limits` allow for the times seen, on a ladder from 1 s up
    (`ladder.WIDTHS_US`), and begin at multiples of their width since 1970 (UTC). Times before 1970 or
    from the year 2200 on count as no time.

    >>> stats = Stats.of(monday) + Stats.of(tuesday)    # doctest: +SKIP
    >>> stats.by_service().select("service", "events", "p95_ms")    # doctest: +SKIP
    """

    tables: Tables
    limits: Limits

    @classmethod
    def empty(cls, limits: Limits = DEFAULT_LIMITS) -> Stats:
        """The statistics of no event: the neutral element of `+` among those of the same limits."""
        return cls(EMPTY, limits)

    @classmethod
    def of(cls, events: pl.DataFrame, limits: Limits = DEFAULT_LIMITS, masked: Masked | None = None) -> Stats:
        """The statistics of some events.

        `events` has timestamp (`schema.TIMESTAMP`), level (`schema.LEVEL`) and service (String; null counts
        as ""); duration_ms (ms; negative and NaN are left out) and rejected (Boolean) where it has them. Where their
        messages come `masked` these are counted too; it then has message (String), source, generation and offset.
        """
        return cls(tally.count(events, limits, masked), limits)

    @classmethod
    def of_facts(cls, facts: Facts, limits: Limits = DEFAULT_LIMITS) -> Stats:
        """The statistics of events that a format told the facts of: all rows ok, each with a service."""
        return cls(tally.count_facts(facts, limits), limits)

    @classmethod
    def sum(cls, parts: Iterable[Stats], limits: Limits = DEFAULT_LIMITS) -> Stats:
        """All parts added up, in one pass; `Stats.empty(limits)` where there are none.

        Raises ValueError where the parts' limits differ.
        """
        parts = list(parts)
        if not parts:
            return cls.empty(limits)
        limits = parts[0].limits
        for part in parts:
            if part.limits != limits:
                raise ValueError(f"expected statistics of equal limits, found {limits} and {part.limits}")
        return cls(merge([part.tables for part in parts], limits), limits)

    def __add__(self, other: Stats) -> Stats:
        if not isinstance(other, Stats):
            return NotImplemented
        return Stats.sum((self, other))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stats):
            return NotImplemented
        return self.limits == other.limits and self.tables == other.tables

    def __bool__(self) -> bool:
        return self.events > 0

    def __repr__(self) -> str:
        seconds = self.width_us // 1_000_000
        return f"<Stats: {self.events:,} events, {len(self.services)} services, buckets of {seconds} s>"

    @property
    def events(self) -> int:
        """How many events were counted."""
        return int(self.tables.totals.counts[0].sum())

    @property
    def errors(self) -> int:
        """How many of them were ERROR or above."""
        cells = self.tables.totals
        return int(cells.counts[0, cells.keys[1] >= ERROR_CODE].sum())

    @property
    def other_events(self) -> int:
        """How many were counted under `OTHER`, because there were more services than `limits.max_services`."""
        if OTHER not in self.services:
            return 0
        cells = self.tables.totals
        return int(cells.counts[0, cells.keys[0] == self.services.index(OTHER)].sum())

    @property
    def services(self) -> tuple[str, ...]:
        """The services that occur, sorted."""
        return self.tables.names

    @property
    def patterns(self) -> PatternTable:
        """Counts per masked message, of the events for which they were asked for."""
        return EMPTY_PATTERNS if self.tables.patterns is None else self.tables.patterns

    @property
    def has_patterns(self) -> bool:
        """Whether the masked messages of all events were counted."""
        return self.patterns.events == self.events

    @property
    def width_us(self) -> int:
        """The width of the time buckets in µs."""
        return self.tables.width_us

    @property
    def bin_width_us(self) -> int:
        """The width of the latencies' time buckets in µs."""
        return self.tables.bin_width_us

    @property
    def totals(self) -> pl.DataFrame:
        """service, level (null = none), events, timed, rejects, first_us, last_us (null = never), sorted.

        All but service and level are Int64; times are µs since 1970, UTC.
        """
        return frames.totals(self.tables)

    @property
    def buckets(self) -> pl.DataFrame:
        """service, level, bucket_us (start, Int64), events, rejects (Int64), sorted; only events with a time."""
        return frames.buckets(self.tables)

    @property
    def bins(self) -> pl.DataFrame:
        """service, level, bucket_us (null = no time), bin (Int16, see `sketch.value_of`), events, sorted."""
        return frames.bins(self.tables)

    def minus(self, other: Stats) -> Stats:
        """What was counted here and not in `other`, at the wider of both bucket widths.

        First and last times are those of the remaining buckets, so exact only to a bucket's width.
        Raises ValueError where `other` is not contained in this, or their limits differ.
        """
        if self.limits != other.limits:
            raise ValueError(f"expected statistics of equal limits, found {self.limits} and {other.limits}")
        return Stats(subtract(self.tables, other.tables, self.limits), self.limits)

    def where(
        self,
        services: Collection[str] | None = None,
        levels: Collection[str] | None = None,
        start_us: int | None = None,
        stop_us: int | None = None,
    ) -> Stats | None:
        """The part with one of `services`, one of `levels` ("none" is no level) and a time in [start, stop).

        None where only the events themselves can answer: an end of the time range falls inside a bucket
        (of `width_us`, or of `bin_width_us` where there are latencies) that holds events on both sides of
        it, or a service may have been counted under `OTHER`. A time filter leaves events without a time out;
        first and last times are then exact only to a bucket's width. Raises ValueError for an unknown level.
        """
        unknown = sorted(set(levels or ()) - set(LEVEL_NAMES))
        if unknown:
            raise ValueError(f"expected levels out of {', '.join(LEVEL_NAMES)}, found {', '.join(unknown)}")
        found = select(self.tables, services, levels, start_us, stop_us)
        return None if found is None else Stats(found, self.limits)

    def by_service(self) -> pl.DataFrame:
        """One row per service, sorted by name.

        service (String); events, errors, warnings, rejects (Int64); error_rate (Float64, of its events);
        per_second (Float64, events with a time over the service's own first to last, at least 1 s);
        first_us, last_us (Int64, µs since 1970, UTC); p50_ms, p95_ms, p99_ms (Float64, within 1 %, null
        without durations).
        """
        return frames.by_service(self.tables)

    def by_level(self) -> pl.DataFrame:
        """One row per service, sorted by name: service, an Int64 count for each of `schema.LEVELS`, "none"."""
        return frames.by_level(self.tables)

    def timeline(
        self, width_us: int, by: Literal["level", "service"] | None = None, *, fill: bool = True
    ) -> pl.DataFrame:
        """Events over time: the column `by`, if any, bucket_us (Int64, start) and events (Int64), sorted so.

        With `fill` every value of `by` that occurs has a row for every bucket from the first to the last of
        all, 0 where nothing happened: `events` reshapes to (values, buckets). Raises ValueError where
        `width_us` is no multiple of the statistics' own, or filling would take more than
        `frames.MAX_POINTS` rows.
        """
        return frames.timeline(self.tables, width_us, by, fill)

    def quantile(self, q: float, by: Sequence[frames.Key] = ("service",)) -> pl.DataFrame:
        """The columns of `by` and quantile_ms (Float64): the duration at rank ⌊q · (n - 1)⌋, within 1 %.

        `by` may name service, level and bucket_us (of `bin_width_us`); groups without durations have no row.
        Raises ValueError for a `q` outside of 0 … 1.
        """
        return frames.quantile(self.tables, q, by)
