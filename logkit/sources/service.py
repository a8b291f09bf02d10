"""Which service a record belongs to: what its line says, what the user says, else its file's name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from logkit.errors import SettingError

if TYPE_CHECKING:
    import polars as pl

_EXTENSION = re.compile(r"\.(?:log|logs|txt|out|err|json|jsonl|ndjson|gz|bz2|xz|zst|old|bak)$", re.IGNORECASE)
_ROTATION = re.compile(r"[._-]\d{1,5}$")
_DATE = re.compile(r"[._-]?\d{4}[-_.]?\d{2}[-_.]?\d{2}(?:[-_.T]?\d{2}[-_.:]?\d{2}(?:[-_.:]?\d{2})?)?$")


def shown(path: str) -> str:
    """A path as text that can be shown and compared: bytes of its name that are no UTF-8 as `\\xNN`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@lru_cache(maxsize=20_000)
def service_of_path(path: str) -> str:
    """The file's name without date, rotation number and extensions.

    >>> service_of_path("/var/log/payments-2026-03-01.log.2.gz")
    'payments'
    """
    name = PurePath(shown(path)).name
    left = name
    while True:
        shorter = left
        for pattern in (_EXTENSION, _DATE, _ROTATION):
            shorter = pattern.sub("", shorter)
        if shorter == left or not shorter:
            break
        left = shorter
    return left.lstrip(".") or name


@dataclass(frozen=True, slots=True)
class ServiceRule:
    """The user's `service=`: nothing, a pattern searched in the path, an expression, or a function.

    A function takes the path, or the path and the events (a Polars frame) and returns a name or a series.
    It runs on worker threads. What it leaves out (None, null, no match) falls back to the line's own service.
    """

    pattern: str | None = None
    function: Callable[..., Any] | None = None
    wants_events: bool = False

    @classmethod
    def of(cls, service: object) -> ServiceRule:
        """Check and wrap what the user passed. Raises `SettingError` for what cannot work."""
        if service is None:
            return cls()
        if isinstance(service, str):
            _compile(service)
            return cls(pattern=service)
        if hasattr(service, "meta") and hasattr(service, "alias"):
            expression: Any = service
            return cls(function=lambda _path, events: events.select(expression).to_series(), wants_events=True)
        if callable(service):
            wanted = [
                p
                for p in inspect.signature(service).parameters.values()
                if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
            ]
            return cls(function=service, wants_events=len(wanted) > 1)
        raise SettingError(
            f"expected service= to be a regular expression, a Polars expression or a function, "
            f"found {type(service).__name__}; try service=r'/([^/]+)/[^/]+$'",
            setting="service",
            value=service,
        )

    def of_path(self, path: str) -> tuple[str | None, str] | None:
        """The name every event of a file gets, if the user's rule gives one, and the one for events that name none.

        None where the rule is a function, which may say something else of each event.
        """
        if self.function is not None:
            return None
        return self._searched(path) if self.pattern is not None else None, service_of_path(path)

    def _searched(self, path: str) -> str | None:
        found = _compile(self.pattern or "").search(path)
        if found is None:
            return None
        return next((group for group in found.groups() if group), None if found.groups() else found.group())

    def apply(self, path: str, events: pl.DataFrame) -> pl.DataFrame:
        """`events` with a `service` column that is never null."""
        import polars as pl

        chosen: Any = None
        asked = self.pattern is not None or self.function is not None
        if not asked and "service" in events.columns and not events["service"].null_count():
            return events
        if self.pattern is not None:
            chosen = self._searched(path)
        elif self.function is not None:
            chosen = self.function(path, events) if self.wants_events else self.function(path)
        fallback = pl.lit(service_of_path(path), pl.String)
        own = pl.col("service") if "service" in events.columns else pl.lit(None, pl.String)
        if chosen is None:
            return events.with_columns_seq(service=pl.coalesce(own, fallback))
        if isinstance(chosen, pl.Series):
            return events.with_columns_seq(service=pl.coalesce(pl.lit(chosen.cast(pl.String)), own, fallback))
        return events.with_columns_seq(service=pl.lit(str(chosen), pl.String))


@lru_cache(maxsize=64)
def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        at = error.pos or 0
        raise SettingError(
            f"expected service= to be a regular expression, found an error at character {at}: {error.msg}\n"
            f"    {pattern}\n    {' ' * at}^\ntry service=r'/([^/]+)/[^/]+$' for the folder's name",
            setting="service",
            value=pattern,
        ) from error
