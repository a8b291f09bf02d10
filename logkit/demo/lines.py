"""How each of the six services writes a record: six formats that share nothing but the clock.

    gateway    nginx access log, combined, with the request's seconds and trace behind it
    orders     Java, logback; stack traces follow their line
    payments   JSON lines
    catalog    Python logging; tracebacks follow their line
    auth       syslog, RFC 3164: no year, no zone, no priority
    database   PostgreSQL

All times are UTC. A record's text may span lines and does not end in one.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final

FILES: Final = {
    "gateway": "gateway.log",
    "orders": "orders/orders.log",
    "payments": "payments.log",
    "catalog": "catalog.log",
    "auth": "auth/auth.log",
    "database": "database.log",
}
"""Where each service writes, relative to the incident's folder."""

ROTATED: Final = "orders/orders.log.1.gz"
"""The earlier part of orders."""

# strftime's names follow the locale; a log's do not.
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def access(
    at: datetime, client: str, request: str, status: int, size: int, agent: str, seconds: float, trace: str
) -> str:
    """One line of an nginx access log; nginx writes it when the answer has gone out."""
    when = f"{at.day:02d}/{MONTHS[at.month - 1]}/{at.year}:{_clock(at)} +0000"
    return f'{client} - - [{when}] "{request}" {status} {size} "-" "{agent}" rt={seconds:.3f} trace_id={trace}'


def logback(at: datetime, level: str, thread: str, logger: str, message: str) -> str:
    """A record of the Java service; the stack trace, if any, is part of `message`."""
    return f"{_date(at)} {_clock(at)},{_millis(at)} {level:<5} [orders] [{thread}] {logger} - {message}"


def json_line(at: datetime, level: str, message: str, fields: dict[str, object]) -> str:
    """One JSON object on one line; `fields` may nest."""
    stamp = f"{_date(at)}T{_clock(at)}.{_millis(at)}Z"
    record = {"timestamp": stamp, "level": level, "service": "payments", "message": message, **fields}
    return json.dumps(record, separators=(",", ":"))


def python_logging(at: datetime, level: str, message: str) -> str:
    """A record of the Python service; the traceback, if any, is part of `message`."""
    name = "WARNING" if level == "WARN" else level
    return f"{_date(at)} {_clock(at)},{_millis(at)} - catalog - {name} - {message}"


def syslog(at: datetime, level: str, message: str) -> str:
    """An RFC 3164 line as rsyslog leaves it in a file: no year, and the level only as a word of the message."""
    return f"{MONTHS[at.month - 1]} {at.day:2d} {_clock(at)} auth-1 auth[812]: {level} {message}"


def postgres(at: datetime, pid: int, level: str, message: str) -> str:
    """A PostgreSQL record; its later lines begin with a tab."""
    tag = {"INFO": "LOG", "WARN": "WARNING"}.get(level, level)
    return f"{_date(at)} {_clock(at)}.{_millis(at)} UTC [{pid}] {tag}:  " + message.replace("\n", "\n\t")


def _date(at: datetime) -> str:
    return f"{at.year:04d}-{at.month:02d}-{at.day:02d}"


def _clock(at: datetime) -> str:
    return f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"


def _millis(at: datetime) -> str:
    return f"{at.microsecond // 1000:03d}"
