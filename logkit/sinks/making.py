"""A new store, made whole beside its place and then put there: whoever finds a file there finds all of its tables."""

from __future__ import annotations

import contextlib
import os
import uuid

from logkit.errors import StoreCorrupt, StoreError
from logkit.sinks.ddl import STORAGE, TABLES, VERSION
from logkit.sinks.opening import CONFIG, check_folder


def make_if_missing(path: str, now_us: int) -> None:
    """Make an empty store at a real path where there is no file, or one without a byte.

    Never replaces anything else. Raises PathError where the folder does not exist, StoreError where it cannot be made.
    """
    check_folder(path)
    if os.path.lexists(path) and (not os.path.isfile(path) or os.path.getsize(path)):
        return
    _check_alone(path)
    new = f"{path}.new{os.getpid()}"
    _remove(new)
    try:
        _make(new, now_us)
        if os.path.lexists(path) and not os.path.getsize(path):
            os.replace(new, path)
        else:
            # Unlike a rename, a link fails where another process was faster; its store is as good.
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
    except OSError as error:
        raise StoreError(f"expected to make a store at {path!r}, found: {error.strerror}", path=path) from error
    finally:
        _remove(new)


def _make(path: str, now_us: int) -> None:
    import duckdb

    config = {**CONFIG, "storage_compatibility_version": STORAGE}
    try:
        with duckdb.connect(path, config=config) as connection:
            for statement in TABLES:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO logkit_store VALUES ($version, $lineage, 0, 0, $now)",
                {"version": VERSION, "lineage": uuid.uuid4().hex, "now": now_us},
            )
    except duckdb.Error as error:
        said = str(error).partition("\n")[0]
        raise StoreError(f"expected to make a store in {os.path.dirname(path)!r}, found: {said}", path=path) from error


def _check_alone(path: str) -> None:
    """A log of commits without its database belongs to a store that was moved away: making one here would remove it."""
    log = f"{path}.wal"
    if os.path.lexists(log) and os.path.getsize(log):
        raise StoreCorrupt(
            f"expected a store at {path!r}, found only what belongs to one, {log!r}; "
            "try to bring the store back, or move that file away",
            path=path,
        )


def _remove(path: str) -> None:
    for name in (path, f"{path}.wal"):
        with contextlib.suppress(OSError):  # what must not be there any more is met again, and then said
            os.remove(name)
