"""The engine's settings, checked once: sizes in bytes, times in seconds, as their names say."""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, fields

from logkit.errors import SettingError
from logkit.sources import ReadOptions, ServiceRule

_MAY_BE_ZERO = {
    "keep_events",
    "keep_bytes",
    "idle_flush_seconds",
    "retry_seconds",
    "follow_seconds",
    "copy_seconds",
    "commit_seconds",
    "keep_intervals",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All limits of one monitor.

    workers: threads that read and parse. queue_size: spans that wait for them. span_bytes: how large a file may be
    before it is read in several spans at once. poll_seconds: pause between two full scans. idle_flush_seconds: how long
    an unfinished last line is waited for. keep_events, keep_bytes: rows kept in memory, the newest. max_attempts: tries
    before a span is set aside; retry_seconds: pause after the first failure, doubled after each. max_concurrent_reads,
    max_open_files: limits shared by all workers; files read last are held open as far as the latter allows.
    max_thread_deaths: replacements before the engine gives up. keep_intervals: how many of the things it did each
    thread remembers for `monitor.activity()`. follow_seconds: how long a file that was renamed or deleted is read on
    after it went quiet. copy_seconds: how long a file that begins like one already read is waited for: it may be a copy
    in the making. finite: everything is read once, as it is now, and last records are finished. columns: which columns
    of `snap.events` are made, besides those that say where a record stands and the level, time and service that
    statistics need; all of them by default. patterns: find message templates while reading.
    With a store: commit_seconds: pause between two commits; max_waiting_bytes: what may wait for the writer before
    readers have to; keep_days, max_store_bytes: which of its rows are kept, by age and by the room they take (None:
    all).
    """

    workers: int = 0
    queue_size: int = 64
    span_bytes: int = 32 << 20
    block_bytes: int = 8 << 20
    max_record_bytes: int = 1 << 20
    poll_seconds: float = 2.0
    idle_flush_seconds: float = 1.0
    keep_events: int = 200_000
    keep_bytes: int = 1 << 30
    max_attempts: int = 3
    retry_seconds: float = 0.2
    max_retry_seconds: float = 30.0
    max_concurrent_reads: int = 4
    max_open_files: int = 64
    follow_seconds: float = 30.0
    copy_seconds: float = 3.0
    max_thread_deaths: int = 20
    keep_intervals: int = 4096
    columns: tuple[str, ...] | None = None
    commit_seconds: float = 0.1
    max_waiting_bytes: int = 48 << 20
    keep_days: float | None = None
    max_store_bytes: int | None = None
    timezone: str = "UTC"
    missing_ok: bool = False
    notify: bool = True
    finite: bool = False
    patterns: bool = False

    def __post_init__(self) -> None:
        if self.workers == 0:
            object.__setattr__(self, "workers", default_workers())
        object.__setattr__(self, "columns", _names(self.columns))
        for field in fields(self):
            value = getattr(self, field.name)
            low = 0 if field.name in _MAY_BE_ZERO else None
            if field.name == "columns" or isinstance(field.default, bool | str) or value is None is field.default:
                continue
            kind = int if isinstance(field.default, int) or field.name.endswith("_bytes") else (int, float)
            if not isinstance(value, kind):
                wanted = "a whole number" if kind is int else "a number"
                raise SettingError(
                    f"expected {field.name}= to be {wanted}, found {value!r}; try {field.default!r}",
                    setting=field.name,
                    value=value,
                )
            if (low is None and value <= 0) or value < 0:
                least = "0 or more" if low == 0 else "more than 0"
                raise SettingError(
                    f"expected {field.name}= to be {least}, found {value!r}; try {field.default!r}",
                    setting=field.name,
                    value=value,
                )
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise SettingError(
                f"expected timezone= to be an IANA name, found {self.timezone!r}; try 'UTC' or 'Europe/Berlin'",
                setting="timezone",
                value=self.timezone,
            ) from error

    def reading(self, service: ServiceRule, *, keep: bool) -> ReadOptions:
        """How spans are read, by threads here and by a cluster's workers alike."""
        return ReadOptions(
            block_bytes=self.block_bytes,
            max_record_bytes=self.max_record_bytes,
            keep=keep,
            columns=None if self.columns is None else frozenset(self.columns),
            service=service,
            patterns=self.patterns,
        )


def _names(columns: object) -> tuple[str, ...] | None:
    """The names of columns, checked."""
    if columns is None:
        return None
    names = list(columns) if isinstance(columns, Iterable) and not isinstance(columns, str) else None
    if names is None or not all(isinstance(name, str) for name in names):
        message = f"expected columns= to be a list of names, found {columns!r}; try ['timestamp', 'message']"
        raise SettingError(message, setting="columns", value=columns)
    return tuple(names)


def default_workers() -> int:
    """One per usable core, two at least, eight at most: beyond that, memory is the limit and not the cores."""
    return min(8, max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2))


def quarter_of_memory() -> int:
    """A quarter of the machine's RAM in bytes; 1 GiB where it cannot be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (ValueError, OSError):
        return 1 << 30
