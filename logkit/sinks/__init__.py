"""Where batches go to stay: the store, one DuckDB file written in whole commits, and whatever else is to have the rows.

    logkit.watch("logs", sinks=[logkit.sinks.Postgres("dbname=logs", table="events")])

`Sink` is the protocol, `Parcel` what a sink is given; `Postgres`, `Http`, `Files` and `Call` are sinks, and `redeliver`
sends again what an HTTP server refused.
"""

from __future__ import annotations

from logkit.sinks.call import Call
from logkit.sinks.files import Files
from logkit.sinks.http import Http
from logkit.sinks.letters import redeliver
from logkit.sinks.opening import real
from logkit.sinks.postgres import Postgres
from logkit.sinks.protocol import Parcel, Sink
from logkit.sinks.registry import owns
from logkit.sinks.saved import Expired, Saved, read_path, written_path
from logkit.sinks.store import Store

__all__ = [
    "Call",
    "Expired",
    "Files",
    "Http",
    "Parcel",
    "Postgres",
    "Saved",
    "Sink",
    "Store",
    "owns",
    "read_path",
    "real",
    "redeliver",
    "written_path",
]
