"""Watch logs from a notebook: real threads in the background, one consistent snapshot in every cell.

folder -scan-> Source -plan-> Span -read-> Chunk -parse-> Batch -apply-> State -snapshot-> Snapshot
       watcher thread    bounded queue    worker threads       one lock             any thread

monitor = logkit.watch("logs")      # starts the threads, returns at once
snap = monitor.snapshot()           # an immutable value: snap.services, snap.events, snap.plot.timeline()
snap = logkit.read("incident/*.log*")   # finite: the same engine, to the end of what is there now
snap = logkit.open("incident.duckdb")   # what a monitor with a store has left, without reading a log
"""

from __future__ import annotations

from types import ModuleType

from logkit import sinks
from logkit.cluster import open, read
from logkit.engine import Monitor, Settings, watch
from logkit.errors import (
    FormatError,
    LogkitError,
    NeedsEvents,
    PathError,
    SettingError,
    SinkError,
    SnapshotExpired,
    StoreError,
    StoreLocked,
)
from logkit.formats.own import Format
from logkit.snapshot import Snapshot
from logkit.sources.explaining import explain

__all__ = [
    "Format",
    "FormatError",
    "LogkitError",
    "Monitor",
    "NeedsEvents",
    "PathError",
    "SettingError",
    "Settings",
    "SinkError",
    "Snapshot",
    "SnapshotExpired",
    "StoreError",
    "StoreLocked",
    "demo",
    "explain",
    "lab",
    "open",
    "read",
    "sinks",
    "watch",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    """Load `demo` and `lab` on first use; pandas, DuckDB, PyArrow and Matplotlib load themselves as late."""
    if name not in ("demo", "lab"):
        raise AttributeError(f"module 'logkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    import importlib

    return importlib.import_module(f"logkit.{name}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
