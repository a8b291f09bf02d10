"""What structured logs call the same thing: aliases of key names, and column names made from keys.

A key is compared by its letters and digits alone, in lower case, so that `@timestamp`, `Timestamp` and
`time_stamp` are one name, and `log.level` is one whether it is written with a dot or nested.
"""

from __future__ import annotations

import re
from typing import Final

from logkit.schema import COMMON

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "timestamp": (
        "timestamp", "time", "ts", "t", "datetime", "tdate", "asctime", "eventtime", "logtime", "date",
        "realtimetimestamp", "timeunixnano", "timestampns", "timestampms", "timemillis", "instantepochsecond",
        "eventtimestamp", "created", "createdat", "when", "at",
    ),
    "level": (
        "level", "severity", "lvl", "loglevel", "levelname", "severitytext", "l", "s", "priority", "severitynumber",
        "loglevelname", "levelno", "type",
    ),
    "message": (
        "message", "msg", "event", "m", "mt", "shortmessage", "log", "textpayload", "jsonpayloadmessage", "body",
        "bodystringvalue", "text", "logmessage", "rawmessage", "content", "description",
    ),
    "service": (
        "service", "servicename", "app", "appname", "application", "applicationname", "program", "syslogidentifier",
        "systemdunit", "component", "c", "containername", "kubernetescontainername", "resourceservicename",
    ),
    "trace_id": ("traceid", "trace", "tr", "ddtraceid", "oteltraceid", "xb3traceid", "logginggoogleapiscomtrace"),
    "span_id": ("spanid", "span", "sp", "ddspanid", "otelspanid", "xb3spanid", "logginggoogleapiscomspanid"),
    "logger": ("logger", "loggername", "loglogger", "target", "sourcecontext", "scopename", "category", "name",
        "channel", "module", "subsys", "subsystem", "prefix"),
    "host": ("host", "hostname", "nodename", "machinename", "computername", "computer"),
    "thread": ("thread", "threadname", "processthreadname", "ctx", "threadid", "tid"),
}  # fmt: skip
"""The names of each role, the best first."""

WRAPPERS: Final = frozenset(
    ("fields", "jsonpayload", "log", "data", "record", "context", "extra", "attributes", "properties", "mdc", "payload")
)
"""Keys whose children are the record's own fields (`@fields.lvl`, `jsonPayload.message`)."""

DURATIONS: Final = frozenset(
    (
        "duration", "elapsed", "elapsedtime", "latency", "responsetime", "requesttime", "requestduration", "took",
        "eventduration", "executiontime", "processingtime", "querytime", "timetaken",
    )
)  # fmt: skip
"""Names of durations, their unit left out."""

UNITS: Final[dict[str, float]] = {
    "nanoseconds": 1e-6, "nanos": 1e-6, "ns": 1e-6, "microseconds": 1e-3, "micros": 1e-3, "us": 1e-3,
    "milliseconds": 1.0, "millis": 1.0, "msec": 1.0, "ms": 1.0, "seconds": 1e3, "secs": 1e3, "sec": 1e3, "s": 1e3,
}  # fmt: skip
"""Units a name may end with, in milliseconds; the longer first where one ends with another."""

_COLUMNS: Final[dict[str, str]] = {
    "status_code": "status", "http_status": "status", "response_status": "status", "remote_addr": "client",
    "remote_ip": "client", "client_ip": "client", "process_id": "pid", "bytes_sent": "bytes",
    "body_bytes_sent": "bytes", "http_method": "method", "request_method": "method", "dd_trace_id": "trace_id",
}  # fmt: skip
_RESERVED: Final = frozenset((*COMMON, "file", "source", "generation", "seq", "attributes", "held"))
_LONGEST: Final = 48
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_TIMELIKE: Final = re.compile(
    r"(time|timestamp|date|_ts|_at|At|TS|stamp|Time|Date)(_?(ms|us|ns|sec|Ms|Sec)|_s|Millis)?$"
)


def plain_name(key: str) -> str:
    """A key's letters and digits, in lower case."""
    return _OTHER.sub("", key.lower())


def column_name(key: str) -> str | None:
    """A snake-case column name for a key; None where the key leaves no usable name."""
    if len(key) > _LONGEST:
        return None
    name = _OTHER.sub("_", _CAMEL.sub("_", key).lower()).strip("_")
    if not name:
        return None
    name = _COLUMNS.get(name, f"_{name}" if name[0].isdigit() else name)
    return f"{name}_field" if name in _RESERVED else name


def sounds_like_time(key: str) -> bool:
    """Whether a key ends like the name of a time (`started_at`, `EdgeStartTimestamp`), whose unit may follow."""
    return _TIMELIKE.search(key) is not None


def duration_unit(name: str) -> tuple[bool, float | None]:
    """Whether a plain name is a duration's, and its unit in milliseconds where the name says so."""
    if name == "eventduration":
        return True, UNITS["ns"]
    if name in DURATIONS:
        return True, None
    for unit, milliseconds in UNITS.items():
        if name.endswith(unit) and name.removesuffix(unit) in DURATIONS:
            return True, milliseconds
    return False, None
