"""Where batches go to stay: a store is one DuckDB file, written in whole commits and read as of one of them."""

from __future__ import annotations

from logkit.sinks.opening import real
from logkit.sinks.registry import owns
from logkit.sinks.saved import Expired, Saved, read_path, written_path
from logkit.sinks.store import Store

__all__ = ["Expired", "Saved", "Store", "owns", "read_path", "real", "written_path"]
