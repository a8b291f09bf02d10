"""The error family. Every error says what was expected, what was found and what to try.

    LogkitError
    ├── PathError            a path that is not there, or cannot be watched     .path .nearest
    ├── SettingError         a setting with a value that cannot work            .setting .value
    ├── FormatError          a format that cannot be compiled or registered     .name .position
    ├── SnapshotError
    │   ├── NeedsEvents      the question needs rows that were not kept         .question
    │   ├── LineageError     two snapshots of different monitors subtracted     .left .right
    │   ├── EvidenceLost     the bytes a row was read from are no longer there  .path .offset
    │   └── SnapshotExpired  rows of this snapshot were dropped by retention
    ├── StoreError           a store that cannot be made, read or written       .path
    │   ├── StoreLocked      another process holds it                           .holder
    │   ├── StoreCorrupt     no database any more, or never was one
    │   └── StoreVersion     written by a newer logkit or DuckDB                .found .known
    ├── SinkError            a sink that cannot begin, write or commit          .sink .temporary
    ├── LabError             an experiment of the lab that cannot go on         .threads
    └── EngineError
        ├── Stopped          the monitor has been stopped                       .monitor
        └── Forked           the monitor's threads live in another process      .pid

Each carries its facts as attributes, so that code never has to read the message.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "EngineError",
    "EvidenceLost",
    "Forked",
    "FormatError",
    "LabError",
    "LineageError",
    "LogkitError",
    "NeedsEvents",
    "PathError",
    "SettingError",
    "SinkError",
    "SnapshotError",
    "SnapshotExpired",
    "Stopped",
    "StoreCorrupt",
    "StoreError",
    "StoreLocked",
    "StoreVersion",
]


class LogkitError(Exception):
    """The root of all errors logkit raises on purpose."""


class PathError(LogkitError):
    """A path that does not exist or cannot be watched; `nearest` is the closest folder that does exist."""

    def __init__(self, message: str, *, path: str, nearest: Path | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.nearest = nearest


class SettingError(LogkitError):
    """A setting whose value cannot work."""

    def __init__(self, message: str, *, setting: str, value: object) -> None:
        super().__init__(message)
        self.setting = setting
        self.value = value


class FormatError(LogkitError):
    """A format that cannot be compiled; `position` counts characters into its pattern."""

    def __init__(self, message: str, *, name: str, position: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.position = position


class SnapshotError(LogkitError):
    """A question a snapshot cannot answer."""


class NeedsEvents(SnapshotError):
    """The question needs rows that this snapshot did not keep; `question` names it."""

    def __init__(self, message: str, *, question: str) -> None:
        super().__init__(message)
        self.question = question


class LineageError(SnapshotError):
    """Two snapshots of different monitors were subtracted."""

    def __init__(self, message: str, *, left: str, right: str) -> None:
        super().__init__(message)
        self.left = left
        self.right = right


class EvidenceLost(SnapshotError):
    """The bytes a row was read from are no longer in the file at `path`, from byte `offset` on."""

    def __init__(self, message: str, *, path: str, offset: int) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset


class SnapshotExpired(SnapshotError):
    """Rows of this snapshot have been dropped by retention since it was taken; its statistics still answer."""


class StoreError(LogkitError):
    """A store that cannot be created, opened, read or written; `path` is its file, which was not changed by opening."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class StoreLocked(StoreError):
    """Somebody else holds the store: `holder` is that process, None where nobody could tell."""

    def __init__(self, message: str, *, path: str, holder: int | None = None) -> None:
        super().__init__(message, path=path)
        self.holder = holder


class StoreCorrupt(StoreError):
    """The file is no database, or a damaged one."""


class StoreVersion(StoreError):
    """The store was written by a newer version: `found` is that of its schema, `known` the newest this logkit reads.

    `found` is None where the file itself is of a newer DuckDB and cannot be looked into.
    """

    def __init__(self, message: str, *, path: str, found: int | None, known: int) -> None:
        super().__init__(message, path=path)
        self.found = found
        self.known = known


class SinkError(LogkitError):
    """A sink that cannot do what it is for; `sink` is its name. `temporary`: trying again may help."""

    def __init__(self, message: str, *, sink: str, temporary: bool = True) -> None:
        super().__init__(message)
        self.sink = sink
        self.temporary = temporary


class LabError(LogkitError):
    """An experiment of `logkit.lab` that cannot go on; `threads` names those that are held up."""

    def __init__(self, message: str, *, threads: tuple[str, ...]) -> None:
        super().__init__(message)
        self.threads = threads


class EngineError(LogkitError):
    """The engine cannot do what was asked of it in its present state."""


class Stopped(EngineError):
    """The monitor has been stopped."""

    def __init__(self, message: str, *, monitor: str) -> None:
        super().__init__(message)
        self.monitor = monitor


class Forked(EngineError):
    """The process was forked: the monitor's threads live in process `pid`, not in this one."""

    def __init__(self, message: str, *, pid: int) -> None:
        super().__init__(message)
        self.pid = pid
