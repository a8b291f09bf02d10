"""The stores this process has open for writing: whoever reads one of them must go through the connection that is there.

Opening the file a second time in the same process would fail, or drop the lock that keeps other processes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from logkit.errors import StoreError

if TYPE_CHECKING:
    import duckdb

_OPEN: dict[str, duckdb.DuckDBPyConnection | None] = {}
"""Root connections by real path; None while a store recovers from a failure. Single reads and writes, so no lock."""


def enter(path: str, root: duckdb.DuckDBPyConnection | None) -> None:
    """Make `root` the connection of the store at `path`; None: it is ours, but cannot be read now."""
    _OPEN[path] = root


def leave(path: str) -> None:
    """The store at `path` is no longer open here."""
    _OPEN.pop(path, None)


def is_open(path: str) -> bool:
    """Whether this process writes the store at this real path."""
    return path in _OPEN


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
