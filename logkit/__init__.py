"""Watch logs from a notebook: real threads in the background, one consistent snapshot in every cell.

folder -scan-> Source -plan-> Span -read-> Chunk -parse-> Batch -apply-> State -snapshot-> Snapshot
       watcher thread    bounded queue    worker threads       one lock             any thread

monitor = logkit.watch("logs")      # starts the threads, returns at once
snap = monitor.snapshot()           # an immutable value: snap.services, snap.events, snap.plot.timeline()
snap = logkit.read("incident/*.log*")   # finite: the same engine, to the end of what is there now
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logkit import demo as demo
    from logkit.engine import Monitor as Monitor
    from logkit.engine import Settings as Settings
    from logkit.engine import read as read
    from logkit.engine import watch as watch
    from logkit.errors import LogkitError as LogkitError
    from logkit.errors import NeedsEvents as NeedsEvents
    from logkit.errors import PathError as PathError
    from logkit.errors import SettingError as SettingError
    from logkit.snapshot import Snapshot as Snapshot

_HOMES = {
    "LogkitError": "logkit.errors",
    "Monitor": "logkit.engine",
    "NeedsEvents": "logkit.errors",
    "PathError": "logkit.errors",
    "SettingError": "logkit.errors",
    "Settings": "logkit.engine",
    "Snapshot": "logkit.snapshot",
    "demo": "logkit.demo",
    "read": "logkit.engine",
    "watch": "logkit.engine",
}

__all__ = [
    "LogkitError",
    "Monitor",
    "NeedsEvents",
    "PathError",
    "SettingError",
    "Settings",
    "Snapshot",
    "demo",
    "read",
    "watch",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load a name where it is first used: `import logkit` stays quick, and a plain reader never pays for plots."""
    import importlib

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'logkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(home)
    value = module if name == "demo" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
