"""PostgreSQL: rows by COPY, and what the sink remembers, in one transaction: each row exactly once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from logkit.errors import SettingError, SinkError
from logkit.sinks import copyrows, pgtable
from logkit.sinks.protocol import Parcel, Sink
from logkit.sinks.secrets import hidden

if TYPE_CHECKING:
    import psycopg

_PIECE: Final = 1 << 20
_NAME: Final = re.compile(r"[^\W\d]\w{0,62}(\.[^\W\d]\w{0,62})?")
# A commit that has been answered must outlive the server: else it would forget rows that nobody sends again.
_SESSION: Final = (
    "SET synchronous_commit = on; SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'"
)
_TEMPORARY: Final = ("08", "53", "55", "57", "40", "58", "XX")  # classes of SQLSTATE that pass


class Postgres(Sink):
    """Writes to a table of a PostgreSQL database (12 or newer). Needs `pip install logkit[postgres]`.

    dsn: a connection string or URL of libpq; what it leaves out comes from the environment and the password file, as
    with `psql`. table: `name` or `schema.name`, made if it is not there (`create=False`: an error then). It has the
    columns timestamp (timestamptz, UTC), level, service, message, file, offset (of the record's first byte),
    generation, continues, rejected, reason and attributes: all of the formats' own fields, as jsonb. A table of your
    own may leave out any of them but one, have others with defaults, and columns called like a field (`status
    integer`), which then get it. name: the same name goes on where it was, another one sends everything anew.

    Exactly once, whichever side is killed at whatever instant: what has been sent stands beside the rows, in the table
    `logkit_sinks` of the same schema, and is committed with them. A lost connection is made anew, with growing pauses.
    NUL characters, which PostgreSQL cannot hold, become U+FFFD. connect_seconds: how long one attempt to connect
    takes at most. limits: those of `Sink.limits`.
    """

    repeats = False
    parcel_seconds = 0.05

    def __init__(
        self,
        dsn: str,
        table: str = "logkit_events",
        *,
        create: bool = True,
        name: str | None = None,
        connect_seconds: float = 5.0,
        **limits: Any,
    ) -> None:
        try:
            import psycopg
            from psycopg.conninfo import conninfo_to_dict
        except ImportError as error:
            message = 'expected psycopg to be installed, found it is not; try pip install "logkit[postgres]"'
            raise SinkError(message, sink="postgres", temporary=False) from error
        if not isinstance(table, str) or not _NAME.fullmatch(table):
            message = f"expected table= to be a name like events or audit.events, found {table!r}"
            raise SettingError(message, setting="table", value=table)
        self.limits(name=name or f"postgres:{table}", **limits)
        self._table = table
        self._create = create
        self._schema, _, self._short = table.rpartition(".")
        try:
            self._given: dict[str, Any] = dict(conninfo_to_dict(dsn))
        except psycopg.Error:
            # its message repeats the text, and so the password
            message = "expected a connection string, found one that cannot be read; try postgresql://user@host/database"
            raise SettingError(message, setting="dsn", value="***") from None
        self._secrets = [str(value) for key, value in self._given.items() if "password" in key and value]
        self._given.setdefault("connect_timeout", max(2, round(connect_seconds)))
        self._given.setdefault("application_name", f"logkit {self.name}")
        for key, value in {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}.items():
            self._given.setdefault(key, value)
        self._given.setdefault("tcp_user_timeout", 30_000)
        self._connection: psycopg.Connection[Any] | None = None
        self._columns: tuple[pgtable.Column, ...] = ()

    def begin(self) -> dict[str, str]:
        """Connect, make or check the table, and read what has been sent."""
        import psycopg

        self.close()
        with self._explained("connect"):
            self._connection = psycopg.connect(**self._given)
        connection = self._connection
        with self._explained("begin"):
            connection.execute(_SESSION)
            self._lock(connection)
            if self._schema:
                connection.execute(psycopg.sql.SQL("SET search_path = {}").format(psycopg.sql.Identifier(self._schema)))
            if self._create:
                pgtable.create(connection, self._short)
            self._columns = pgtable.checked(connection, self._short, self.name)
            memory = pgtable.load(connection, self.name)
            connection.commit()
        return memory

    def write(self, parcels: Sequence[Parcel]) -> None:
        connection = self._open()
        with self._explained("write"), connection.cursor() as cursor:
            for columns, data in copyrows.tables(parcels, self._columns):
                with cursor.copy(pgtable.copy_statement(self._short, columns)) as copy:
                    for at in range(0, len(data), _PIECE):
                        copy.write(data[at : at + _PIECE])

    def commit(self, memory: Mapping[str, str]) -> None:
        connection = self._open()
        with self._explained("commit"):
            pgtable.save(connection, self.name, memory)
            connection.commit()

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # what is not committed is rolled back either way
                self._connection.close()
            self._connection = None

    def __repr__(self) -> str:
        shown = {key: self._given[key] for key in ("host", "port", "dbname", "user") if self._given.get(key)}
        place = " ".join(f"{key}={value}" for key, value in shown.items())
        return f"<Postgres sink {self.name!r}: table {self._table} of {place or 'the default database'}>"

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise SinkError("expected a connection to PostgreSQL, found none", sink=self.name)
        return self._connection

    def _lock(self, connection: psycopg.Connection[Any]) -> None:
        """One session at a time writes as this sink: two would both send what neither has."""
        found = connection.execute("SELECT pg_try_advisory_lock(hashtextextended('logkit ' || %s, 0))", [self.name])
        row = found.fetchone()
        connection.commit()
        if row is None or not row[0]:
            message = (
                f"expected the sink {self.name!r} to be free, found another session writing as it; try name= another"
            )
            raise SinkError(message, sink=self.name)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """What PostgreSQL refuses becomes an error that says what to do, without the password."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            state = error.sqlstate or ""
            text = hidden(" ".join(str(error).split()), self._secrets)
            passing = (not state and "authentication" not in text) or state.startswith(_TEMPORARY)
            advice = _advice(state, text, self._table)
            failure = SinkError(
                f"expected PostgreSQL to {doing} for {self.name!r}, found: {text}{advice}",
                sink=self.name,
                temporary=passing and not advice,
            )
            failure.__suppress_context__ = True
            raise failure from None


def _advice(state: str, text: str, table: str) -> str:
    if state.startswith("28") or "authentication failed" in text or "no password supplied" in text:
        return "; try another user or password in dsn="
    if state == "3D000" or ("database" in text and "does not exist" in text):
        return "; try another dbname in dsn="
    if state == "42P01":
        return f"; try create=True, or make the table {table}"
    if state == "42501" and "for schema" in text:
        return f"; try create=False with tables {table} and logkit_sinks that somebody made, or GRANT CREATE ON SCHEMA"
    if state == "42501":
        return f"; try GRANT INSERT, SELECT on {table} and on logkit_sinks"
    if state.startswith("22") or state.startswith("23"):
        return f"; a column of {table} does not take what the logs hold"
    return ""
