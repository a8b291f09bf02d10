"""The error family. Every error says what was expected, what was found and what to try.

    LogkitError
    ├── PathError            a path that is not there, or cannot be watched     .path .nearest
    ├── SettingError         a setting with a value that cannot work            .setting .value
    ├── FormatError          a format that cannot be compiled or registered     .name .position
    ├── SnapshotError
    │   ├── NeedsEvents      the question needs rows that were not kept         .question
    │   ├── LineageError     two snapshots of different monitors subtracted     .left .right
    │   └── EvidenceLost     the bytes a row was read from are no longer there  .path .offset
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
    "LineageError",
    "LogkitError",
    "NeedsEvents",
    "PathError",
    "SettingError",
    "SnapshotError",
    "Stopped",
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
