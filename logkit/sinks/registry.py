"""The stores this process has open for writing: whoever reads one of them must go through the connection that is there.

Opening the file a second time in the same process would fail, or drop the lock that keeps other processes out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.errors import StoreError

if TYPE_CHECKING:
    import duckdb

    from logkit.sources import Found

_OPEN: dict[str, duckdb.DuckDBPyConnection | None] = {}
"""Root connections by real path; None while a store recovers from a failure. Single reads and writes, so no lock."""


_OUTPUTS: set[str] = set()
"""Real paths of files and folders that sinks of this process write, or wrote."""


def keep_out(paths: Iterable[str]) -> None:
    """From now on these files, and all in these folders, are no logs."""
    _OUTPUTS.update(paths)


def enter(path: str, root: duckdb.DuckDBPyConnection | None) -> None:
    """Make `root` the connection of the store at `path`; None: it is ours, but cannot be read now."""
    _OPEN[path] = root


def leave(path: str) -> None:
    """The store at `path` is no longer open here."""
    _OPEN.pop(path, None)


def is_open(path: str) -> bool:
    """Whether this process writes the store at this real path."""
    return path in _OPEN


@dataclass(frozen=True, slots=True)
class Ours:
    """The files of the stores this process has open, as they are now."""

    paths: tuple[str, ...]
    inodes: frozenset[tuple[int, int]]
    outputs: tuple[str, ...] = ()

    def is_output(self, found: Found) -> bool:
        """Whether a sink writes it."""
        return any(found.path == path or found.path.startswith(path + os.sep) for path in self.outputs)

    def has(self, found: Found) -> bool:
        """Whether it is one of them, by whatever name, or lies beside one and belongs to it."""
        if (found.device, found.inode) in self.inodes or self.is_output(found):
            return True
        name = os.path.basename(found.path)
        return any(
            name.startswith(os.path.basename(path)) and owns(path, os.path.realpath(found.path)) for path in self.paths
        )


def ours() -> Ours:
    """What nobody in this process may open as a log: closing it would drop the lock on it. Any thread may call."""
    paths, inodes = tuple(_OPEN), set()
    for path in paths:
        for name in (path, f"{path}.wal"):
            with contextlib.suppress(OSError):
                status = os.stat(name)
                inodes.add((status.st_dev, status.st_ino))
    return Ours(paths, frozenset(inodes), tuple(_OUTPUTS))


def owns(store: str, path: str) -> bool:
    """Whether `path` is a store's file (real paths), or one of those DuckDB and we put beside it."""
    return path == store or path.startswith((f"{store}.wal", f"{store}.tmp", f"{store}.new"))


def cursor(path: str) -> duckdb.DuckDBPyConnection | None:
    """A connection of the caller's own to a store this process has open; None where it has not. Any thread may call it.

    The caller closes it soon: a store cannot recover from a failure, nor let go of its file, while one is open.
    Raises StoreError while the store recovers.
    """
    import duckdb

    if path not in _OPEN:
        return None
    root = _OPEN.get(path)
    try:
        if root is not None:
            return root.cursor()
    except duckdb.Error:
        # Closed in this very moment: either it is being left, or it recovers.
        if path not in _OPEN:
            return None
    message = f"expected the store {path!r} to be ready, found it recovering from a failure; try again in a moment"
    raise StoreError(message, path=path)
