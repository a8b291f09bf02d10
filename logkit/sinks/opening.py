"""Connecting to a store's file: what DuckDB refuses becomes an error that says what to do; nothing is overwritten."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logkit.errors import PathError, StoreCorrupt, StoreError, StoreLocked, StoreVersion
from logkit.sinks.ddl import VERSION, quoted

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "256MB"
"""What DuckDB may keep in memory for one store that is read; a query that needs more uses a folder beside the store."""

CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    # What the store is asked may not reach outside of it: no files, no network, no extensions, no Python variables.
    "enable_external_access": False,
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": MEMORY,
}

_WRITING: Final[dict[str, str | bool | int | float | list[str]]] = {
    # Two threads compress while readers wait for room; were rows to stay in order, they would wait for each other.
    "threads": 2,
    "preserve_insertion_order": False,
    # At a checkpoint it would put the rows of large commits together anew, and so write all of them twice.
    "max_vacuum_tasks": 0,
    # It keeps what it has written for as long as there is room: beside readers there is less.
    "memory_limit": "128MB",
}

_HEADERS_BYTES: Final = 3 * 4096  # of a database file, before its first block
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")
_DAMAGE: Final = re.compile(
    r"not a valid DuckDB|could not read enough bytes|corrupt|checksum|WAL does not match|replaying WAL|deseriali",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Head:
    """What a store says of itself: its name, the number of its last commit, how often retention dropped rows."""

    lineage: str
    seq: int
    retention: int


def real(path: str | os.PathLike[str]) -> str:
    """The one name of a store's file, by which it is registered; `~` is the home folder."""
    return os.path.realpath(os.path.expanduser(os.fspath(path)))


def connect(path: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open the database file at a real path; it must exist. Raises the StoreError family."""
    import duckdb

    if os.path.isdir(path):
        raise StoreError(f"expected a store's file, found the folder {path!r}; try a name in it", path=path)
    if not os.path.lexists(path):
        raise StoreError(f"expected a store at {path!r}, found nothing there", path=path)
    folder = os.path.dirname(path)
    if not read_only and not os.access(folder, os.W_OK):
        raise StoreError(f"expected to write in {folder!r}, where the store's log is: permission denied", path=path)
    try:
        return duckdb.connect(path, read_only=read_only, config=CONFIG if read_only else CONFIG | _WRITING)
    except (duckdb.Error, OSError) as error:
        raise explained(error, path) from error


def head_of(connection: duckdb.DuckDBPyConnection, path: str) -> Head:
    """What the store says of itself. Raises StoreError for another database, StoreVersion for a newer store."""
    import duckdb

    try:
        found = connection.execute("SELECT version, lineage, seq, retention FROM main.logkit_store").fetchall()
    except duckdb.CatalogException:
        found = []
    except duckdb.Error as error:
        raise explained(error, path) from error
    if len(found) != 1:
        raise StoreError(
            f"expected a store of logkit, found another DuckDB database at {path!r}; try a new name", path=path
        )
    version, lineage, seq, retention = found[0]
    if version > VERSION:
        raise _newer(path, version)
    return Head(lineage, seq, retention)


def check_whole(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raises StoreCorrupt where the file ends before the last block in use: DuckDB reads a block only when it is asked
    for, so it opens a file without its end."""
    import duckdb

    length = os.path.getsize(path)
    try:
        ((blocks, size),) = connection.execute("SELECT total_blocks, block_size FROM pragma_database_size()").fetchall()
        # A block that was never used may be missing at the end; looking for those in use takes long in a large store.
        if length >= _HEADERS_BYTES + blocks * size:
            return
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
        last = max(_last_block(connection, name) for (name,) in tables)
    except duckdb.Error as error:
        raise explained(error, path) from error
    if length < _HEADERS_BYTES + (last + 1) * size:
        raise _damaged(path, f"the file ends after {length:,} bytes, before the last it should hold")


def _last_block(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    query = "SELECT max(greatest(block_id, list_max(additional_block_ids))) FROM pragma_storage_info($table)"
    ((block,),) = connection.execute(query, {"table": f"main.{quoted(table)}"}).fetchall()
    return -1 if block is None else int(block)


def check_folder(path: str) -> None:
    """Raises PathError with the nearest folder that exists where a store's folder does not."""
    folder = Path(path).parent
    if os.path.isdir(folder):
        return
    nearest = next(parent for parent in folder.parents if os.path.isdir(parent))
    raise PathError(
        f"expected a folder for the store at {str(folder)!r}, found none; the nearest that exists is {str(nearest)!r}",
        path=path,
        nearest=nearest,
    )


def explained(error: Exception, path: str) -> StoreError:
    """What an error of DuckDB means for the store at `path`."""
    import duckdb

    said = str(error).partition("\n")[0].strip()
    if "Could not set lock" in said or "Conflicting lock" in said:
        holder = _HOLDER.search(said)
        return locked(path, int(holder[1]) if holder else None)
    if "different configuration" in said:
        return locked(path, os.getpid())
    if "storage version number" in said:
        return _newer(path, None)
    if _DAMAGE.search(said) or isinstance(error, ValueError | duckdb.InternalException | duckdb.SerializationException):
        return _damaged(path, said)
    return StoreError(f"expected to work with the store {path!r}, found that DuckDB cannot: {said}", path=path)


def locked(path: str, holder: int | None) -> StoreLocked:
    """The error of a store that somebody else holds, with the way out."""
    if holder == os.getpid():
        message = (
            f"expected the store {path!r} to be free, found it open in this process already; "
            "try monitor.stop() or close the other connection first"
        )
    else:
        who = "another process" if holder is None else f"process {holder}"
        message = (
            f"expected the store {path!r} to be free, found {who} using it; "
            'try snap.save("copy.duckdb") over there and logkit.open("copy.duckdb") here, or end that process'
        )
    return StoreLocked(message, path=path, holder=holder)


def _damaged(path: str, said: str) -> StoreCorrupt:
    message = (
        f"expected {path!r} to be a store, found that it cannot be read: {said}; try another name, or a copy of it"
    )
    return StoreCorrupt(message, path=path)


def _newer(path: str, found: int | None) -> StoreVersion:
    what = "a file of a newer DuckDB" if found is None else f"version {found}"
    return StoreVersion(
        f"expected a store of version {VERSION} or older, found {what} at {path!r}; try a newer logkit",
        path=path,
        found=found,
        known=VERSION,
    )
