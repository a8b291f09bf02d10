"""The engine: threads, one queue, one lock.

Read it in this order: `settings`, `threads` (a thread that reports its own death), `state` (the lock), `known` and
`progress` (pure: by what a source is known again, and what has been read of it), `planning` (pure: what to read next),
`delivery` and `writer` (the way to a store),
`remembered`, `fan`, `outbox`, `parcels` and `sender` (the way to several sinks, each from where it was), `alerts`,
`outcome`, `worker`, `prober` (whose copy a file is), `watcher`, `tracker`, `notify`, `core` (all of them together),
`monitor` (what the user holds).
"""

from logkit.engine.core import StopResult
from logkit.engine.monitor import Monitor, read, watch
from logkit.engine.settings import Settings

__all__ = ["Monitor", "Settings", "StopResult", "read", "watch"]
